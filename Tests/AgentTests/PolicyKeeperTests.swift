import Addressing
import Cluster
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization
import Telemetry
import Testing

@testable import Agent

@Suite("the keeper of policies")
struct PolicyKeeperTests {
    private let tables = SharedTables()

    private func keeper(isOurs: Bool = true) -> PolicyKeeper {
        let tables = tables
        return PolicyKeeper(node: "n1", isOurs: isOurs) { tables }
    }

    private func tenant(_ name: String, _ address: String) throws -> PolicyTenant {
        PolicyTenant(
            id: id(name), pod: ObjectKey(Pod.resource.kind, namespace: "shop", name: name), uid: "", addresses: [try ip(address)])
    }

    private func pod(_ name: String, app: String? = nil) -> Pod {
        var pod = Pod(metadata: ObjectMeta(name: name, namespace: "shop", labels: ["app": app ?? name]))
        pod.spec.nodeName = "n1"
        return pod
    }

    private let shop = Namespace(metadata: ObjectMeta(name: "shop"))
    private let policy = NetworkPolicy(
        metadata: ObjectMeta(name: "db", namespace: "shop"), podSelector: LabelSelector(matching: ["app": "db"]),
        directions: [.ingress])

    /// The class of an address in a map: `none`, `closed`, or a chain's name.
    private func chain(_ address: String, _ map: String = "receivers") throws -> String {
        let table = tables.table(Table.ID(.ip, PacketPath.policyTable))
        guard case .value(let mark)? = table?.sets[map]?.elements[Value(.address(try ip(address)))]?.data else { return "none" }
        let classes = table?.sets[map == "receivers" ? "receiver-classes" : "sender-classes"]
        guard case .verdict(let verdict)? = classes?.elements[mark]?.data else { return "nowhere" }
        return verdict.chain ?? "nowhere"
    }

