import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

@testable import Agent

/// A book that says what the test wants.
final class Book: AttachmentBook {
    // Safe: one test, one thread.
    nonisolated(unsafe) var readings: [Attachments] = [Attachments()]
    // Safe: one test, one thread.
    nonisolated(unsafe) var adopted: [IPPrefix] = []

    /// One reading after the other; the last one stays.
    func attachments() -> Attachments { readings.count > 1 ? readings.removeFirst() : readings[0] }
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) { adopted = prefixes }
}

@Suite("the rounds of a node")
struct NodeKeeperTests {
    private let host = MemoryHost()
    private let book = Book()
    private let box: Box<NodeKeeper<MemoryTables>>

    private var keeper: NodeKeeper<MemoryTables> {
        get { box.value }
        nonmutating set { box.value = newValue }
    }

    private func settleAll() throws -> NodeKeeper<MemoryTables>.Outcome { try box.value.settleAll() }
    private func settle(_ keys: Set<NodePlan.Key>) throws -> NodeKeeper<MemoryTables>.Outcome { try box.value.settle(keys) }

    init() throws {
        box = Box(NodeKeeper(node: "n1", host: host, tables: MemoryTables(), pods: book))
        try Self.furnish(host)
    }

    private static func furnish(_ host: MemoryHost) throws {
        let refusals = host.apply([
            .add(.link(Link("eth0", .veth(peer: Link.Peer("far"))))),
            .add(.address(Address(try #require(InterfaceAddress("192.0.2.1/24")), on: "eth0"))),
            .add(.address(Address(try #require(InterfaceAddress("2001:db8::1/64")), on: "eth0"))),
        ])
        try #require(refusals == [])
    }

    private func node(_ number: Int, range: Int? = nil, hasIPv6: Bool = true) throws -> Node {
        var node = Node(metadata: ObjectMeta(name: "n\(number)"))
        let range = range ?? number
        node.spec.podCIDRs = [try net("10.244.\(range).0/24")] + (hasIPv6 ? [try net("fd00:0:0:\(range)::/64")] : [])
        node.status.addresses = [.init(.internalIP, "192.0.2.\(number)"), .init(.internalIP, "2001:db8::\(number)")]
        return node
    }

    private func attachment(_ name: String, _ address: String) throws -> Plan.Attachment {
        Plan.Attachment(id: id(name), addresses: [try ip(address)], mtu: 1500)
    }

    /// The node's side of a pod's link, as an ADD makes it.
    private func build(_ attachment: Plan.Attachment) throws {
        let pod = MemoryHost()
        host.namespaces[PodNetwork.podNamespace] = pod
        let steps = difference(from: State(), to: PodNetwork(attachment).node, owned: NodePlan.ownership)
        try #require(host.apply(steps) == [])
    }

    private func text(_ keeper: NodeKeeper<MemoryTables>, _ host: MemoryHost) throws -> String {
        let network = host.state.filter { if case .link = $0 { false } else { true } }.description
        return try network + NodePlan.tables.compactMap { try keeper.tables.observe($0)?.table.text }.joined()
    }

    @Test("a full round makes what is planned, hands the ranges on, and a second one says nothing")
    func full() throws {
        _ = keeper.list([try node(1), try node(2)])
        #expect(try settleAll().changes.isEmpty == false)
        #expect(book.adopted == [try net("10.244.1.0/24"), try net("fd00:0:0:1::/64")])
        #expect(host.state.routes.count == 4)
        #expect(try keeper.tables.observe(NodePlan.tables[0]) != nil)
        #expect(try settleAll() == NodeKeeper<MemoryTables>.Outcome())
        #expect(keeper.problems == [])
    }

    @Test("rounds of keys and full rounds end in the same state", arguments: 0..<10)
    func agree(_ turn: Int) throws {
        var dice = Dice()
        let otherHost = MemoryHost()
        try Self.furnish(otherHost)
        var other = NodeKeeper(node: "n1", host: otherHost, tables: MemoryTables(), pods: Book())
        let first = [try node(1), try node(3)]
        _ = (keeper.list(first), other.list(first))
        _ = try (settleAll(), other.settleAll())
        for step in 0..<60 {
            let number = Int.random(in: 1...6, using: &dice)
            let due: NodeKeeper<MemoryTables>.Due
            if number != 1, Int.random(in: 0..<3, using: &dice) == 0 {
                let key = ObjectKey(Node.resource.kind, name: "n\(number)")
                due = keeper.remove(key)
                _ = other.remove(key)
            } else {
                // Ranges that are taken, and nodes of one family, come along.
                let object = try node(
                    number, range: Int.random(in: 1...6, using: &dice), hasIPv6: Int.random(in: 0..<4, using: &dice) > 0)
                due = keeper.set(object)
                _ = other.set(object)
            }
            switch due {
            case .all: _ = try settleAll()
            case .keys(let keys): #expect(try settle(keys).refused == 0, "seed \(dice.seed), step \(step)")
            }
            _ = try other.settleAll()
            try #require(
                try text(keeper, host).split(separator: "\n") == text(other, otherHost).split(separator: "\n"),
                "seed \(dice.seed), step \(step)")
            #expect(Set(keeper.problems) == Set(other.problems), "seed \(dice.seed), step \(step)")
        }
        #expect(try settleAll().changes == [], "seed \(dice.seed)")
    }

    @Test("the link of a pod that is gone is a problem, and a round of keys does not forget it")
    func missing() throws {
        book.readings = [Attachments(all: [id("c1"): try attachment("c1", "10.244.1.2")])]
        _ = keeper.list([try node(1)])
        #expect(try settleAll().refused == 0)
        #expect(keeper.problems.map(\.id) == [.podLinkMissing])
        guard case .keys(let keys) = keeper.set(try node(2)) else {
            return #expect(Bool(false), "another node is a matter of keys")
        }
        _ = try settle(keys)
        #expect(keeper.problems.map(\.id) == [.podLinkMissing])
        book.readings = [Attachments()]
        _ = try settleAll()
        #expect(keeper.problems == [])
    }

    @Test("a link that nobody knows goes; one whose record cannot be read stays, and is a problem; somebody's tlan0 stays")
    func strays() throws {
        let (stray, lost) = (try attachment("c1", "10.244.1.2"), try attachment("c2", "10.244.1.3"))
        try build(stray)
        try build(lost)
        #expect(host.apply([.add(.link(Link("tlan0", .bridge)))]) == [])
        book.readings = [Attachments(lost: [lost.link: "/state/c2:eth0"])]
        _ = keeper.list([try node(1)])
        #expect(try settleAll().refused == 0)
        #expect(host.state.link(stray.link) == nil)
        #expect(host.state.link(lost.link) != nil)
        #expect(host.state.link("tlan0") != nil)
        #expect(host.state.routes.contains { $0.device == lost.link })
        #expect(keeper.problems.map(\.id) == [.recordUnreadable])
        #expect(keeper.problems.first?.message.contains("/state/c2:eth0") == true)
    }

    @Test("a link that nobody knows is not taken for a stray one while calls come and go")
    func comingAndGoing() throws {
        let pod = try attachment("c1", "10.244.1.2")
        _ = keeper.list([try node(1)])
        _ = try settleAll()
        try build(pod)
        book.readings = [Attachments(claims: 1), Attachments(claims: 3)]
        #expect(try settleAll().changes == [])
        #expect(host.state.link(pod.link) != nil)
        book.readings = [Attachments(claims: 3)]
        #expect(try settleAll().refused == 0)
        #expect(host.state.link(pod.link) == nil)
    }

    @Test("an attachment that moves while the round looks is left alone")
    func moving() throws {
        let pod = try attachment("c1", "10.244.1.2")
        _ = keeper.list([try node(1)])
        _ = try settleAll()
        let (none, busy) = (Attachments(), Attachments(all: [pod.id: pod], busy: [pod.id]))
        let attached = Attachments(all: [pod.id: pod])
        // Before its link was seen, and not: beginning, under way, ending; coming, staying and going.
        for readings in [
            [none, busy], [busy, busy], [busy, attached], [none, attached], [attached, none], [attached, busy], [busy, none],
        ] {
            for hasLink in [false, true] {
                if hasLink { try build(pod) }
                book.readings = readings
                #expect(try settleAll().changes == [], "\(readings), link \(hasLink)")
                #expect(keeper.problems == [], "\(readings), link \(hasLink)")
                #expect((host.state.link(pod.link) != nil) == hasLink)
                if hasLink { _ = host.apply([.remove(.link(Link(pod.link, .veth(peer: nil))))]) }
            }
        }
    }

    @Test("what somebody deleted comes back, and a foreign route in the way is a problem and stays")
    func drift() throws {
        _ = keeper.list([try node(1), try node(2)])
        _ = try settleAll()
        let whole = try text(keeper, host)
        let route = try #require(host.state.routes.first { $0.gateway != nil })
        #expect(host.apply([.remove(.route(route))]) == [])
        #expect(try settleAll().changes == ["+ \(route)"])
        #expect(try text(keeper, host) == whole)
        var foreign = route
        foreign.proto = 4
        #expect(host.apply([.remove(.route(route)), .add(.route(foreign))]) == [])
        #expect(try settleAll().refused == 1)
        #expect(keeper.problems.map(\.id) == [.changeRefused])
        #expect(host.state[.route(route.key)] == .route(foreign))
        _ = host.apply([.remove(.route(foreign))])
        #expect(try settleAll().refused == 0)
        #expect(keeper.problems == [])
    }
}
