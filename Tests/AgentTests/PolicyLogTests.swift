import Addressing
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("the log of policies", .timeLimit(.minutes(5)))
    struct PolicyLogTests {
        private let node: TestNode

        init() throws { node = try TestNode() }

        /// `web` may ask `db`, and nobody else.
        private func objects(asking word: String?) -> String {
            let annotations = word.map { "tulle.dev/log-connections: \($0)" } ?? ""
            let policy = PolicyTexts.opening(to: "web", annotations: annotations)
            return [TestNode.objects(1), PolicyTexts.pod("db"), PolicyTexts.pod("web"), policy].joined(separator: "---\n")
        }

        private func hasRuleThatLogs() throws -> Bool {
            let table = try KernelTables(in: node.namespace).observe(Table.ID(.ip, PacketPath.policyTable))?.table
            return table?.chains.values.flatMap(\.rules).contains { rule in
                rule.expressions.contains { if case .log = $0 { true } else { false } }
            } ?? false
        }

        @Test("its figures are there before the first packet, at nothing")
        func figures() throws {
            try node.directory.write(objects(asking: nil), to: "objects.yaml")
            try node.start("--metrics-address", "192.0.2.1:10249")
            let target = SocketAddress(try ip("192.0.2.1"), 10249)
            let page = try #require(try node.neighbour.get("/metrics", at: target), "nobody shows figures\n\(node.log)").body
            let lines = page.split(separator: "\n")
            for name in ["lines", "dropped"] { #expect(lines.contains("tulle_policy_log_\(name)_total 0"), "\(page)") }
        }

        @Test("what the kernel could not deliver in time is counted, to the packet")
        func lost() throws {
            let rule = NFTables.Rule(.ip, .counter, .log(group: 9, prefix: "told"))
            let chain = Chain("input", .init(.filter, .input, priority: 0), rules: [rule])
            let (table, tables) = (Table(.ip, "told", chains: [chain]), try KernelTables(in: node.namespace))
            try tables.apply(difference(from: nil, to: table))
            let socket = try Datagrams(in: node.neighbour, at: .any(.v6))
            func told() throws -> Int {
                try tables.ruleCounts(in: table.id)["input"]?.first.flatMap { $0.map { Int($0.packets) } } ?? 0
            }
            // One that begins anew counts from its own beginning.
            for _ in 0..<2 {
                let log = try PacketLog(group: 9, bytes: 128, in: node.namespace)
                let before = try told()
                var (read, lost) = (0, 0)
                func fetch() throws {
                    while let event = try log.next(timeout: .milliseconds(200)) {
                        guard case .packets(let packets, let missing) = event else { continue }
                        (read, lost) = (read + packets.count, lost + missing)
                    }
                }
                for _ in 0..<40_000 { try socket.send("x", to: ip("192.0.2.1").mapped, port: 4041) }
                try fetch()
                // How many were lost at the end the next one says.
                try socket.send("x", to: ip("192.0.2.1").mapped, port: 4041)
                try fetch()
                let all = try told() - before
                #expect(lost > 0 && read > 0 && read + lost == all, "\(read) + \(lost) of \(all)")
            }
        }

        @Test("an annotation asks for it; while another has the log that is a problem, and the agent goes on and tries again")
        func taken() throws {
            var other: PacketLog? = try PacketLog(group: PacketPath.policyLogGroup, bytes: 64, in: node.namespace)
            try node.directory.write(objects(asking: nil), to: "objects.yaml")
            try node.start()
            let web = try NetworkNamespace.new()
            let db = try NetworkNamespace.new()
            let address = try ip(try #require(try node.add("db", db).addresses.first))
            let socket = try Datagrams(in: web, at: try ip(try #require(try node.add("web", web).addresses.first)).mapped)
            let inbox = try Datagrams(in: db, at: address.mapped, port: 4040)
            #expect(try !hasRuleThatLogs())
            #expect(!node.log.contains("policy-log-unread"))

            try node.directory.write(objects(asking: "all"), to: "objects.yaml")
            try eventually("it is a problem\n\(node.log)") { node.log.contains("policy-log-unread") }
            #expect(try hasRuleThatLogs())
            // It holds all the same.
            try socket.send("x", to: address.mapped, port: 4040)
            #expect(try inbox.receive().text == "x")
            withExtendedLifetime(other) {}
            other = nil
            try eventually("the log is read\n\(node.log)", within: .seconds(60)) { node.log.contains("solved") }
            try eventually("what is allowed is told\n\(node.log)") {
                // Another port each time is another connection.
                try Datagrams(in: web, at: .any(.v6)).send("x", to: address.mapped, port: 4040)
                return node.log.split(separator: "\n").contains {
                    $0.contains("outcome=allowed") && $0.contains("policy=\"NetworkPolicy default/db\"")
                        && $0.contains("rule=ingress[0]")
                }
            }

            try node.directory.write(objects(asking: "none"), to: "objects.yaml")
            try eventually("nothing is logged any more\n\(node.log)") { try !hasRuleThatLogs() }
            try eventually("whoever wants the log has it\n\(node.log)") {
                (try? PacketLog(group: PacketPath.policyLogGroup, bytes: 64, in: node.namespace)) != nil
            }
        }
    }
}
