import Addressing
import CLinux
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("an agent that serves services", .timeLimit(.minutes(5)))
    struct ServedTests {
        private static let four = Table.ID(.ip, PacketPath.serviceTable)

        /// A balanced service under policy Local, and its endpoints on n1 and n2 in each family.
        private func objects(health: Int? = 31000, here: Int, there: Int = 1) -> String {
            let service = """
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: web, namespace: shop}
                spec:
                  type: LoadBalancer
                  clusterIPs: [10.96.0.10, "fd00:10:96::10"]
                  externalTrafficPolicy: Local
                  \(health.map { "healthCheckNodePort: \($0)" } ?? "")
                  ports: [{name: http, port: 80, nodePort: 30080}]

                """
            let slices = [("IPv4", "10.244."), ("IPv6", "\"fd00:10:244:")].map { family, prefix in
                let endpoints = ((0..<here).map { (1, $0) } + (0..<there).map { (2, $0) }).map { node, number in
                    let address = family == "IPv4" ? "\(prefix)\(node).\(number + 9)" : "\(prefix)\(node)::\(number + 9)\""
                    return "{addresses: [\(address)], nodeName: n\(node), conditions: {ready: true}}"
                }
                return """
                    ---
                    apiVersion: discovery.k8s.io/v1
                    kind: EndpointSlice
                    metadata: {name: web-\(family.lowercased()), namespace: shop, labels: {kubernetes.io/service-name: web}}
                    addressType: \(family)
                    ports: [{name: http, port: 8080}]
                    endpoints: [\(endpoints.joined(separator: ", "))]

                    """
            }
            return TestNode.objects(1, 2) + service + slices.joined()
        }

        private func ask(_ node: TestNode, _ port: UInt16 = 31000, at address: String = "192.0.2.1") throws -> HTTPReply? {
            try node.neighbour.get("/", at: SocketAddress(ip(address), port))
        }

        @Test("a balancer's question is answered at each node, with the number of endpoints there, over both families")
        func health() throws {
            let node = try TestNode(objects: objects(here: 2))
            try node.start()
            for address in ["192.0.2.1", "2001:db8::1"] {
                try eventually("somebody answers\n\(node.log)") { try ask(node, at: address)?.status == 200 }
                let reply = try #require(try ask(node, at: address))
                #expect(
                    reply.body == """
                        {
                        \t"service": {
                        \t\t"namespace": "shop",
                        \t\t"name": "web"
                        \t},
                        \t"localEndpoints": 2,
                        \t"serviceProxyHealthy": true
                        }
                        """)
                #expect(reply.headers["content-type"] == "application/json")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["x-load-balancing-endpoint-weight"] == "2")
            }
            try node.directory.write(objects(here: 0), to: "objects.yaml")
            try eventually("nobody is here\n\(node.log)") { try ask(node)?.status == 503 }
            #expect(try ask(node)?.headers["x-load-balancing-endpoint-weight"] == "0")
            // Another port, and then none.
            try node.directory.write(objects(health: 31001, here: 1), to: "objects.yaml")
            try eventually("the other port answers\n\(node.log)") { try ask(node, 31001)?.status == 200 }
            #expect(try ask(node) == nil)
            try node.directory.write(TestNode.objects(1, 2), to: "objects.yaml")
            try eventually("the port is closed\n\(node.log)") { try ask(node, 31001) == nil }
            #expect(node.status.problems == [])
        }

        @Test("a balancer is told whether the node serves services, and of a node that is about to go that it does not")
        func nodeHealth() throws {
            let node = try TestNode(objects: objects(here: 1))
            try node.start()
            func ask(_ path: String, at address: String = "192.0.2.1") throws -> HTTPReply? {
                try node.neighbour.get(path, at: SocketAddress(ip(address), 10256))
            }
            for address in ["192.0.2.1", "2001:db8::1"] {
                try eventually("somebody answers\n\(node.log)") { try ask("/healthz", at: address)?.status == 200 }
            }
            let reply = try #require(try ask("/healthz"))
            #expect(reply.headers["content-type"] == "application/json" && reply.headers["x-content-type-options"] == "nosniff")
            let time = #/"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000 UTC"/#
            #expect(reply.body.matches(of: time).count == 2, "\(reply.body)")
            #expect(
                reply.body.hasPrefix(#"{"lastUpdated": ""#) && reply.body.hasSuffix(#", "nodeEligible": true}"#), "\(reply.body)")
            #expect(try ask("/metrics")?.status == 404)
            // The autoscaler takes it away, somebody deletes it, it is gone: no new connections from outside.
            let taint = "spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}], podCIDRs: [10.244.1"
            let ending = #"metadata: {name: n1, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [example.org/wait]}"#
            for (what, text) in [
                ("to be taken away", objects(here: 1).replacing("spec: {podCIDRs: [10.244.1", with: taint)),
                ("being deleted", objects(here: 1).replacing("metadata: {name: n1}", with: ending)),
                ("gone", objects(here: 1).replacing(TestNode.objects(1) + "---\n", with: "")),
            ] {
                try node.directory.write(text, to: "objects.yaml")
                try eventually("the node is \(what)\n\(node.log)") { try ask("/healthz")?.status == 503 }
                #expect(try ask("/healthz")?.body.hasSuffix(#""nodeEligible": false}"#) == true, "\(what)")
                let livez = try #require(try ask("/livez"))
                #expect(livez.status == 200 && !livez.body.contains("nodeEligible"), "\(what)")
                try node.directory.write(objects(here: 1), to: "objects.yaml")
                try eventually("it stays\n\(node.log)") { try ask("/healthz")?.status == 200 }
            }
            // That the node is there again is known before everything was looked at again.
            try eventually("nothing is wrong any more\n\(node.log)") { node.status.problems == [] }
            #expect(node.stop() == 0)
            for options in [
                ["--parts", "pods,overlay"], ["--health-address", "off"], ["--healthz-bind-address", "192.0.2.1:10300"],
            ] {
                try node.start(options)
                #expect(try ask("/healthz") == nil, "\(options)")
                if options[1].hasSuffix(":10300") {
                    #expect(try node.neighbour.get("/livez", at: SocketAddress(ip("192.0.2.1"), 10300))?.status == 200)
                }
                #expect(node.stop() == 0)
            }
        }

        @Test("a balancer is answered at the chosen addresses alone")
        func chosen() throws {
            let node = try TestNode(objects: objects(here: 1))
            try node.start("--nodeport-addresses", "2001:db8::/64")
            try eventually("somebody answers\n\(node.log)") { try ask(node, at: "2001:db8::1")?.status == 200 }
            #expect(try ask(node) == nil)
        }

        @Test("a port that another has is a problem, and is opened once it is free")
        func taken() throws {
            let node = try TestNode(objects: objects(here: 1))
            do {
                let other = try node.namespace.perform { () throws(KernelError) in
                    Descriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
                }
                let place = try SocketAddress(ip("0.0.0.0"), 31000)
                guard place.withName({ bind(other.rawValue, $0, $1) }) == 0, listen(other.rawValue, 1) == 0 else {
                    throw Broken("bind \(place): errno \(errno)")
                }
                try node.start("--period", "1")
                try eventually("it is told\n\(node.log)") {
                    node.status.problems.contains {
                        $0.hasPrefix(
                            "error health-check-port-taken: Service shop/web: its healthCheckNodePort 31000 cannot be opened on node n1: "
                        )
                    }
                }
                // The other family is answered meanwhile.
                #expect(try ask(node, at: "2001:db8::1")?.status == 200)
            }
            try eventually("it is open\n\(node.log)") { try ask(node)?.status == 200 }
            try eventually("it is over\n\(node.log)") { node.status.problems == [] }
        }

        /// The samples of a page, by name and labels.
        private func figures(_ node: TestNode, at address: String = "192.0.2.1:10249") throws -> [String: Double] {
            let target = try #require(SocketAddress(text: address))
            let reply = try #require(try node.neighbour.get("/metrics", at: target), "nobody shows figures\n\(node.log)")
            #expect(reply.status == 200 && reply.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            return reply.body.split(separator: "\n").filter { !$0.hasPrefix("#") }.reduce(into: [:]) { figures, line in
                guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                    Issue.record("\(line)")
                    return
                }
                #expect(figures.updateValue(value, forKey: String(line[..<space])) == nil, "\(line)")
            }
        }

        @Test("is served by the agent: its table comes back when somebody deletes it, and what happened can be counted")
        func counted() throws {
            let node = try TestNode(objects: objects(here: 0))
            try node.start("--metrics-address", "192.0.2.1:10249")
            let tables = try KernelTables(in: node.namespace)
            try eventually("there is a table\n\(node.log)") { try tables.observe(Self.four) != nil }
            var before = try figures(node)
            try eventually("a round of everything\n\(node.log)") {
                before = try figures(node)
                return before["tulle_whole_rounds_total"] ?? 0 >= 1
            }
            #expect(before["tulle_services"] == 1 && before["tulle_nftables_elements_written_total"] ?? 0 > 10)
            #expect(
                before["kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"external\"}"] == 1
            )
            #expect(
                before["kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"internal\"}"] == 0
            )
            #expect(
                before["kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv6\",le=\"+Inf\"}"]
                    == before["kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv6\"}"])
            #expect(before["kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"}"] ?? 0 > 1_700_000_000)
            #expect(before["tulle_problems{id=\"service-front-taken\",severity=\"error\"}"] == 0)
            #expect(before["process_resident_memory_bytes"] ?? 0 > 1_000_000 && before["process_open_fds"] ?? 0 > 3)

            let whole = try node.tables()
            try tables.apply([.deleteTable(Self.four)])
            try eventually("the table is back\n\(node.log)") { try node.tables() == whole }
            try eventually("it is counted\n\(node.log)") { try figures(node)["tulle_drift_repaired_total"] ?? 0 >= 1 }
            #expect(try figures(node)["tulle_nftables_generation_conflicts_total"] ?? 0 >= 1)

            // A change to one service writes elements alone.
            try node.directory.write(objects(here: 1), to: "objects.yaml")
            try eventually("an endpoint is here\n\(node.log)") {
                try figures(node)[
                    "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"external\"}"] == 0
            }
            // The slices of both families changed: the first is a round at once.
            var after = try figures(node)
            try eventually("both slices are counted, and none waits\n\(node.log)") {
                after = try figures(node)
                return after["kubeproxy_sync_proxy_rules_endpoint_changes_total"] ?? 0 >= 2
                    && after["kubeproxy_sync_proxy_rules_endpoint_changes_pending"] == 0
            }
            #expect(after["kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"}"] ?? 0 >= 1)

            let target = try SocketAddress(ip("192.0.2.1"), 10249)
            for (path, status, body) in [
                ("/healthz", 200, "ok\n"), ("/livez", 200, "ok\n"), ("/readyz?verbose", 200, "ok\n"),
                ("/proxyMode", 200, "nftables"), ("/nothing", 404, "there is no such page\n"),
            ] {
                let reply = try #require(try node.neighbour.get(path, at: target))
                #expect(reply.status == status && reply.body == body, "\(path)")
            }
        }

        @Test("figures are at kube-proxy's own address unless another is given, and beside kube-proxy nowhere")
        func address() throws {
            let node = try TestNode()
            let loopback = try #require(SocketAddress(text: "127.0.0.1:10249"))
            let join = [try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--"]
            #expect(try Program.run(join + ["ip", "link", "set", "lo", "up"]) == .quiet)
            try node.start()
            #expect(try node.namespace.get("/readyz", at: loopback)?.status == 200)
            #expect(node.stop() == 0)
            try node.start("--parts", "pods,overlay")
            #expect(try node.namespace.get("/readyz", at: loopback) == nil)
            #expect(node.stop() == 0)
            try node.start("--metrics-address", "off")
            #expect(try node.namespace.get("/readyz", at: loopback) == nil)
        }

        @Test(
            "what is no address to show figures at is refused",
            arguments: ["127.0.0.1", "localhost:1", "::1:80", "127.0.0.1:0", ""])
        func wrongAddress(_ text: String) throws {
            let node = try TestNode()
            let outcome = try node.tulle(
                ["--node", "n1", "--objects", "\(node.directory.path)/objects.yaml", "--metrics-address", text], log: "log"
            ).finish()
            #expect(outcome.status == 64 && node.log.contains("--metrics-address"), "\(node.log)")
        }

        @Test("figures that another's port is in the way of are a problem, and nothing else suffers")
        func metricsTaken() throws {
            let node = try TestNode(objects: objects(here: 1))
            do {
                let other = try node.namespace.perform { () throws(KernelError) in
                    Descriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
                }
                let place = try SocketAddress(ip("192.0.2.1"), 10249)
                guard place.withName({ bind(other.rawValue, $0, $1) }) == 0, listen(other.rawValue, 1) == 0 else {
                    throw Broken("bind \(place): errno \(errno)")
                }
                try node.start("--metrics-address", "192.0.2.1:10249", "--period", "1")
                try eventually("it is told\n\(node.log)") {
                    node.status.problems.contains { $0.hasPrefix("warning metrics-address-taken: listen at 192.0.2.1:10249: ") }
                }
                try eventually("services are served\n\(node.log)") { try ask(node)?.status == 200 }
            }
            try eventually("it is over\n\(node.log)") { node.status.problems == [] }
            // The file is written a moment before the figures are hung out.
            try eventually("the figures say so too\n\(node.log)") {
                try figures(node)["tulle_problems{id=\"metrics-address-taken\",severity=\"warning\"}"] == 0
            }
        }
    }
}
