import Addressing
import CNI
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

extension KernelTests {
    /// Pods whose network Debian's `ptp` made, as another network's plugin does: the agent learns of them from their objects alone.
    @Suite(
        "policies beside another network's pods", .timeLimit(.minutes(5)),
        .enabled(
            if: access("/usr/lib/cni/ptp", X_OK) == 0 || getenv("REQUIRE_KERNEL") != nil, "needs containernetworking-plugins"))
    struct ForeignPodTests {
        private let node: TestNode
        private static let port: UInt16 = 4050

        init() throws { node = try TestNode() }

        /// - Parameter verb: ADD or DEL.
        private func ptp(_ verb: String, _ name: String, _ pod: NetworkNamespace) throws -> Program.Outcome {
            let program = try Program(
                [
                    try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--",
                    "/usr/lib/cni/ptp",
                ],
                environment: [
                    "CNI_COMMAND": verb, "CNI_CONTAINERID": name, "CNI_IFNAME": "eth0", "CNI_NETNS": pod.path,
                    "CNI_PATH": "/usr/lib/cni",
                ])
            return try program.finish(
                """
                {"cniVersion":"1.0.0","name":"other","type":"ptp","ipam":{"type":"host-local",\
                "dataDir":"\(node.directory.path)/host-local","routes":[{"dst":"0.0.0.0/0"}],\
                "ranges":[[{"subnet":"198.51.100.0/24"}]]}}
                """)
        }

        private func attach(_ name: String) throws -> (namespace: NetworkNamespace, address: IPAddress) {
            let pod = try NetworkNamespace.new()
            let added = try ptp("ADD", name, pod)
            let text = try #require(added.document?["ips"]?.array?.first?["address"]?.string, "\(added)")
            return (pod, try #require(InterfaceAddress(text)).address)
        }

        private func pod(_ name: String, _ address: IPAddress, app: String) -> String {
            PolicyTexts.pod(name, app: app, at: address)
        }

        private func write(_ pods: String..., isClosed: Bool) throws {
            let all = [TestNode.objects(1), PolicyTexts.namespace] + pods + (isClosed ? [PolicyTexts.opening(to: "web")] : [])
            try node.directory.write(all.joined(separator: "---\n"), to: "objects.yaml")
        }

        /// No runtime asks it for anything.
        private func start() throws {
            try node.launch(options: ["--parts", "policies"])
            try eventually("the agent has compared everything\n\(node.log)") { node.status.rounds > 0 }
        }

        private func refused() throws -> UInt64 {
            let tables = try KernelTables(in: node.namespace)
            let id = Table.ID(.ip, PacketPath.policyTable)
            guard try tables.tables().contains(id) else { return 0 }
            return try tables.counters(of: "refused-receivers", in: id).values.reduce(0) { $0 + $1.packets }
        }

        @Test("hold by their objects' addresses, follow labels, outlive the agent, and leave what the other network made alone")
        func beside() throws {
            let (db, web, other) = (try attach("db"), try attach("web"), try attach("other"))
            defer {
                for (name, pod) in [("db", db), ("web", web), ("other", other)] { _ = try? ptp("DEL", name, pod.namespace) }
            }
            let made = try TestNode.text(node.host)
            try write(pod("db", db.address, app: "db"), pod("web", web.address, app: "web"), isClosed: false)
            try start()
            let inbox = try Datagrams(in: db.namespace, at: db.address.mapped, port: Self.port)
            /// Judged by evidence: it is there, or it was counted.
            func arrives(_ from: (namespace: NetworkNamespace, address: IPAddress)) throws -> Bool {
                let before = try refused()
                try Datagrams(in: from.namespace, at: from.address.mapped).send("x", to: db.address.mapped, port: Self.port)
                var outcome: Bool?
                try eventually("what \(from.address) sent is there or refused\n\(node.log)") {
                    var entry = pollfd(fd: inbox.socket.rawValue, events: Int16(POLLIN), revents: 0)
                    if poll(&entry, 1, 20) == 1 {
                        #expect(try inbox.receive().source.unmapped == from.address)
                        outcome = true
                    } else if try refused() > before {
                        outcome = false
                    }
                    return outcome != nil
                }
                return outcome == true
            }
            #expect(try arrives(other), "there is no policy yet")
            try write(
                pod("db", db.address, app: "db"), pod("web", web.address, app: "web"), pod("other", other.address, app: "other"),
                isClosed: true)
            try eventually("db is isolated\n\(node.log)") { try node.tables().contains(PacketPath.policyTable) }
            #expect(try !arrives(other))
            #expect(try arrives(web))
            // Its own node always reaches it.
            try Datagrams(in: node.namespace, at: .any(.v6)).send("node", to: db.address.mapped, port: Self.port)
            #expect(try inbox.receive().text == "node")
            // The label moves, and with it the right; it holds on without the agent.
            try write(
                pod("db", db.address, app: "db"), pod("web", web.address, app: "other"), pod("other", other.address, app: "web"),
                isClosed: true)
            try eventually("other is let through\n\(node.log)") { try arrives(other) }
            #expect(try !arrives(web))
            _ = node.stop(by: SIGKILL)
            #expect(try !arrives(web))
            #expect(try arrives(other))
            try start()
            #expect(try !arrives(web))
            #expect(try TestNode.text(node.host) == made, "links, addresses and routes are the other network's")
        }
    }
}
