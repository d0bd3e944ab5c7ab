import Addressing
import Cluster
import KubeAPI
import NFTables
import Netlink
import Plan
import Synchronization
import Testing

@testable import Agent

@Suite("services, as an agent keeps them") struct ServiceKeeperTests {
    /// Connections that are only written down.
    private final class Ended: ConnectionsEnd {
        let flows = Mutex<Set<ServiceFlow>>([])
        /// What was asked about all connections, each time.
        let looks = Mutex<[StaleConnections]>([])
        /// How often it still fails.
        let failures = Mutex(0)

        func end(_ flows: Set<ServiceFlow>) throws {
            try fail()
            self.flows.withLock { $0.formUnion(flows) }
        }
        func end(_ stale: StaleConnections) throws {
            try fail()
            looks.withLock { $0.append(stale) }
        }
        private func fail() throws {
            let fails = failures.withLock { left in
                defer { left = max(0, left - 1) }
                return left > 0
            }
            if fails { throw KernelError(.busy, "end connections") }
        }
    }

    /// Tables that refuse as often as they are told.
    private struct RefusingTables: NFTablesEnd {
        var tables = MemoryTables()
        var refusals = 0

        func observe(_ table: Table.ID) throws -> ObservedTable? { try tables.observe(table) }
        func generation() throws -> UInt32 { try tables.generation() }
        mutating func apply(_ changes: [NFTables.Change]) throws {
            guard refusals == 0 else {
                refusals -= 1
                throw KernelError(.busy, "commit")
            }
            try tables.apply(changes)
        }
    }

    private let four = Table.ID(.ip, PacketPath.serviceTable)

    private func node() throws -> Node {
        var node = Node(metadata: ObjectMeta(name: "n1"))
        node.status.addresses = [Node.Address(.internalIP, "192.0.2.1")]
        node.spec.podCIDRs = [try #require(IPPrefix("10.244.1.0/24"))]
        return node
    }

    private func service(_ name: String, at address: String) throws -> Service {
        let tree: JSONValue = [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": .string(name), "namespace": "shop"],
            "spec": ["clusterIP": .string(address), "ports": [["name": "p", "port": 80, "protocol": "UDP"]]],
        ]
        return try #require(Registry.standard.read(tree).object as? Service)
    }

    private func slice(_ service: String, _ addresses: String...) throws -> EndpointSlice {
        let tree: JSONValue = [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": [
                "name": .string("\(service)-1"), "namespace": "shop", "labels": [EndpointSlice.serviceLabel: .string(service)],
            ],
            "ports": [["name": "p", "port": 8080, "protocol": "UDP"]],
            "endpoints": .array(
                addresses.map { ["addresses": [.string($0)], "nodeName": "n1", "conditions": ["ready": true]] }),
        ]
        return try #require(Registry.standard.read(tree).object as? EndpointSlice)
    }

    private func plan(_ snapshot: Snapshot) -> NodePlan {
        NodePlan(facts: NodeFacts(name: "n1", uplinks: [:]), snapshot: snapshot, attachments: [:])
    }

    private func names(_ subjects: Set<Snapshot.Subject>) -> Set<ServiceIndex.Name> {
        Set(subjects.compactMap { if case .service(let name) = $0 { name } else { nil } })
    }

    @Test("without a service there is no table; the first brings it, the last takes it away")
    func table() throws {
        var (keeper, kernel, snapshot) = (ServiceKeeper(), MemoryTables(), Snapshot())
        snapshot.set(try node())
        #expect(try keeper.settle(four, plan(snapshot), &kernel).changes.isEmpty)
        let touched = names(snapshot.set(try service("web", at: "10.96.0.10")))
        #expect(try !keeper.settle(.init(snapshot, touched), of: four, &kernel).isEmpty)
        #expect(try kernel.observe(four) != nil)
        let gone = names(snapshot.remove(try service("web", at: "10.96.0.10").key))
        _ = try keeper.settle(.init(snapshot, gone), of: four, &kernel)
        #expect(try kernel.observe(four) == nil)
    }

