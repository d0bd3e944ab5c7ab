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
    // Safe: one test, one thread.
    nonisolated(unsafe) var reserved: Set<IPAddress> = []

    /// One reading after the other; the last one stays.
    func attachments() -> Attachments { readings.count > 1 ? readings.removeFirst() : readings[0] }
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        (adopted, self.reserved) = (prefixes, reserved)
    }
}

@Suite("the rounds of a node")
struct NodeKeeperTests {
    private let host = MemoryHost()
    private let book = Book()
    private let box: Box<NodeKeeper<MemoryTables>>

    private func settleAll(at now: Duration = .zero) throws -> NodeKeeper<MemoryTables>.Outcome {
        try box.value.settleAll(at: now)
    }
    private func settle(_ keys: Set<NodePlan.Key>) throws -> NodeKeeper<MemoryTables>.Outcome {
        try box.value.settle(keys, at: .zero)
    }
    private func list(_ objects: [any KubernetesObject]) -> NodeKeeper<MemoryTables>.Due { box.value.list(objects) }
    private func remove(_ node: Node) -> NodeKeeper<MemoryTables>.Due { box.value.remove(node.key) }
    private func isTableNews() -> Bool { box.value.isTableNews() }
    private func wake(at now: Duration) -> Bool { box.value.wake(at: now) }
    private func settleTables() -> [String] { box.value.settleTables(at: .zero).changes }
    private func due(_ news: KernelNews...) -> NodeKeeper<MemoryTables>.Due { box.value.due(Set(news)) }

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

    private func text(_ keeper: borrowing NodeKeeper<MemoryTables>, _ host: MemoryHost) throws -> String {
        let network = host.state.filter { if case .link = $0 { false } else { true } }.description
        let tables = keeper.tables
        return try network + NodePlan.tables.compactMap { try tables.observe($0)?.table.text }.joined()
    }

    @Test("a full round makes what is planned, hands the ranges on, and a second one says nothing")
    func full() throws {
        _ = box.value.list([try node(1), try node(2)])
        #expect(try settleAll().changes.isEmpty == false)
        #expect(book.adopted == [try net("10.244.1.0/24"), try net("fd00:0:0:1::/64")])
        #expect(host.state.routes.count == 4)
        #expect(try box.value.tables.observe(NodePlan.tables[0]) != nil)
        #expect(try settleAll() == NodeKeeper<MemoryTables>.Outcome())
        #expect(box.value.problems == [])
    }

    @Test("rounds of keys and full rounds end in the same state", arguments: 0..<10)
    func agree(_ turn: Int) throws {
        var dice = Dice()
        let otherHost = MemoryHost()
        try Self.furnish(otherHost)
        var other = NodeKeeper(node: "n1", host: otherHost, tables: MemoryTables(), pods: Book())
        let first = [try node(1), try node(3)]
        _ = (box.value.list(first), other.list(first))
        _ = try (settleAll(), other.settleAll(at: .zero))
        for step in 0..<60 {
            let number = Int.random(in: 1...6, using: &dice)
            let due: NodeKeeper<MemoryTables>.Due
            // Our own node's object goes too, now and then.
            if Int.random(in: 0..<(number == 1 ? 6 : 3), using: &dice) == 0 {
                let key = ObjectKey(Node.resource.kind, name: "n\(number)")
                due = box.value.remove(key)
                _ = other.remove(key)
            } else {
                // Ranges that are taken, and nodes of one family, come along.
                let object = try node(
                    number, range: Int.random(in: 1...6, using: &dice), hasIPv6: Int.random(in: 0..<4, using: &dice) > 0)
                due = box.value.set(object)
                _ = other.set(object)
            }
            switch due {
            case .all: _ = try settleAll()
            case .keys(let keys): #expect(try settle(keys).refused == 0, "seed \(dice.seed), step \(step)")
            }
            _ = try other.settleAll(at: .zero)
            let texts = [try text(box.value, host), try text(other, otherHost)].map { $0.split(separator: "\n") }
            try #require(texts[0] == texts[1], "seed \(dice.seed), step \(step)")
            let problems = [Set(box.value.problems), Set(other.problems)]
            #expect(problems[0] == problems[1], "seed \(dice.seed), step \(step)")
        }
        #expect(try settleAll().changes == [], "seed \(dice.seed)")
    }