    @Test("without a policy there is no table, and pods come without a word to the kernel")
    func withoutPolicy() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db")])
        _ = try keeper.check([])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        keeper.release(id("db"))
        #expect(tables.count == 1 && tables.table(Table.ID(.ip, PacketPath.policyTable)) == nil)
    }

    @Test("when a pod was admitted its policies hold, also when its object comes later")
    func admitted() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db"), pod("web"), policy])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        #expect(try chain("10.244.1.2").hasPrefix("in-") && chain("10.244.1.2", "senders") == "none")
        try keeper.admit(try tenant("web", "10.244.1.3"))
        #expect(try chain("10.244.1.3") == "none")
        try keeper.admit(try tenant("late", "10.244.1.4"))
        #expect(try chain("10.244.1.4") == "in-closed" && chain("10.244.1.4", "senders") == "out-closed")
        #expect(keeper.set(pod("late")))
        try keeper.settle([])
        #expect(try chain("10.244.1.4") == "none")
        // A source that lists again may say something new.
        #expect(!keeper.list([shop, pod("db"), pod("web"), pod("late"), policy]))
        #expect(keeper.list([shop, pod("db"), pod("web", app: "db"), pod("late"), policy]))
        try keeper.settle([])
        #expect(try chain("10.244.1.3") == chain("10.244.1.2"))
        keeper.release(id("web"))
        keeper.release(id("db"))
        #expect(tables.table(Table.ID(.ip, PacketPath.policyTable)) == nil, "nobody is isolated")
    }

    @Test("before the objects are known pods are closed, and what an earlier agent left is not changed")
    func unlisted() throws {
        let first = keeper()
        first.list([shop, pod("db"), policy])
        try first.admit(try tenant("db", "10.244.1.2"))
        let before = try chain("10.244.1.2")
        let found = tables.table(Table.ID(.ip, PacketPath.policyTable))

        let second = keeper()
        second.begin([try tenant("db", "10.244.1.2")])
        #expect(try second.check([]).changes.isEmpty && second.settle([]).changes.isEmpty)
        try second.admit(try tenant("web", "10.244.1.3"))
        #expect(try chain("10.244.1.2") == before)
        #expect(try chain("10.244.1.3") == "in-closed" && chain("10.244.1.3", "senders") == "out-closed")
        second.release(id("web"))
        #expect(tables.table(Table.ID(.ip, PacketPath.policyTable)) == found)
        try second.admit(try tenant("web", "10.244.1.3"))
        second.list([shop, pod("db"), pod("web"), policy])
        _ = try second.check([])
        #expect(try chain("10.244.1.2") == before && chain("10.244.1.3") == "none")
    }

    @Test("one that starts on what it made writes nothing")
    func restarted() throws {
        let objects: [any KubernetesObject] = [shop, pod("db"), policy]
        let first = keeper()
        first.list(objects)
        try first.admit(try tenant("db", "10.244.1.2"))
        let count = tables.count
        let second = keeper()
        second.begin([try tenant("db", "10.244.1.2")])
        second.list(objects)
        #expect(try second.check([]).changes.isEmpty)
        #expect(tables.count == count)
    }

    @Test("what somebody changed is put back, and told as such")
    func restored() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db"), policy])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        let whole = try #require(tables.table(Table.ID(.ip, PacketPath.policyTable)))
        let receivers = try #require(whole.sets["receivers"])
        try tables.apply([
            .deleteElements(whole.id, receivers.shape, receivers.elements.map { Change.Element($0.key, $0.value) })
        ])
        #expect(try keeper.check([]).isRestored)
        #expect(tables.table(whole.id) == whole)
        #expect(try !keeper.check([]).isRestored)
    }

    @Test("a pod whose isolation the kernel refuses is not admitted; afterwards everything is looked at")
    func refused() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db"), policy])
        _ = try keeper.check([])
        tables.refuses(true)
        #expect(throws: (any Error).self) { try keeper.admit(try tenant("db", "10.244.1.2")) }
        #expect(keeper.problems.map(\.id) == [.changeRefused])
        keeper.release(id("db"))
        tables.refuses(false)
        try keeper.admit(try tenant("db", "10.244.1.3"))
        #expect(keeper.problems == [])
        #expect(try chain("10.244.1.3").hasPrefix("in-") && chain("10.244.1.2") == "none")
    }

    @Test("a table that somebody takes away again and again rests, and a pod that comes is isolated all the same")
    func contested() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db"), policy])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        let id = Table.ID(.ip, PacketPath.policyTable)
        for second in 1...5 {
            try tables.apply([.deleteTable(id)])
            #expect(try keeper.check([], at: .seconds(second)).isRestored)
        }
        #expect(keeper.problems.map(\.id) == [.undoneByOthers])
        try tables.apply([.deleteTable(id)])
        #expect(try !keeper.check([], at: .seconds(5)).isRestored && tables.table(id) == nil)
        #expect(keeper.nextWaking == .seconds(6) && !keeper.wake(at: .milliseconds(5500)) && keeper.wake(at: .seconds(6)))
        #expect(try keeper.check([], at: .seconds(6)).isRestored)
        try tables.apply([.deleteTable(id)])
        _ = try keeper.check([], at: .seconds(6))
        #expect(tables.table(id) == nil)
        try keeper.admit(try tenant("db", "10.244.1.3"))
        #expect(try chain("10.244.1.3").hasPrefix("in-"))
    }

    @Test("a policy that cannot be carried out as written is a problem, as long as it is there")
    func unreadable() throws {
        let keeper = keeper()
        var broken = policy
        broken.podSelector = nil
        keeper.list([shop, pod("db"), broken])
        #expect(keeper.problems.map(\.id) == [.policySelectsNobody] && keeper.uid(of: broken.key) == "")
        _ = keeper.remove(broken.key)
        #expect(keeper.problems == [] && keeper.uid(of: broken.key) == nil)
    }

    @Test("pods on a foreign bridge that shows its packets to nobody are a problem", arguments: ["0", nil, "1"])
    func bridge(_ setting: String?) throws {
        let bridge = BridgeSurvey.Bridge(name: "cni0", address: try #require(InterfaceAddress("10.244.1.1/24")))
        func problems(_ address: String) throws -> [Problem] {
            BridgeSurvey.problems([try ip(address)], on: [bridge]) { $0 == .v4 ? setting : "0" }
        }
        #expect(try problems("10.244.1.2").map(\.id) == (setting == "1" ? [] : [.policyBridgeUnseen]))
        #expect(try problems("10.244.2.2") == [] && problems("fd00::2") == [])
    }

    @Test("counts go on when chains are made anew, and are nobody's when somebody changed a chain")
    func counts() {
        let table = Table.ID(.ip, PacketPath.policyTable)
        let allowed = PolicyTally(policies: [policy.key], direction: .ingress, place: "ingress[0]", outcome: .allowed)
        let denied = PolicyTally(policies: [policy.key], direction: .ingress, place: "", outcome: .denied)
        var counts = PolicyCounts()
        func read(_ chain: String, _ numbers: UInt64...) {
            counts.read([chain: numbers.map { Counted(packets: $0) } + [nil]], of: table, [chain: [allowed, denied, nil]])
        }
        read("in-1", 3, 1)
        read("in-1", 5, 1)
        #expect(counts.packets == [allowed: 5, denied: 1])
        read("in-2", 2, 0)
        read("in-1", 1, 0)
        #expect(counts.packets == [allowed: 8, denied: 1])
        counts.read(["in-1": [Counted(packets: 99)]], of: table, ["in-1": [allowed, denied, nil]])
        #expect(counts.packets == [allowed: 8, denied: 1])
        #expect(
            counts.samples(1) == [
                .init(
                    8,
                    ["kind": "NetworkPolicy", "namespace": "shop", "policy": "db", "direction": "ingress", "outcome": "allowed"])
            ])
        counts.keep { _ in false }
        #expect(counts.packets.isEmpty)
    }

    @Test("what is more than some hundred lines a second is not written")
    func lines() {
        var room = LineRoom()
        let first = (0..<1000).count { _ in room.takes(at: .zero) }
        let later = (0..<1000).count { _ in room.takes(at: .seconds(1)) }
        #expect(first == 500 && later == 200)
    }

    @Test("without this duty the tables are taken away")
    func notOurs() throws {
        let keeper = keeper()
        keeper.list([shop, pod("db"), policy])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        let other = self.keeper(isOurs: false)
        other.list([shop, pod("db"), policy])
        try other.admit(try tenant("db", "10.244.1.2"))
        #expect(try other.check([]).changes.count == 1)
        #expect(tables.table(Table.ID(.ip, PacketPath.policyTable)) == nil)
    }

    @Test("connections are looked at when something may be refused that was not, and judged by what holds now")
    func cut() throws {
        let connections = FakePolicyConnections()
        let tables = tables
        let keeper = PolicyKeeper(node: "n1", isOurs: true, connections: connections) { tables }
        keeper.list([shop, pod("db"), pod("web")])
        _ = try keeper.check([])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        try keeper.admit(try tenant("web", "10.244.1.3"))
        connections.track(try connection(from: "10.244.1.3", to: "10.244.1.2"))
        connections.track(try connection(from: "10.244.1.2", to: "10.244.1.3"))
        connections.track(try connection(from: "192.0.2.1", to: "10.244.1.2"))
        let node = Member(name: "n1", addresses: [try ip("192.0.2.1")], podPrefixes: [])
        #expect(keeper.set(policy))
        #expect(try keeper.settle([node]).cut == 1)
        #expect(
            connections.all == [
                try connection(from: "10.244.1.2", to: "10.244.1.3"), try connection(from: "192.0.2.1", to: "10.244.1.2"),
            ])
    }

    @Test("however often something changes, connections are looked at some times a second, and then for all of it")
    func fewWalks() throws {
        let connections = FakePolicyConnections()
        let tables = tables
        let keeper = PolicyKeeper(node: "n1", isOurs: true, connections: connections) { tables }
        keeper.list([shop, pod("db"), policy])
        _ = try keeper.check([], at: .zero)
        #expect(connections.walks == 0 && keeper.nextCut == nil)
        try keeper.admit(try tenant("db", "10.244.1.2"))
        #expect(connections.walks == 0, "a pod that comes does not wait for it")
        _ = try keeper.settle([], at: .seconds(1))
        #expect(connections.walks == 1 && keeper.nextCut == nil)

        connections.track(try connection(from: "10.244.1.3", to: "10.244.1.2"))
        keeper.release(try tenant("db", "10.244.1.2").id)
        try keeper.admit(try tenant("db", "10.244.1.2"))
        #expect(try keeper.settle([], at: .milliseconds(1100)).cut == 0)
        let next = try #require(keeper.nextCut)
        #expect(next > .milliseconds(1100) && next < .seconds(2))
        #expect(try keeper.settle([], at: next).cut == 1)
        #expect(connections.walks == 2 && keeper.nextCut == nil)
    }

    @Test("what could not be cut is cut later")
    func cutAgain() throws {
        let (connections, tables) = (FakePolicyConnections(), tables)
        let keeper = PolicyKeeper(node: "n1", isOurs: true, connections: connections) { tables }
        keeper.list([shop, pod("db"), policy])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        connections.track(try connection(from: "10.244.1.3", to: "10.244.1.2"))
        connections.refuseOnce()
        #expect(try keeper.settle([], at: .zero).cut == 0)
        let next = try #require(keeper.nextCut)
        #expect(next > .zero && next <= .seconds(1))
        #expect(try keeper.settle([], at: next).cut == 1)
        #expect(connections.all.isEmpty && keeper.nextCut == nil)
    }

    @Test(
        "what a pod asks of its node is the node's at whatever address: a network policy does not cut it, one of the cluster does"
    )
    func ownAddresses() throws {
        let (connections, tables) = (FakePolicyConnections(), tables)
        let keeper = PolicyKeeper(node: "n1", isOurs: true, connections: connections) { tables }
        let node = Node(metadata: ObjectMeta(name: "n1", labels: ["role": "worker"]))
        var closed = policy
        closed.directions = [.ingress, .egress]
        keeper.list([shop, pod("db"), closed, node])
        try keeper.admit(try tenant("db", "10.244.1.2"))
        connections.has([try ip("10.244.1.1")])
        connections.track(try connection(from: "10.244.1.2", to: "10.244.1.1"))
        #expect(try keeper.check([], at: .zero).cut == 0)
        #expect(keeper.set(try noNode("worker")))
        #expect(try keeper.settle([], at: .seconds(1)).cut == 1)
        #expect(keeper.set(Node(metadata: ObjectMeta(name: "n1", labels: ["role": "other"]))))
        #expect(try !keeper.settle([], at: .seconds(2)).changes.isEmpty)
        connections.track(try connection(from: "10.244.1.2", to: "10.244.1.1"))
        #expect(try keeper.check([], at: .seconds(3)).cut == 0)
        #expect(keeper.remove(node.key))
        #expect(try keeper.settle([], at: .seconds(4)).cut == 1, "what may be meant is closed")
    }

    private func noNode(_ role: String) throws -> ClusterNetworkPolicy {
        let tree: JSONValue = [
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": ["name": "no-node"],
            "spec": [
                "tier": "Admin", "priority": 1, "subject": ["namespaces": [:]],
                "egress": [["action": "Deny", "to": [["nodes": ["matchLabels": ["role": .string(role)]]]]]],
            ],
        ]
        return try #require(Registry.standard.read(tree).object as? ClusterNetworkPolicy)
    }

    @Test("one that finds what an earlier one said looks at the connections: that one may have been killed before it cut")
    func killedBeforeCutting() throws {
        let (connections, tables) = (FakePolicyConnections(), tables)
        func start() -> PolicyKeeper { PolicyKeeper(node: "n1", isOurs: true, connections: connections) { tables } }
        let first = start()
        first.list([shop, pod("db"), policy])
        try first.admit(try tenant("db", "10.244.1.2"))
        connections.track(try connection(from: "10.244.1.3", to: "10.244.1.2"))
        let second = start()
        second.begin([try tenant("db", "10.244.1.2")])
        second.list([shop, pod("db"), policy])
        let outcome = try second.check([], at: .zero)
        #expect(outcome.changes.isEmpty && outcome.cut == 1)
    }

    private func connection(from source: String, to destination: String) throws -> Connection {
        let tuple = Connection.Tuple(6, from: try ip(source), 40_000, to: try ip(destination), 80)
        return Connection(original: tuple, reply: Connection.Tuple(6, from: tuple.destination, 80, to: tuple.source, 40_000))
    }
}