    @Test("a change is said element by element, and a look at everything then finds nothing to do")
    func keyed() throws {
        let ended = Ended()
        var (keeper, kernel, snapshot) = (ServiceKeeper(connections: ended), MemoryTables(), Snapshot())
        snapshot.set(try node())
        for number in 1...20 {
            snapshot.set(try service("web-\(number)", at: "10.96.0.\(number)"))
            snapshot.set(try slice("web-\(number)", "10.244.1.1", "10.244.1.2"))
        }
        _ = try keeper.settle(four, plan(snapshot), &kernel)
        let touched = names(snapshot.set(try slice("web-7", "10.244.1.2")))
        #expect(touched.count == 1)
        let changes = try keeper.settle(.init(snapshot, touched), of: four, &kernel)
        let elements = changes.reduce(0) { count, change in
            switch change {
            case .addElements(_, _, let elements), .deleteElements(_, _, let elements): count + elements.count
            default: count + 1000
            }
        }
        #expect(elements == 5)
        #expect(ended.flows.withLock { $0.map(\.answerer) } == [.endpoint(SocketAddress(.v4(IPv4Address(10, 244, 1, 1)), 8080))])
        #expect(try keeper.settle(four, plan(snapshot), &kernel).changes.isEmpty)
        // Another agent finds what it left, with every endpoint in its place.
        var next = ServiceKeeper()
        #expect(try next.settle(four, plan(snapshot), &kernel).changes.isEmpty)
    }

    /// A datagram of a client to the service, answered by this pod.
    private func isStale(_ stale: StaleConnections, by pod: UInt8) -> Bool {
        stale.contains(
            .udp, to: SocketAddress(.v4(IPv4Address(10, 96, 0, 10)), 80), isOwn: false,
            answeredBy: SocketAddress(.v4(IPv4Address(10, 244, 1, pod)), 8080), isTranslated: true)
    }

    // The connections of a refused change stayed where they were for as long as a client went on sending.
    @Test("what a refused commit would have made stale is ended once a commit succeeds, whatever the change was")
    func refused() throws {
        for isDeleted in [false, true] {
            let ended = Ended()
            var (keeper, kernel, snapshot) = (ServiceKeeper(connections: ended), RefusingTables(), Snapshot())
            snapshot.set(try node())
            snapshot.set(try service("web", at: "10.96.0.10"))
            snapshot.set(try slice("web", "10.244.1.1", "10.244.1.2"))
            _ = try keeper.settle(four, plan(snapshot), &kernel)
            ended.looks.withLock { $0 = [] }

            let touched =
                isDeleted
                ? names(snapshot.remove(try service("web", at: "10.96.0.10").key))
                : names(snapshot.set(try slice("web", "10.244.1.2")))
            kernel.refusals = 2
            #expect(throws: KernelError.self) { try keeper.settle(.init(snapshot, touched), of: four, &kernel) }
            #expect(throws: KernelError.self) { try keeper.settle(four, plan(snapshot), &kernel) }
            #expect(ended.flows.withLock { $0 }.isEmpty && ended.looks.withLock { $0 }.isEmpty, "the kernel still leads there")
            _ = try keeper.settle(four, plan(snapshot), &kernel)
            let look = try #require(ended.looks.withLock { $0 }.first)
            #expect(isStale(look, by: 1) && isStale(look, by: 2) == isDeleted)
            // Once is enough.
            _ = try keeper.settle(four, plan(snapshot), &kernel)
            #expect(ended.looks.withLock { $0 }.count == 1)
        }
    }

    @Test("connections that could not be ended are a problem until they are, at the next round of any kind")
    func notEnded() throws {
        for isWhole in [false, true] {
            let ended = Ended()
            var (keeper, kernel, snapshot) = (ServiceKeeper(connections: ended), MemoryTables(), Snapshot())
            snapshot.set(try node())
            snapshot.set(try service("web", at: "10.96.0.10"))
            snapshot.set(try slice("web", "10.244.1.1", "10.244.1.2"))
            _ = try keeper.settle(four, plan(snapshot), &kernel)
            ended.looks.withLock { $0 = [] }
            ended.failures.withLock { $0 = 1 }
            let touched = names(snapshot.set(try slice("web", "10.244.1.2")))
            #expect(try !keeper.settle(.init(snapshot, touched), of: four, &kernel).isEmpty, "the change itself is made")
            #expect(keeper.isBehind && keeper.problems.map(\.id) == [.changeRefused])
            if isWhole {
                #expect(try keeper.settle(four, plan(snapshot), &kernel).changes.isEmpty)
            } else {
                #expect(try keeper.settle(.init(snapshot, touched), of: four, &kernel).isEmpty)
            }
            let look = try #require(ended.looks.withLock { $0 }.first)
            #expect(isStale(look, by: 1) && !isStale(look, by: 2))
            #expect(!keeper.isBehind && keeper.problems.isEmpty)
        }
    }

