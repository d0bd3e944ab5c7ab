import Addressing
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("asking an agent for a name by the command", .timeLimit(.minutes(5)))
    struct AgentQueryTests {
        private let node: TestNode
        private let server = "10.96.0.10"

        init() throws { node = try TestNode() }

        private var socket: String { "\(node.directory.path)/\(LocalNameSettings.socket(in: "state"))" }

        private func write(_ document: String?, _ parts: [String] = []) throws {
            let names = [NameObjects.service(at: [server]), document.map { NameObjects.document($0) }]
            try node.directory.write(NameObjects.cluster(names + parts), to: "objects.yaml")
        }

        private func untilAnswered() throws {
            let asker = NameClient(server: server, namespace: node.namespace)
            try eventually("it answers\n\(node.log)") { asker.version != nil }
        }

        /// As on the node; both outputs.
        private func query(_ words: [String], at socket: String? = nil) throws -> (status: Int32, output: String, error: String) {
            node.directory.remove("error")
            let outcome = try Program(
                [try Program.product("tulle"), "dns", "query"] + words,
                environment: ["TULLE_AGENT_SOCKET": socket ?? self.socket], log: "\(node.directory.path)/error"
            ).finish()
            return (outcome.status, outcome.output, node.directory.read("error"))
        }

        private static func policy(_ pod: String, _ egress: String) -> String {
            """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: \(pod), namespace: default}
            spec: {podSelector: {matchLabels: {app: \(pod)}}, policyTypes: [Egress], egress: [\(egress)]}

            """
        }

        // “if they did” was said where policies let the pod ask, too.
        @Test("what policies keep from a pod is told by the transports by which it may not ask")
        func refused() throws {
            let policies = [
                Self.policy("none", ""), Self.policy("tcp", "{ports: [{protocol: TCP, port: 53}]}"),
                Self.policy("udp", "{ports: [{protocol: UDP, port: 53}]}"),
            ]
            try write("{}", ["none", "tcp", "udp", "free"].map(NameObjects.pod) + policies)
            try node.start()
            try untilAnswered()
            for (pod, said) in [
                ("none", "policies do not let the pod ask for names: it hears nothing. Without them it would hear:\n1/4  "),
                (
                    "tcp",
                    "policies do not let the pod ask for names by UDP, as resolvers do at first: so it hears nothing. By TCP "
                ),
                ("udp", "policies do not let the pod ask for names by TCP: it does not hear what is too large for UDP. By UDP "),
                ("free", "1/4  kube-dns.kube-system.default.svc.cluster.local.  NOERROR"),
            ] {
                let namespace = try NetworkNamespace.new()
                _ = try node.add(pod, namespace)
                let outcome = try query(["kube-dns.kube-system", "--as", "default/\(pod)"])
                #expect(outcome.status == 0 && outcome.output.hasPrefix(said), "\(pod): \(outcome)")
            }
        }

        @Test("a pod that the node does not have is told of with where to ask, and a resolver that is named is asked")
        func elsewhere() throws {
            try write("forward: {upstreams: []}")
            try node.start()
            try untilAnswered()
            let stranger = try query(["web", "--as", "pod/default/nobody"])
            #expect(stranger.status == 64 && stranger.output.isEmpty)
            #expect(
                stranger.error.contains(
                    "node n1 has no pod default/nobody; ask on the node that it is on "
                        + "(kubectl get pod --namespace default nobody --output wide), or ask one of the cluster's servers"),
                "\(stranger)")
            let nameless = try query(["web", "--as", "nobody"])
            #expect(nameless.status == 64 && nameless.error.contains("Write it as pod/NAMESPACE/nobody"), "\(nameless)")
            // Who is there is not passed over for the agent.
            try node.directory.write("nameserver 127.0.0.1:5399\n", to: "resolv.conf")
            let resolver = try query(["web.example.", "--resolver", "\(node.directory.path)/resolv.conf"])
            #expect(resolver.status != 0 && !resolver.output.contains("agent"), "\(resolver)")
            try write(nil)
            try eventually("it leaves names to others\n\(node.log)") {
                try query(["web.example."]).error.contains(
                    "node n1 leaves names to the cluster's servers; name one of them with --server")
            }
        }

        // It was told as an alias, and as no object's.
        @Test("a name that the pod's search list leads to, and that has nothing of the type, is told as itself")
        func nothingOfTheType() throws {
            try write("forward: {upstreams: []}", [NameObjects.pod("web")])
            try node.start()
            try untilAnswered()
            let web = try NetworkNamespace.new()
            _ = try node.add("web", web)
            let outcome = try query(["kube-dns.kube-system", "AAAA", "--as", "default/web"])
            let whole = "kube-dns.kube-system.svc.cluster.local."
            #expect(
                outcome.status == 1 && outcome.output.contains("\n\(whole) exists and has nothing of the type AAAA"), "\(outcome)"
            )
            #expect(outcome.output.contains("the pod's search list leads to \(whole) at once"), "\(outcome)")
            #expect(outcome.output.hasSuffix("\(whole) is from service kube-system/kube-dns\n"), "\(outcome)")
        }

        // “look at its log” was all that was said, of a name that nobody had asked for.
        @Test("an alias that leads outside is told with the name that could not be asked for, by whom, and what he said")
        func alias() throws {
            let service = """
                apiVersion: v1
                kind: Service
                metadata: {name: shop, namespace: default}
                spec: {type: ExternalName, externalName: www.example.org}

                """
            try write("forward: {upstreams: 127.0.0.9}", [NameObjects.pod("web"), service])
            try node.start()
            try untilAnswered()
            let web = try NetworkNamespace.new()
            _ = try node.add("web", web)
            for words in [["shop.default.svc.cluster.local."], ["shop", "--as", "default/web"]] {
                let outcome = try query(words)
                #expect(outcome.status == 1, "\(outcome)")
                #expect(
                    outcome.output.contains(
                        "shop.default.svc.cluster.local. is an alias of www.example.org., and what that is could not be found out: "
                    )
                        && outcome.output.contains("127.0.0.9") && outcome.output.contains("(extended error 2"), "\(outcome)")
                #expect(outcome.output.contains("is from service default/shop"), "\(outcome)")
            }
        }

        @Test("where there is no agent, and no pod's resolver, nobody is asked, and what to do is told")
        func nobody() throws {
            try node.directory.write("nameserver 127.0.0.9\nsearch example.org\n", to: "resolv.conf")
            func query(_ words: [String]) throws -> (status: Int32, error: String) {
                node.directory.remove("error")
                let command = [try Program.product("tulle"), "dns", "query", "web"] + words
                // A file of this machine's, seen otherwise by this command alone.
                let shell =
                    "mount --bind \(node.directory.path)/resolv.conf /etc/resolv.conf && exec \(command.joined(separator: " "))"
                let outcome = try Program(
                    ["/usr/bin/unshare", "-m", "sh", "-c", shell],
                    environment: ["TULLE_AGENT_SOCKET": "/no/agent", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"],
                    log: "\(node.directory.path)/error"
                ).finish()
                return (outcome.status, node.directory.read("error"))
            }
            let remedy =
                "the question would leave the cluster; ask on a node (in a lab: tulle lab node node-1 -- tulle dns query web), "
            for (words, why) in [
                ([], "there is no agent's socket /no/agent, and"), (["--tcp"], "--tcp asks over the network, and"),
                (["--agent", "off"], "no agent is to be asked, and"),
            ] {
                let outcome = try query(words)
                #expect(outcome.status == 64 && outcome.error.contains(why) && outcome.error.contains(remedy), "\(outcome)")
            }
            let silence = try query(["--agent", "/no/agent"])
            #expect(silence.status == 2 && silence.error.contains("/no/agent; look whether the agent runs"), "\(silence)")
            for (words, why) in [
                (["--agent", "/a", "--server", "127.0.0.9"], "both say who is asked"),
                (["--agent", "/a", "--tcp"], "give one of them"),
                (["--agent", "/a", "--as", "a/b", "--resolver", "/r"], "nothing of --resolver would"),
                (["--server", "127.0.0.9", "--as", "a/b", "--resolver", "/r"], "nothing of --resolver would"),
            ] {
                let outcome = try self.query(["web"] + words)
                #expect(outcome.status == 64 && outcome.error.contains(why), "\(outcome)")
            }
        }
    }
}