/// Tables in memory that several write to.
private final class SharedTables: NFTablesEnd, Sendable {
    private let state = Mutex<(tables: MemoryTables, refuses: Bool)>((MemoryTables(), false))

    func refuses(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }
    var count: UInt32 { state.withLock { (try? $0.tables.generation()) ?? 0 } }
    func table(_ id: Table.ID) -> Table? { state.withLock { ((try? $0.tables.observe(id)) ?? nil)?.table } }

    func observe(_ table: Table.ID) throws -> ObservedTable? { try state.withLock { try $0.tables.observe(table) } }
    func generation() throws -> UInt32 { count }
    func apply(_ changes: [NFTables.Change]) throws {
        try state.withLock { state in
            if state.refuses { throw Broken("refused") }
            try state.tables.apply(changes)
        }
    }
}

private final class FakePolicyConnections: PolicyConnections {
    private let state = Mutex<Set<Connection>>([])
    private let count = Mutex(0)
    private let own = Mutex<[IPAddress]>([])
    private let refuses = Mutex(false)

    /// The next walk comes to nothing.
    func refuseOnce() { refuses.withLock { $0 = true } }

    /// How often somebody looked at all of them.
    var walks: Int { count.withLock(\.self) }
    var all: Set<Connection> { state.withLock(\.self) }
    func track(_ connection: Connection) { _ = state.withLock { $0.insert(connection) } }

    func ownAddresses() -> [IPAddress] { own.withLock(\.self) }
    func has(_ addresses: [IPAddress]) { own.withLock { $0 = addresses } }

    func cut(_ families: Set<IPFamily>, _ isForbidden: (Connection) -> Bool) throws -> Int {
        count.withLock { $0 += 1 }
        let isRefused = refuses.withLock { refuses in
            defer { refuses = false }
            return refuses
        }
        if isRefused { throw KernelError(.noBufferSpace, "list connections") }
        return state.withLock { all in
            let doomed = all.filter { families.contains($0.original.source.family) && isForbidden($0) }
            all.subtract(doomed)
            return doomed.count
        }
    }
}
