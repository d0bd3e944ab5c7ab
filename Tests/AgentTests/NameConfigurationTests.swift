import Addressing
import CLinux
import DNS
import Glibc
import HostNetwork
import HostNetworkKernel
import Logging
import NFTables
import NFTablesKernel
import NameServer
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("what names on the node are told, and who answers meanwhile", .timeLimit(.minutes(5)))
    struct NameConfigurationTests {
        private let node: TestNode
        private let server = "10.96.0.10"

        init() throws { node = try TestNode() }

        private func write(_ parts: String?...) throws {
            try node.directory.write(NameObjects.cluster(parts), to: "objects.yaml")
        }

        private func held() throws -> Set<String> {
            let found = try KernelHost(node.namespace).observe(.init([.addresses], links: ["lo"])).addresses
            return Set(found.filter { $0.proto == PacketPath.addressProtocol }.map { "\($0.address.address)" })
        }

        private var asker: NameClient { NameClient(server: server, namespace: node.namespace) }

        private func eventuallyHeld(_ addresses: String..., what: String = "") throws {
            try eventually("\(addresses) are held \(what)\n\(node.log)") { try held() == Set(addresses) }
        }

        @Test("without a document nobody is answered here; with one at once, and as it says, until it goes")
        func followed() throws {
            let service = NameObjects.service(at: [server])
            try write(service)
            try node.start()
            #expect(try held() == [], "the cluster's servers are somebody else's")
            try write(service, NameObjects.document("hosts: {entries: {printer.example: 192.0.2.77}}"))
            try eventually("the document holds\n\(node.log)") { asker.addresses(of: "printer.example.") == ["192.0.2.77"] }
            #expect(try held() == [server])
            try eventually("its status says so") { node.directory.read("state/status").contains("names \(server)\n") }
            try eventually("somebody would ask outside") { try threads.contains("names-forward") }
            // What a document says of the cluster itself holds at once, too.
            try write(service, NameObjects.document("clusterDomain: corp.example\nttl: 30s\npods: insecure"))
            try eventually("the domain is another\n\(node.log)") {
                let answer = asker.ask("kube-dns.kube-system.svc.corp.example.", .a)?.answers.first
                return answer?.ttl == 30
            }
            #expect(asker.addresses(of: "192-0-2-9.default.pod.corp.example.") == ["192.0.2.9"])
            try write(service)
            try eventuallyHeld()
            #expect(node.status.problems == [])
            try eventually("nobody is left who would ask outside") { try !threads.contains("names-forward") }
            // The next one finds everything anew.
            try write(service, NameObjects.document("hosts: {entries: {printer.example: 192.0.2.78}}"))
            try eventually("it holds\n\(node.log)") { asker.addresses(of: "printer.example.") == ["192.0.2.78"] }
            try eventually("somebody would ask outside") { try threads.contains("names-forward") }
        }

        /// Of the agent, by their names.
        private var threads: Set<String> {
            get throws {
                let process = try #require(node.agent?.process)
                let names = try Program.run(["sh", "-c", "cat /proc/\(process)/task/*/comm"]).output
                return Set(names.split(separator: "\n").map(String.init))
            }
        }

        @Test("a document with a mistake changes nothing, and the message says where the mistake is")
        func refused() throws {
            let service = NameObjects.service(at: [server])
            try write(service, NameObjects.document("hosts: {entries: {printer.example: 192.0.2.77}}"))
            try node.start()
            try eventually("it is answered\n\(node.log)") { asker.addresses(of: "printer.example.") == ["192.0.2.77"] }
            try write(service, NameObjects.document("pods: insecure\ncache: {prefech: false}"))
            try eventually("it is told\n\(node.log)") {
                node.status.problems.contains {
                    $0.contains("name-configuration-refused") && $0.contains("ConfigMap kube-system/kube-dns")
                        && $0.contains("names.yaml:2:9: cache: \"prefech\" is unknown here; did you mean prefetch?")
                        && $0.contains("stays in force")
                }
            }
            #expect(asker.addresses(of: "printer.example.") == ["192.0.2.77"])
            #expect(try held() == [server])
            // An agent that comes now knows nothing better than the cluster's servers.
            node.stop()
            try node.start()
            #expect(node.status.problems.contains { $0.contains("the cluster's servers are asked") })
            try eventuallyHeld()
            try write(service, NameObjects.document("hosts: {entries: {printer.example: 192.0.2.78}}"))
            try eventually("the next one holds\n\(node.log)") { asker.addresses(of: "printer.example.") == ["192.0.2.78"] }
            try eventually("and nothing is wrong any more") { node.status.problems == [] }
        }

        @Test("names of all pods are told only where all pods are known")
        func verified() throws {
            let service = NameObjects.service(at: [server])
            try write(service, NameObjects.document("pods: verified"))
            try node.start("--parts", "pods,overlay,services,dns")
            #expect(node.status.problems.contains { $0.contains("pods: verified") && $0.contains("the part policies") })
            #expect(try held() == [])
            node.stop()
            try node.start()
            try eventuallyHeld(server)
            #expect(node.status.problems == [])
        }

        @Test("the address follows the service: another one, none, a headless one, and one of another name")
        func address() throws {
            let document = NameObjects.document()
            try write(NameObjects.service(at: [server]), document)
            try node.start()
            try eventuallyHeld(server)
            // As when it is deleted, and made again.
            try write(NameObjects.service(at: ["10.96.0.99"]), document)
            try eventuallyHeld("10.96.0.99")
            try eventually("it answers at the new one\n\(node.log)") {
                NameClient(server: "10.96.0.99", namespace: node.namespace).version != nil
            }
            #expect(asker.version == nil, "and not at the old one")
            try write(NameObjects.service(at: []), document)
            try eventuallyHeld(what: "of a headless service")
            try write(document)
            try write(NameObjects.service("names", at: [server]), document)
            node.stop()
            try node.start("--dns-service", "kube-system/names")
            try eventuallyHeld(server)
            // Of one family alone.
            try write(NameObjects.service("names", at: ["fd00:96::a"]), document)
            try eventuallyHeld("fd00:96::a")
            try eventually("it answers there\n\(node.log)") {
                NameClient(server: "fd00:96::a", namespace: node.namespace).version != nil
            }
        }

        @Test("the table is the agent's own: nobody else can take it away")
        func owned() throws {
            try write(NameObjects.service(at: [server]), NameObjects.document())
            try node.start()
            try eventually("it answers\n\(node.log)") { asker.version != nil }
            let id = try #require(NodePlan.nameTables.first)
            let tables = try KernelTables(in: node.namespace)
            #expect(throws: (any Error).self) { try tables.apply([.deleteTable(id)]) }
            #expect(try tables.tables().contains(id))
            try eventually("its status says so") { node.directory.read("state/status").contains("names \(server)\n") }
            node.stop()
            #expect(!node.directory.read("state/status").contains("names "), "the cluster's servers are asked from now on")
        }

        @Test("an agent that starts again leaves no question without an answer", arguments: [SIGTERM, SIGKILL])
        func restart(_ signal: Int32) throws {
            // The cluster's own server, which says that it is another.
            let far = try Self.clusterServer(in: node.neighbour)
            defer { far.stop() }
            let back = Route(try net("10.244.1.0/24"), via: try ip("192.0.2.1"), device: "eth0", proto: 4)
            try #require(KernelHost(node.neighbour).apply([.add(.route(back))]) == [])
            try write(NameObjects.service(at: [server]), NameObjects.document(), NameObjects.pod("web"))
            try node.start()
            let pod = try NetworkNamespace.new()
            _ = try node.add("web", pod)
            // As long as the C library waits before it asks again.
            let asker = NameClient(server: server, namespace: pod, patience: 5)
            var counts: [String: Int] = [:]
            func ask(until isEnough: () -> Bool) throws {
                let deadline = ContinuousClock.now + .seconds(60)
                while !isEnough() {
                    guard ContinuousClock.now < deadline else { throw Broken("only \(counts)\n\(node.log)") }
                    let heard = asker.ask("dns-version.cluster.local.", .txt, tries: 2)
                    let said = try #require(heard?.answer.answers.first, "after \(counts): nobody answers\n\(node.log)")
                    counts["\(said.data)".contains("far") ? "far" : "here", default: 0] += 1
                }
            }
            try ask { counts["here", default: 0] >= 20 }
            counts = [:]
            if signal == SIGKILL { node.bury() } else { node.stop(by: signal) }
            try ask { counts["far", default: 0] >= 20 }
            #expect(counts["here"] == nil)
            counts = [:]
            try node.launch()
            try ask { counts["here", default: 0] >= 20 }
        }

        @Test("the node's people are told what a pod is answered there, by whom, and why")
        func query() throws {
            let closing = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: db, namespace: default}
                spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}

                """
            try node.directory.write("nameserver 127.0.0.9\n", to: "resolv.conf")
            let objects = [NameObjects.pod("web"), NameObjects.pod("db"), closing].joined(separator: "---\n")
            try write(NameObjects.service(at: [server]), NameObjects.document(), objects)
            try node.start("--dns-resolver", "\(node.directory.path)/resolv.conf")
            let (web, db) = (try NetworkNamespace.new(), try NetworkNamespace.new())
            _ = (try node.add("web", web), try node.add("db", db))
            try eventually("it answers\n\(node.log)") { asker.version != nil }
            let socket = "\(node.directory.path)/\(LocalNameSettings.socket(in: "state"))"
            func query(_ words: String...) throws -> Program.Outcome {
                // As a pod its own search list counts, and nothing of a file.
                let resolver = words.contains("--as") ? [] : ["--resolver", "\(node.directory.path)/resolv.conf"]
                return try Program.run([try Program.product("tulle"), "dns", "query", "--agent", socket] + resolver + words)
            }
            let found = try query("kube-dns.kube-system", "--as", "pod/default/web")
            #expect(found.status == 0, "\(found)")
            // The first name of the search list does not exist; the server goes through the list at once.
            #expect(
                found.output.contains(
                    "1/4  kube-dns.kube-system.default.svc.cluster.local.  NOERROR  (the agent of n1, at \(server), ")
                    && found.output.contains("kube-dns.kube-system.svc.cluster.local. 5 IN A \(server)"), "\(found)")
            #expect(
                found.output.contains("the pod's search list leads to kube-dns.kube-system.svc.cluster.local. at once")
                    && found.output.hasSuffix("is from service kube-system/kube-dns\n"), "\(found)")
            let itself = try query("kube-dns.kube-system.svc.cluster.local")
            #expect(itself.status == 0 && itself.output.contains("is from"), "\(itself)")
            let refused = try query("kube-dns.kube-system", "--as", "pod/default/db")
            #expect(
                refused.output.hasPrefix("policies do not let the pod ask for names: it hears nothing. Without "), "\(refused)")
            let nobody = try query("nobody.default.svc.cluster.local.", "--as", "pod/default/web")
            #expect(nobody.status == 1 && nobody.output.contains("no object gives it"), "\(nobody)")
            // A slash in a name, and an alias that leads nowhere, as programs ask for them.
            try write(
                NameObjects.service(at: [server]),
                NameObjects.document(
                    "forward: {upstreams: []}\nzones: [{name: a.example, text: \"0/25 A 192.0.2.7\\nlone CNAME nobody.example.\"}]"
                ),
                objects)
            try eventually("it holds\n\(node.log)") { asker.addresses(of: "0/25.a.example.") == ["192.0.2.7"] }
            #expect(try page("/names/ask/A/0%2F25.a.example./default/web", at: socket).contains("\"found\":true"))
            let lone = try page("/names/ask/A/lone.a.example.", at: socket)
            #expect(lone.contains("\"found\":false") && lone.contains("IN CNAME nobody.example."), "\(lone)")
            // Who is no pod of this node, and a node that answers nobody, are the cluster's servers' to know.
            let stranger = try query("kube-dns", "--as", "pod/default/nobody")
            #expect(stranger.status == 64, "it would have to be read from an API server: \(stranger)")
        }

        /// What a socket's server says.
        private func page(_ path: String, at socket: String) throws -> String {
            let descriptor = Descriptor(owning: clinux_unix_socket())
            try #require(clinux_unix_connect(descriptor.rawValue, socket) == 0)
            let request = Array("GET \(path) HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n".utf8)
            try #require(Glibc.write(descriptor.rawValue, request, request.count) == request.count)
            var bytes = [UInt8](repeating: 0, count: 65536)
            var text = ""
            while case let count = read(descriptor.rawValue, &bytes, bytes.count), count > 0 {
                text += String(decoding: bytes[..<count], as: UTF8.self)
            }
            return text
        }

        private static func clusterServer(in namespace: NetworkNamespace) throws -> DNSServer {
            let origin = ContinuousClock.now
            let server = DNSServer(
                NameServerSettings(addresses: [try ip("192.0.2.2")], now: { ContinuousClock.now - origin }), outside: nil,
                logger: Logger(label: "far", factory: { _ in SwiftLogNoOpLogHandler() }))
            let configuration = try NameServerConfiguration(
                "zones: [{name: cluster.local, text: 'dns-version 5 IN TXT \"far\"'}]")
            var zones = Zones()
            configuration.custom.apply(to: &zones, insteadOf: nil)
            server.serve(ServedNames(zones: zones))
            try server.start(in: namespace)
            return server
        }
    }
}
