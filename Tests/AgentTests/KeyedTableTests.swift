import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

@testable import Agent

/// Tables in memory that count how often they are read.
private struct CountingTables: NFTablesEnd {
    var tables = MemoryTables()
    var looks = 0
    var isUnreadable = false

    struct Unreadable: Error {}

    mutating func observe(_ table: Table.ID) throws -> ObservedTable? {
        looks += 1
        if isUnreadable { throw Unreadable() }
        return try tables.observe(table)
    }
    mutating func apply(_ changes: [NFTables.Change]) throws { try tables.apply(changes) }
    mutating func generation() throws -> UInt32 { try tables.generation() }
}

@Suite("other nodes' places in the tables")
struct KeyedTableTests {
    private let keeper: Box<NodeKeeper<CountingTables>>

    init() throws {
        let host = MemoryHost()
        #expect(
            host.apply([
                .add(.link(Link("eth0", .veth(peer: Link.Peer("far"))))),
                .add(.address(Address(try #require(InterfaceAddress("192.0.2.1/24")), on: "eth0"))),
                .add(.address(Address(try #require(InterfaceAddress("2001:db8::1/64")), on: "eth0"))),
            ]) == [])
        keeper = Box(NodeKeeper(node: "n1", host: host, tables: CountingTables(), pods: Book()))
        _ = keeper.value.list([try node(1), try node(2)])
        _ = try keeper.value.settleAll(at: .zero)
    }

    private func node(_ number: Int, range: Int? = nil) throws -> Node {
        var node = Node(metadata: ObjectMeta(name: "n\(number)"))
        node.spec.podCIDRs = try [net("10.244.\(range ?? number).0/24"), net("fd00:0:0:\(range ?? number)::/64")]
        node.status.addresses = [.init(.internalIP, "192.0.2.\(number)"), .init(.internalIP, "2001:db8::\(number)")]
        return node
    }

    private func settle(_ object: Node) throws -> NodeKeeper<CountingTables>.Outcome {
        guard case .keys(let keys) = keeper.value.set(object) else { throw Broken("everything is due") }
        return try keeper.value.settle(keys, at: .zero)
    }

    private func texts() throws -> [String] {
        try NodePlan.tables.compactMap { try keeper.value.tables.tables.observe($0)?.table.text }
    }

    /// With a thousand nodes, one more read both tables whole and compared them: 20 ms of processor time.
    @Test("a node that comes, is renumbered and goes costs its own elements, and no table is read")
    func keyed() throws {
        let (before, looks) = (try texts(), keeper.value.tables.looks)
        func steps(_ outcome: NodeKeeper<CountingTables>.Outcome) -> [String] {
            #expect(outcome.refused == 0)
            return outcome.changes.filter { $0.contains("elements") }
        }
        #expect(
            steps(try settle(node(3))) == [
                "add 1 elements to ip tulle-pods node-addresses", "add 1 elements to ip tulle-pods pod-ranges",
                "add 1 elements to ip6 tulle-pods node-addresses", "add 1 elements to ip6 tulle-pods pod-ranges",
            ])
        #expect(
            steps(try settle(node(3, range: 4))) == [
                "delete 1 elements of ip tulle-pods pod-ranges", "add 1 elements to ip tulle-pods pod-ranges",
                "delete 1 elements of ip6 tulle-pods pod-ranges", "add 1 elements to ip6 tulle-pods pod-ranges",
            ])
        #expect(try texts().allSatisfy { $0.contains("244.4.0") || $0.contains("fd00:0:0:4::") })
        guard case .keys(let keys) = keeper.value.remove(try node(3).key) else { throw Broken("everything is due") }
        let gone = try keeper.value.settle(keys, at: .zero)
        #expect(steps(gone).count == 4)
        #expect(try texts() == before)
        #expect(keeper.value.tables.looks == looks)
        let isNews = keeper.value.isTableNews()
        #expect(!isNews, "only its own commits came in between")
        let rest = try keeper.value.settleAll(at: .zero)
        #expect(rest.changes == [])
    }

    @Test("a range that goes from one node to another in one round stays where it is")
    func handedOver() throws {
        _ = try settle(node(3))
        let generation = try keeper.value.tables.generation()
        let before = try texts()
        guard case .keys(let first) = keeper.value.set(try node(2, range: 3)),
            case .keys(let second) = keeper.value.set(try node(3, range: 2))
        else { throw Broken("everything is due") }
        let outcome = try keeper.value.settle(first.union(second), at: .zero)
        #expect(outcome.refused == 0)
        #expect(try texts() == before && keeper.value.tables.generation() == generation)
        let rest = try keeper.value.settleAll(at: .zero)
        #expect(rest.changes == [])
    }

    @Test("where somebody took a table away meanwhile, the elements are refused, and a full round puts all of it back")
    func refused() throws {
        _ = try settle(node(3))
        let whole = try texts()
        _ = try settle(node(3, range: 4))
        try keeper.value.tables.apply(NodePlan.tables.map { .deleteTable($0) })
        #expect(try settle(node(3)).refused == 2)
        #expect(keeper.value.problems.map(\.id) == [.changeRefused, .changeRefused])
        let isNews = keeper.value.isTableNews()
        #expect(isNews)
        let mended = try keeper.value.settleAll(at: .zero)
        #expect(mended.refused == 0)
        #expect(try texts() == whole)
        #expect(keeper.value.problems == [])
    }

    /// Of thirty thousand changes eight went along with a round of everything, which worked only some services out anew.
    @Test("a service that changed is in its table after whichever round comes next, and no table is read for it")
    func servicesOfWholeRounds() throws {
        let names = (0..<1200).map { "web-\($0)" }
        for (number, name) in names.enumerated() {
            _ = keeper.value.set(try service(name, at: "10.96.\(number / 250).\(number % 250 + 1)"))
        }
        _ = try keeper.value.settleAll(at: .zero)
        let (looks, four) = (keeper.value.tables.looks, Table.ID(.ip, PacketPath.serviceTable))
        for (number, name) in names.enumerated() { _ = keeper.value.set(try slice(name, "10.244.2.\(number % 250 + 1)")) }
        let outcome = try keeper.value.settleAll(at: .zero)
        #expect(outcome.refused == 0 && outcome.elements >= 1200)
        // The tables of masquerading are compared in every round of everything, and there is no IPv6 service whose table could be ours.
        #expect(keeper.value.tables.looks - looks <= NodePlan.tables.count + 1)
        let table = try #require(try keeper.value.tables.tables.observe(four)?.table)
        #expect(table.sets["endpoints"]?.elements.count == 1200)
    }

    /// A table that rests, because somebody keeps taking it away, is as one that cannot be read: later nobody touches it any more.
    @Test("a table that somebody took away and that could not be read is put back once it can, though nobody touched it since")
    func unread() throws {
        let four = Table.ID(.ip, PacketPath.serviceTable)
        _ = keeper.value.set(try service("web", at: "10.96.0.10"))
        _ = try keeper.value.settleAll(at: .zero)
        let whole = try keeper.value.tables.tables.observe(four)?.table
        try keeper.value.tables.apply([.deleteTable(four)])
        keeper.value.tables.isUnreadable = true
        let refused = try keeper.value.settleAll(at: .zero).refused
        #expect(refused > 0)
        keeper.value.tables.isUnreadable = false
        _ = try keeper.value.settleAll(at: .zero)
        let mended = try keeper.value.tables.tables.observe(four)?.table
        #expect(whole != nil && mended == whole)
    }

    private func service(_ name: String, at address: String) throws -> Service {
        let tree: JSONValue = [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": .string(name), "namespace": "shop"],
            "spec": ["clusterIP": .string(address), "ports": [["name": "p", "port": 80]]],
        ]
        return try #require(Registry.standard.read(tree).object as? Service)
    }

    private func slice(_ service: String, _ address: String) throws -> EndpointSlice {
        let tree: JSONValue = [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": [
                "name": .string("\(service)-1"), "namespace": "shop", "labels": [EndpointSlice.serviceLabel: .string(service)],
            ],
            "ports": [["name": "p", "port": 8080]],
            "endpoints": [["addresses": [.string(address)], "nodeName": "n2", "conditions": ["ready": true]]],
        ]
        return try #require(Registry.standard.read(tree).object as? EndpointSlice)
    }
}