    @Test("an agent that starts looks at all connections once; and so does one whose table was taken away")
    func looks() throws {
        let ended = Ended()
        var (kernel, snapshot) = (MemoryTables(), Snapshot())
        snapshot.set(try node())
        snapshot.set(try service("web", at: "10.96.0.10"))
        snapshot.set(try slice("web", "10.244.1.1", "10.244.1.2"))
        var first = ServiceKeeper()
        _ = try first.settle(four, plan(snapshot), &kernel)
        // While nobody looked.
        snapshot.set(try slice("web", "10.244.1.2"))
        var keeper = ServiceKeeper(connections: ended)
        for count in [1, 1] {
            _ = try keeper.settle(four, plan(snapshot), &kernel)
            #expect(ended.looks.withLock { $0 }.count == count)
        }
        let look = try #require(ended.looks.withLock { $0 }.last)
        #expect(isStale(look, by: 1) && !isStale(look, by: 2))
        try kernel.apply([.deleteTable(four)])
        _ = try keeper.settle(four, plan(snapshot), &kernel)
        #expect(ended.looks.withLock { $0 }.count == 2)
        // A service that went meanwhile is known by the table that is found.
        snapshot.remove(try service("web", at: "10.96.0.10").key)
        var last = ServiceKeeper(connections: ended)
        _ = try last.settle(four, plan(snapshot), &kernel)
        let end = try #require(ended.looks.withLock { $0 }.last)
        #expect(isStale(end, by: 2))
    }

    @Test("what somebody deletes or flushes is put back, and told as such")
    func drift() throws {
        var (keeper, kernel, snapshot) = (ServiceKeeper(), MemoryTables(), Snapshot())
        snapshot.set(try node())
        snapshot.set(try service("web", at: "10.96.0.10"))
        snapshot.set(try slice("web", "10.244.1.1"))
        #expect(try !keeper.settle(four, plan(snapshot), &kernel).isRestored)
        let whole = try kernel.observe(four)?.table
        for change in [NFTables.Change.deleteTable(four), .flushChain(four, "fronts")] {
            try kernel.apply([change])
            let result = try keeper.settle(four, plan(snapshot), &kernel)
            #expect(!result.changes.isEmpty && result.isRestored)
            #expect(try kernel.observe(four)?.table == whole)
        }
    }

    @Test("a table that nobody else has touched is not read again, but all of its services are worked out anew, some at a time")
    func untouched() throws {
        var (keeper, kernel, snapshot) = (ServiceKeeper(), MemoryTables(), Snapshot())
        snapshot.set(try node())
        for number in 0..<300 {
            snapshot.set(try service("web-\(number)", at: "10.96.\(number / 250).\(number % 250 + 1)"))
        }
        _ = try keeper.settle(four, plan(snapshot), &kernel)
        // A change that nobody told the keeper of, and something in the kernel that nobody can have changed.
        for number in [0, 150, 299] { snapshot.set(try slice("web-\(number)", "10.244.1.1")) }
        _ = try kernel.apply([.addChain(four, "foreign", nil)])
        var changes: [NFTables.Change] = []
        for turn in 1...3 {
            let result = try keeper.settle(four, plan(snapshot), changed: [], &kernel)
            #expect(!result.isRestored)
            changes += result.changes
            if turn < 3 { #expect(changes.count < 9) }
        }
        #expect(try kernel.observe(four)?.table.chains["foreign"] != nil)
        #expect(try !keeper.settle(four, plan(snapshot), &kernel).changes.contains { "\($0)".contains("elements") })
        #expect(try kernel.observe(four)?.table.chains["foreign"] == nil)
    }

    @Test("after a refusal the table is read, for what it holds is not what was said")
    func doubtful() throws {
        var (keeper, kernel, snapshot) = (ServiceKeeper(), RefusingTables(), Snapshot())
        snapshot.set(try node())
        snapshot.set(try service("web", at: "10.96.0.10"))
        _ = try keeper.settle(four, plan(snapshot), &kernel)
        kernel.refusals = 1
        let touched = names(snapshot.set(try slice("web", "10.244.1.1")))
        #expect(throws: KernelError.self) { try keeper.settle(.init(snapshot, touched), of: four, &kernel) }
        #expect(try !keeper.settle(four, plan(snapshot), changed: [], &kernel).changes.isEmpty)
        #expect(try keeper.settle(four, plan(snapshot), &kernel).changes.isEmpty)
    }

    @Test("without the duty the tables go; without our Node object they stay")
    func duty() throws {
        var (keeper, kernel, snapshot) = (ServiceKeeper(), MemoryTables(), Snapshot())
        snapshot.set(try node())
        snapshot.set(try service("web", at: "10.96.0.10"))
        _ = try keeper.settle(four, plan(snapshot), &kernel)
        snapshot.remove(try node().key)
        #expect(try keeper.settle(four, plan(snapshot), &kernel).changes.isEmpty)
        #expect(try kernel.observe(four) != nil)
        var other = ServiceKeeper(isOurs: false)
        #expect(try !other.settle(four, plan(snapshot), &kernel).changes.isEmpty)
        #expect(try kernel.observe(four) == nil)
    }
}