    @Test("the link of a pod that is gone is a problem, and a round of keys does not forget it")
    func missing() throws {
        book.readings = [Attachments(all: [id("c1"): try attachment("c1", "10.244.1.2")])]
        _ = box.value.list([try node(1)])
        #expect(try settleAll().refused == 0)
        #expect(box.value.problems.map(\.id) == [.podLinkMissing])
        guard case .keys(let keys) = box.value.set(try node(2)) else {
            return #expect(Bool(false), "another node is a matter of keys")
        }
        _ = try settle(keys)
        #expect(box.value.problems.map(\.id) == [.podLinkMissing])
        book.readings = [Attachments()]
        _ = try settleAll()
        #expect(box.value.problems == [])
    }

    /// An agent that was started with another --state took every pod of the node off the network.
    @Test("a link of which nothing is written down stays, with all that stands on it, and is a problem; its address is nobody's")
    func unknown() throws {
        let (unknown, lost) = (try attachment("c1", "10.244.1.2"), try attachment("c2", "10.244.1.3"))
        try build(unknown)
        try build(lost)
        #expect(host.apply([.add(.link(Link("tlan0", .bridge)))]) == [])
        let whole = host.state.filter { $0.standsOn([unknown.link, lost.link, "tlan0"]) }
        book.readings = [Attachments(lost: [lost.link: "/state/c2:eth0"])]
        _ = box.value.list([try node(1)])
        for _ in 0..<3 {
            #expect(try settleAll().refused == 0)
            #expect(host.state.filter { $0.standsOn([unknown.link, lost.link, "tlan0"]) } == whole)
            #expect(Set(box.value.problems.map(\.id)) == [.recordUnreadable, .podLinkUnknown])
        }
        #expect(box.value.problems.contains { $0.message.contains("/state/c2:eth0") })
        #expect(box.value.problems.contains { $0.message.hasPrefix("\(unknown.link):") })
        #expect(book.reserved == Set(try ["10.244.1.2", "10.244.1.3", "192.0.2.1", "2001:db8::1"].map(ip)))
        // Its runtime ends it, or somebody takes it away by hand.
        _ = host.apply([.remove(.link(Link(unknown.link, .veth(peer: nil))))])
        _ = try settleAll()
        #expect(box.value.problems.map(\.id) == [.recordUnreadable])
    }

    @Test("a link that a call may have left while the round looked is no problem yet")
    func comingAndGoing() throws {
        let pod = try attachment("c1", "10.244.1.2")
        _ = box.value.list([try node(1)])
        _ = try settleAll()
        try build(pod)
        book.readings = [Attachments(claims: 1), Attachments(claims: 3)]
        #expect(try settleAll().changes == [])
        #expect(box.value.problems == [])
        book.readings = [Attachments(claims: 3)]
        #expect(try settleAll().changes == [])
        #expect(box.value.problems.map(\.id) == [.podLinkUnknown])
        // It stays one while calls come and go.
        book.readings = [Attachments(claims: 3), Attachments(claims: 4)]
        _ = try settleAll()
        #expect(box.value.problems.map(\.id) == [.podLinkUnknown])
        #expect(host.state.link(pod.link) != nil)
    }

