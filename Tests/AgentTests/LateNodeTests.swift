import Addressing
import CNI
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

extension KernelTests {
    /// Two nodes, of which the second hears later than the first what became of pods: its file of objects is written later.
    @Suite("policies on a node whose watch is slow", .timeLimit(.minutes(5)))
    struct LateNodeTests {
        private let nodes: RoutedNodes
        private static let port: UInt16 = 4040

        init() throws { nodes = try RoutedNodes(2) }

        private func pod(_ name: String, on node: Int, _ address: IPAddress? = nil) -> String {
            PolicyTexts.pod(name, on: node, at: address)
        }

        /// Two addresses for the pods of the first node. Only `old` may talk to `db`.
        private func tell(_ node: Int, _ pods: String...) throws {
            let text = try nodes.text([1, 2]).replacing("10.244.1.0/24", with: "10.244.1.0/30")
            try nodes.nodes[node - 1].directory.write(
                ([text, PolicyTexts.namespace, PolicyTexts.opening(to: "old")] + pods).joined(separator: "---\n"),
                to: "objects.yaml")
        }

        private func refused(at db: IPAddress) throws -> UInt64 {
            let tables = try KernelTables(in: nodes.nodes[1].namespace)
            let id = Table.ID(.ip, PacketPath.policyTable)
            guard try tables.tables().contains(id) else { return 0 }
            return try tables.counters(of: "refused-receivers", in: id)[Value(.address(db))]?.packets ?? 0
        }

        private func attach(_ name: String) throws -> (namespace: NetworkNamespace, address: IPAddress) {
            let namespace = try NetworkNamespace.new()
            return (namespace, try ip(try #require(try nodes.nodes[0].add(name, namespace).addresses.first)))
        }

        @Test("an address given to a new pod does not inherit the old one's rights on a node whose watch is slowed")
        func inheritance() throws {
            let (near, far) = (nodes.nodes[0], nodes.nodes[1])
            try tell(1, pod("old", on: 1), pod("new", on: 1), pod("next", on: 1))
            try tell(2, pod("db", on: 2))
            try nodes.start("--backend", "vxlan")
            let old = try attach("old")
            let home = try NetworkNamespace.new()
            let db = try ip(try #require(try far.add("db", home).addresses.first))
            try tell(2, pod("db", on: 2), pod("old", on: 1, old.address))
            let inbox = try Datagrams(in: home, at: db.mapped, port: Self.port)
            let asker = try Datagrams(in: old.namespace, at: old.address.mapped)
            try eventually("old is let through\n\(far.log)") {
                try asker.send("old", to: db.mapped, port: Self.port)
                var entry = pollfd(fd: inbox.socket.rawValue, events: Int16(POLLIN), revents: 0)
                return poll(&entry, 1, 50) == 1
            }
            // The old pod ends. Its own node gives the next one another address, and the far one has heard of nothing.
            #expect(try near.call("DEL", "old", old.namespace.path).status == 0)
            let new = try attach("new")
            #expect(new.address != old.address)
            var before = try refused(at: db)
            try Datagrams(in: new.namespace, at: new.address.mapped).send("new", to: db.mapped, port: Self.port)
            try eventually("what new sent is refused") { try refused(at: db) > before }
            // There is no other address left, and yet the old one's is not given before it has rested.
            let place = try NetworkNamespace.new()
            #expect(try near.call("ADD", "next", place.path).failure?.code == .tryAgainLater)
            // The far node hears of it late, but earlier than that.
            try tell(2, pod("db", on: 2))
            try eventually("the far node has heard that old is gone\n\(far.log)") { try !isMember(old.address) }
            #expect(near.stop() == 0)
            for name in near.directory.names(in: "state/resting") { try near.directory.write("0", to: "state/resting/\(name)") }
            try near.start("--backend", "vxlan")
            let next = try attach("next")
            #expect(next.address == old.address, "it has rested")
            before = try refused(at: db)
            try Datagrams(in: next.namespace, at: next.address.mapped).send("next", to: db.mapped, port: Self.port)
            try eventually("what next sent is refused") { try refused(at: db) > before }
            while try arrived(inbox) { #expect(try inbox.receive().text == "old") }
        }

        private func arrived(_ inbox: Datagrams) throws -> Bool {
            var entry = pollfd(fd: inbox.socket.rawValue, events: Int16(POLLIN), revents: 0)
            return poll(&entry, 1, 0) == 1
        }

        /// Whether some rule of the far node means this address.
        private func isMember(_ address: IPAddress) throws -> Bool {
            let found = try KernelTables(in: nodes.nodes[1].namespace).observe(Table.ID(.ip, PacketPath.policyTable))?.table
            return (found?.sets ?? [:]).contains {
                $0.key.hasPrefix("pods-") && $0.value.elements[Value(.address(address))] != nil
            }
        }
    }
}
