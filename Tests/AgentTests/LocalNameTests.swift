import Addressing
import CLinux
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("names answered on the node", .timeLimit(.minutes(5)))
    struct LocalNameTests {
        private let node: TestNode
        private static let servers = ["10.96.0.10", "fd00:96::a"]

        init() throws { node = try TestNode() }

        private func objects(_ pods: [String] = [], _ more: String...) -> String {
            NameObjects.cluster([NameObjects.document(), NameObjects.service()] + pods.map(NameObjects.pod) + more)
        }

        private struct Pod {
            let namespace: NetworkNamespace
            let addresses: [IPAddress]

            init(_ node: TestNode, _ name: String) throws {
                namespace = try .new()
                addresses = try node.add(name, namespace).addresses.map(ip)
            }
        }

        private func answers(_ namespace: NetworkNamespace) throws {
            for server in Self.servers {
                for isStream in [false, true] {
                    try eventually("\(server) answers, over TCP \(isStream)\n\(node.log)") {
                        Self.isAnswered(server, isStream: isStream, in: namespace)
                    }
                }
            }
        }

        @Test(
            "a pod is answered on its node, over both transports and families, and nothing is tracked",
            arguments: PodMode.allCases)
        func answered(_ mode: PodMode) throws {
            try node.directory.write(objects(["web"]), to: "objects.yaml")
            try node.start("--pod-mode", mode.rawValue)
            let web = try Pod(node, "web")
            try answers(web.namespace)
            // What was asked before the server was there may have gone to the neighbour.
            let before = try tracked()
            try answers(web.namespace)
            #expect(try tracked() == before, "and no connection came of it")
            // A pod on the node's network, and the node itself.
            try answers(node.namespace)
            #expect(try tracked() == before)
            #expect(node.status.problems == [])
        }

        private static func isAnswered(_ server: String, isStream: Bool, in namespace: NetworkNamespace) -> Bool {
            NameClient(server: server, isStream: isStream, namespace: namespace).version?.contains("1.1.0") == true
        }

        /// How many connections there are to port 53, or from it.
        private func tracked() throws -> Set<Flow> {
            var found: Set<Flow> = []
            _ = try KernelPolicyConnections(namespace: node.namespace).cut(Set(IPFamily.allCases)) { connection in
                if connection.original.destinationPort == 53 {
                    found.insert(Flow(source: connection.original.source, port: connection.original.sourcePort))
                }
                return false
            }
            return found
        }

        private struct Flow: Hashable {
            var source: IPAddress
            var port: UInt16
        }

        @Test("an agent that is killed, or hangs, is passed by: the cluster's server is asked", arguments: [SIGKILL, SIGSTOP])
        func passedBy(_ signal: Int32) throws {
            try node.directory.write(objects(["web"]), to: "objects.yaml")
            try node.start()
            let web = try Pod(node, "web")
            try answers(web.namespace)
            let far = try Datagrams(in: node.neighbour, at: ip("192.0.2.2").mapped, port: 53)
            if signal == SIGKILL { node.bury() } else { kill(try #require(node.agent?.process), signal) }
            let asker = try Datagrams(in: web.namespace, at: ip("::ffff:0.0.0.0"))
            try eventually("the cluster's server is asked") {
                try asker.send("?", to: ip("10.96.0.10").mapped, port: 53)
                return far.hasSomething
            }
            guard signal == SIGSTOP else {
                try node.start()
                return try answers(web.namespace)
            }
            kill(try #require(node.agent?.process), SIGCONT)
            try answers(web.namespace)
        }

        @Test("a pod whose policy does not let it ask hears nothing, from its first question on, and its neighbour is answered")
        func refused() throws {
            let closing = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: db, namespace: default}
                spec:
                  podSelector: {matchLabels: {app: db}}
                  policyTypes: [Egress]
                  egress: [{ports: [{protocol: UDP, port: 5353}]}]

                """
            try node.directory.write(objects(["db", "web"], closing), to: "objects.yaml")
            try node.start("--log-connections", "denied")
            try answers(try Pod(node, "web").namespace)
            let db = try Pod(node, "db")
            for server in Self.servers {
                for isStream in [false, true] { #expect(!Self.isAnswered(server, isStream: isStream, in: db.namespace)) }
            }
            for family in [TableFamily.ip, .ip6] {
                let counted = try KernelTables(in: node.namespace).counters(
                    of: "refused", in: Table.ID(family, PacketPath.nameTable))
                #expect(counted.count == 2 && counted.values.allSatisfy { $0.packets > 0 }, "\(counted)")
            }
            // Somebody who looks for it finds it: in the log with the pod and its policy, and among what policies refuse.
            for transport in ["UDP", "TCP"] {
                let words = [
                    "outcome=denied", "direction=egress", "from=default/db", "to=kube-system/kube-dns",
                    "policy=\"NetworkPolicy default/db\"", "protocol=\(transport)", "to-address=10.96.0.10:53",
                ]
                try eventually("\(transport) is in the log\n\(node.log)") {
                    node.log.split(separator: "\n").contains { line in words.allSatisfy { line.contains($0) } }
                }
            }
            let listing = try node.namespace.perform { () throws(KernelError) in try PolicyListing() }
            let rows = listing.rows.filter { $0.rule == "questions for names, answered on the node" && $0.packets > 0 }
            #expect(rows.map(\.family) == ["ip", "ip6"] && rows.allSatisfy { $0.outcome == "denied" }, "\(listing)")
            #expect(listing.filtered(namespace: "default").rows.allSatisfy { !rows.contains($0) })
            // One transport is opened.
            let opening = closing.replacing("port: 5353", with: "port: 53").replacing("name: db,", with: "name: open,")
            try node.directory.write(objects(["db", "web"], closing, opening), to: "objects.yaml")
            for server in Self.servers {
                try eventually("\(server) answers over UDP\n\(node.log)") {
                    Self.isAnswered(server, isStream: false, in: db.namespace)
                }
                #expect(!Self.isAnswered(server, isStream: true, in: db.namespace))
            }
        }

        @Test("an address that is taken from lo comes back, and goes with the service; --clean leaves nothing")
        func drift() throws {
            try node.directory.write(objects(), to: "objects.yaml")
            try node.start()
            let loopback = LoopbackAddresses(namespace: node.namespace)
            let both = try Set(Self.servers.map(ip))
            try eventually("both are held\n\(node.log)") { try held() == both }
            _ = try loopback.hold([])
            try eventually("both are put back\n\(node.log)") { try held() == both }
            try node.directory.write(TestNode.objects(1, 2), to: "objects.yaml")
            try eventually("both are gone\n\(node.log)") { try held() == [] }
            try node.directory.write(objects(), to: "objects.yaml")
            try eventually("both are held again\n\(node.log)") { try held() == both }
            node.stop()
            #expect(try held() == both, "they stay when the agent ends")
            let tables = try KernelTables(in: node.namespace).tables()
            #expect(Set(tables).isDisjoint(with: NodePlan.nameTables))
            _ = try node.tulle(["--clean", "--state", "\(node.directory.path)/state"], log: "clean").wait()
            #expect(try held() == [])
        }

        @Test("the table is read back as it was written")
        func table() throws {
            let refused = try [NameAsker(ip("10.244.1.2"), .udp), NameAsker(ip("fd00:10:244:1::2"), .tcp)]
            let all = try Self.servers.map(ip)
            let others = try ["10.96.0.11", "fd00:96::b"].map(ip)
            for (family, isLogged) in [(IPFamily.v4, false), (.v6, false), (.v4, true), (.v6, true)] {
                var tables = try KernelTables(in: node.namespace)
                var table = LocalNameTable(family, servers: all, refused: refused, isLogged: isLogged)
                let left = LocalNameTable(family, left: all, refused: refused, isLogged: isLogged)
                let moved = LocalNameTable(family, servers: others, left: all, refused: refused, isLogged: isLogged)
                for table in [table, left, moved, table] {
                    let steps = try tables.settle(table.id, to: table.table)
                    #expect(!steps.isEmpty && !steps.contains(.deleteTable(table.id)), "in place: no packet sees it missing")
                    #expect(try tables.settle(table.id, to: table.table).isEmpty)
                }
                try tables.apply(table.refuse([]))
                #expect(try tables.settle(table.id, to: table.table).isEmpty)
            }
        }

        private func held() throws -> Set<IPAddress> {
            let found = try KernelHost(node.namespace).observe(.init([.addresses], links: ["lo"])).addresses
            return Set(found.filter { $0.proto == PacketPath.addressProtocol }.map(\.address.address))
        }
    }
}

extension Datagrams {
    /// Whether a datagram is there, within half a second.
    fileprivate var hasSomething: Bool {
        var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 500) == 1
    }
}