    /// Deleting a Node object, or starting before the API server knew it, cut all pods of the node off.
    @Test(
        "without this node's own object nothing that was made is taken away, by this agent or an earlier one, and pods come and go"
    )
    func nodeUnknown() throws {
        let pod = try attachment("c1", "10.244.1.2")
        try build(pod)
        book.readings = [Attachments(all: [pod.id: pod])]
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        let whole = try text(box.value, host)
        let tables = box.value.tables
        func stays(_ what: Comment) throws {
            #expect(try settleAll().changes == [], what)
            #expect(box.value.problems.map(\.id) == [.nodeUnknown], what)
            #expect(try text(box.value, host) == whole, what)
        }
        #expect(try remove(node(1)) == .all)
        try stays("deleted")
        // What is said of others is not known to be true for us any more.
        guard case .keys(let keys) = box.value.set(try node(3)) else { return #expect(Bool(false), "another node's object") }
        #expect(try settle(keys).changes == [])
        // The pod's own things are kept up.
        let route = try #require(host.state.routes.first { $0.device == pod.link })
        _ = host.apply([.remove(.route(route))])
        #expect(try settleAll().changes == ["+ \(route)"])
        // What this agent said it still keeps up.
        let road = try #require(host.state.routes.first { $0.gateway != nil })
        _ = host.apply([.remove(.route(road))])
        #expect(try settleAll().changes == ["+ \(road)"])

        box.value = NodeKeeper(node: "n1", host: host, tables: tables, pods: book)
        #expect(list([]) == .keys([]))
        try stays("another agent, no node listed")
        _ = box.value.list([try node(2)])
        try stays("another agent, only others listed")
        _ = box.value.list([try node(1), try node(2)])
        #expect(try settleAll().changes == [])
        #expect(box.value.problems == [])
    }

    /// The log said “solved” of a route that was refused as before.
    @Test("a refusal stands until the same thing is accepted, whatever else is settled meanwhile")
    func refusals() throws {
        let foreign = Route(try net("10.244.2.0/24"), .blackhole, proto: 4)
        _ = host.apply([.add(.route(foreign))])
        _ = box.value.list([try node(1)])
        _ = try settleAll()
        func settled(_ due: NodeKeeper<MemoryTables>.Due) throws -> Int {
            guard case .keys(let keys) = due else { throw Broken("everything is due") }
            return try settle(keys).refused
        }
        var refused = try settled(box.value.set(try node(2)))
        #expect(refused == 1)
        #expect(box.value.problems.map(\.id) == [.changeRefused])
        refused = try settled(box.value.set(try node(3)))
        #expect(refused == 0)
        #expect(box.value.problems.map(\.id) == [.changeRefused])
        // Something else about the same node.
        var changed = try node(2)
        changed.spec.podCIDRs.append(try net("10.244.20.0/24"))
        refused = try settled(box.value.set(changed))
        #expect(refused == 0)
        #expect(box.value.problems.map(\.id) == [.changeRefused])
        // It is not wanted any more.
        #expect(try settled(remove(node(2))) == 0)
        #expect(box.value.problems == [])
        #expect(host.state[.route(foreign.key)] == .route(foreign))
    }

    /// Two agents with different state directories wrote 395 rounds in four seconds, and would have gone on.
    @Test("what somebody undoes again and again is let be for longer and longer, is a problem, and comes back when it is quiet")
    func contest() throws {
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        let whole = try text(box.value, host)
        let route = try #require(host.state.routes.first { $0.gateway != nil })
        var (now, writes) = (Duration.zero, 0)
        // Somebody takes the route away whenever it is there; we look ten times a second for ten minutes.
        while now < .seconds(600) {
            now += .milliseconds(100)
            if host.state[.route(route.key)] != nil { _ = host.apply([.remove(.route(route))]) }
            _ = wake(at: now)
            writes += try settleAll(at: now).changes.count
        }
        #expect((10...20).contains(writes), "\(writes) writes")
        #expect(box.value.problems.map(\.id) == [.undoneByOthers])
        #expect(box.value.problems.first?.message.contains("\(route)") == true)
        // Everything else is kept up as before.
        let other = try #require(host.state.routes.first { $0.gateway != nil })
        _ = host.apply([.remove(.route(other))])
        #expect(try settleAll(at: now).changes == ["+ \(other)"])
        // Somebody gives up.
        let nextWaking = box.value.nextWaking
        let waking = try #require(nextWaking)
        #expect(waking - now <= .seconds(60))
        #expect(wake(at: waking))
        #expect(try settleAll(at: waking).changes == ["+ \(route)"])
        now = waking + .seconds(60)
        _ = wake(at: now)
        #expect(box.value.problems.map(\.id) == [.undoneByOthers])
        now += .seconds(121)
        _ = wake(at: now)
        #expect(try settleAll(at: now).changes == [])
        #expect(box.value.problems == [])
        #expect(try text(box.value, host) == whole)
    }

    @Test("what goes with its link or address nobody took away, however often")
    func flapping() throws {
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        for second in 1...20 {
            for route in host.state.routes where route.gateway != nil { _ = host.apply([.remove(.route(route))]) }
            #expect(due(.link("eth0")) == .all)
            #expect(try settleAll(at: .seconds(second)).changes.count == 2)
        }
        #expect(box.value.problems == [])
    }

    @Test("a round of keys looks at no kernel, one of an attachment at its own link alone, and each plans its keys once")
    func costs() throws {
        let pods = try (1...40).map { try attachment("c\($0)", "10.244.1.\($0 + 1)") }
        for pod in pods { try build(pod) }
        book.readings = [Attachments(all: Dictionary(uniqueKeysWithValues: pods.map { ($0.id, $0) }))]
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        let looks = host.observations
        guard case .keys(let keys) = box.value.set(try node(3)) else { return #expect(Bool(false), "another node's object") }
        #expect(try settle(keys).changes.contains { $0.contains("route 10.244.3.0/24") })
        #expect(host.observations == looks)
        // Somebody changed two pods' links, and only one of them is looked at.
        let routes = try pods.prefix(2).map { pod in try #require(host.state.routes.first { $0.device == pod.link }) }
        for route in routes { _ = host.apply([.remove(.route(route))]) }
        #expect(try settle([.attachment(pods[0].id)]).changes == ["+ \(routes[0])"])
        #expect(host.observations == looks + 1)
        #expect(try settle([.attachment(pods[0].id)]).changes == [])
        #expect(try settleAll().changes == ["+ \(routes[1])"])
    }

    @Test("an attachment's end makes its own key due, and a round of it comes to what a full one comes to")
    func attachments() throws {
        let (first, second) = (try attachment("c1", "10.244.1.2"), try attachment("c2", "10.244.1.3"))
        _ = box.value.list([try node(1)])
        _ = try settleAll()
        try build(first)
        book.readings = [Attachments(all: [first.id: first, second.id: second], busy: [second.id])]
        #expect(box.value.dueAttachments() == .keys([.attachment(first.id)]))
        #expect(try settle([.attachment(first.id)]).changes == [])
        #expect(box.value.dueAttachments() == .keys([]))
        #expect(box.value.problems == [])
        // The link is lost, then the attachment ends.
        _ = host.apply([.remove(.link(Link(first.link, .veth(peer: nil))))])
        book.readings = [Attachments(all: [first.id: first])]
        _ = try settle([.attachment(first.id)])
        #expect(box.value.problems.map(\.id) == [.podLinkMissing])
        book.readings = [Attachments()]
        #expect(box.value.dueAttachments() == .keys([.attachment(first.id)]))
        #expect(try settle([.attachment(first.id)]).changes == [])
        #expect(box.value.problems == [])
        // A record went and its link stayed.
        try build(first)
        _ = try settle([.attachment(first.id)])
        #expect(box.value.problems.map(\.id) == [.podLinkUnknown])
        #expect(host.state.link(first.link) != nil)
    }

    @Test("of the kernel's news only what concerns this node's own things makes a round, and our own changes make none")
    func news() throws {
        let pod = try attachment("c1", "10.244.1.2")
        try build(pod)
        book.readings = [Attachments(all: [pod.id: pod])]
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        let road = try #require(host.state.routes.first { $0.gateway != nil })
        let toPod = try #require(host.state.routes.first { $0.device == pod.link })
        let own = try ip("192.0.2.1")
        var bent = road
        bent.gateway = try ip("192.0.2.99")
        let nobodys = Route.Key(try net("198.51.100.0/24"))
        for news: KernelNews in [
            .link("eth7"), .address(own, link: "eth0", isGone: false), .address(try ip("192.0.2.7"), link: "eth0", isGone: true),
            .route(road), .route(toPod), .routeGone(nobodys, isOurs: true), .routeGone(road.key, isOurs: false),
            .neighbour(try ip("192.0.2.2"), link: "eth0", nil), .neighbour(try ip("10.244.1.2"), link: pod.link, pod.podMAC),
            .neighbour(try ip("10.244.1.77"), link: pod.link, MACAddress(local: 7)), .forwarding(.v4, true),
            .setting(link: "tlan0"),
        ] { #expect(due(news) == .keys([]), "\(news)") }
        for news: KernelNews in [
            .lost, .link("eth0"), .address(own, link: "eth0", isGone: true), .address(own, link: "eth7", isGone: false),
            .route(bent), .routeGone(road.key, isOurs: true), .forwarding(.v6, false), .advertised(link: "eth0"),
            .link("tl00000000000"),
            // What other nodes' objects claim, and where their pods are said to be.
            .address(try ip("192.0.2.2"), link: "eth7", isGone: false),
            .address(try ip("10.244.2.9"), link: "eth7", isGone: false),
        ] { #expect(due(news) == .all, "\(news)") }
        for news: KernelNews in [
            .link(pod.link), .routeGone(toPod.key, isOurs: true), .neighbour(try ip("10.244.1.2"), link: pod.link, nil),
            .neighbour(try ip("10.244.1.2"), link: pod.link, MACAddress(local: 7)), .setting(link: pod.link),
        ] { #expect(due(news) == .keys([.attachment(pod.id)]), "\(news)") }
        // A call is at work on it: its end will tell.
        book.readings = [Attachments(busy: [id("c2")])]
        #expect(due(.link(id("c2").link)) == .keys([]))
        // What stood in our way is gone.
        let foreign = Route(try net("10.244.3.0/24"), .blackhole, proto: 4)
        _ = host.apply([.add(.route(foreign))])
        guard case .keys(let keys) = box.value.set(try node(3)) else { return #expect(Bool(false), "another node's object") }
        #expect(try settle(keys).refused == 1)
        #expect(due(.routeGone(foreign.key, isOurs: false)) == .all)
    }

    @Test("without the pods their links, ranges and tables are no news, and are left as another agent made them")
    func roadsAlone() throws {
        let pod = try attachment("c1", "10.244.1.2")
        try build(pod)
        _ = list([try node(1), try node(2)])
        book.readings = [Attachments(all: [pod.id: pod])]
        _ = try settleAll()
        let before = try text(box.value, host)
        book.readings = [Attachments()]
        let tables = box.value.tables
        box.value = NodeKeeper(node: "n1", host: host, tables: tables, pods: book, duties: [.overlay])
        _ = list([try node(1), try node(2)])
        #expect(try settleAll().changes == [])
        #expect(try text(box.value, host) == before && host.state.link(pod.link) != nil)
        #expect(box.value.problems == [])
        let toPod = try #require(host.state.routes.first { $0.device == pod.link })
        for news: KernelNews in [
            .link(pod.link), .link("tl00000000000"), .setting(link: pod.link), .route(toPod), .routeGone(toPod.key, isOurs: true),
            .neighbour(try ip("10.244.1.2"), link: pod.link, nil), .address(try ip("10.244.1.9"), link: "cni0", isGone: false),
        ] { #expect(due(news) == .keys([]), "\(news)") }
        try box.value.tables.apply([.deleteTable(NodePlan.tables[0])])
        #expect(!isTableNews())
        #expect(settleTables() == [])
        // What is its own it still keeps.
        let road = try #require(host.state.routes.first { $0.gateway != nil })
        _ = host.apply([.remove(.route(road))])
        #expect(due(.routeGone(road.key, isOurs: true)) == .all)
        #expect(try settleAll().changes.count == 1)
    }

    @Test("without the overlay another node's object makes no road, in a round of keys either")
    func podsAlone() throws {
        box.value = NodeKeeper(node: "n1", host: host, tables: MemoryTables(), pods: book, duties: [.pods])
        _ = list([try node(1)])
        _ = try settleAll()
        guard case .keys(let keys) = box.value.set(try node(2)) else { return #expect(Bool(false), "another node's object") }
        _ = try settle(keys)
        #expect(!host.state.routes.contains { $0.gateway != nil })
        #expect(try settleAll().changes == [])
    }

    @Test("only a commit of somebody else is news of tables, and then tables alone are looked at")
    func tableNews() throws {
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        #expect(!isTableNews())
        guard case .keys(let keys) = box.value.set(try node(3)) else { return #expect(Bool(false), "another node's object") }
        #expect(try settle(keys).changes.contains { $0.contains("10.244.3.0/24") })
        #expect(!isTableNews())
        let looks = host.observations
        try box.value.tables.apply([.addTable(Table.ID(.ip, "theirs"))])
        #expect(isTableNews())
        #expect(settleTables() == [])
        #expect(!isTableNews())
        try box.value.tables.apply([.deleteTable(NodePlan.tables[0])])
        #expect(isTableNews())
        #expect(settleTables().isEmpty == false)
        #expect(!isTableNews())
        #expect(host.observations == looks)
        #expect(try settleAll().changes == [])
    }

    @Test("a machine that runs without IPv6 has IPv4 alone, says what it skipped, and settles")
    func withoutIPv6() throws {
        let host = MemoryHost(hasIPv6: false)
        #expect(
            host.apply([
                .add(.link(Link("eth0", .veth(peer: Link.Peer("far"))))),
                .add(.address(Address(try #require(InterfaceAddress("192.0.2.1/24")), on: "eth0"))),
            ]) == [])
        box.value = NodeKeeper(node: "n1", host: host, tables: MemoryTables(), pods: book)
        _ = box.value.list([try node(1), try node(2)])
        #expect(try settleAll().refused == 0)
        #expect(try settleAll() == NodeKeeper<MemoryTables>.Outcome())
        #expect(box.value.problems.map(\.id) == [.familyUnavailable])
        #expect(box.value.problems.first?.message.contains("fd00:0:0:1::/64") == true)
        #expect(book.adopted == [try net("10.244.1.0/24")])
        #expect(host.state.sysctls == [Sysctl("net/ipv4/ip_forward", "1")])
        #expect(try box.value.tables.observe(NodePlan.tables[1]) == nil)
    }

    @Test("a link that lives by router advertisements goes on with them, before forwarding is switched on")
    func advertised() throws {
        let foreign = Route(.all(.v6), via: try ip("fe80::1"), device: "eth0", proto: 9)
        _ = host.apply([.add(.route(foreign))])
        _ = box.value.list([try node(1)])
        let steps = try settleAll().changes
        let first = try #require(steps.firstIndex(of: "+ sysctl net/ipv6/conf/eth0/accept_ra = 2"))
        #expect(try #require(steps.firstIndex(of: "+ sysctl net/ipv6/conf/all/forwarding = 1")) > first)
        #expect(try settleAll().changes == [])
        #expect(host.state[.route(foreign.key)] == .route(foreign))
        #expect(due(.advertised(link: "eth0")) == .keys([]))
        #expect(due(.link("eth0")) == .all)
    }

    @Test("an attachment that moves while the round looks is left alone")
    func moving() throws {
        let pod = try attachment("c1", "10.244.1.2")
        _ = box.value.list([try node(1)])
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
                #expect(box.value.problems == [], "\(readings), link \(hasLink)")
                #expect((host.state.link(pod.link) != nil) == hasLink)
                if hasLink { _ = host.apply([.remove(.link(Link(pod.link, .veth(peer: nil))))]) }
            }
        }
    }

    @Test("what somebody deleted comes back, and a foreign route in the way is a problem and stays")
    func drift() throws {
        _ = box.value.list([try node(1), try node(2)])
        _ = try settleAll()
        let whole = try text(box.value, host)
        let route = try #require(host.state.routes.first { $0.gateway != nil })
        #expect(host.apply([.remove(.route(route))]) == [])
        #expect(try settleAll().changes == ["+ \(route)"])
        #expect(try text(box.value, host) == whole)
        var foreign = route
        foreign.proto = 4
        #expect(host.apply([.remove(.route(route)), .add(.route(foreign))]) == [])
        #expect(try settleAll().refused == 1)
        #expect(box.value.problems.map(\.id) == [.changeRefused])
        #expect(host.state[.route(route.key)] == .route(foreign))
        _ = host.apply([.remove(.route(foreign))])
        #expect(try settleAll().refused == 0)
        #expect(box.value.problems == [])
    }
}
