import Addressing
import DNS
import Glibc
import KubeAPI
import Netlink
import Testing

@testable import Agent

extension KernelTests {
    @Suite("asking for a name by the command", .timeLimit(.minutes(5)))
    struct DNSQueryTests {
        private let names: NameProgram

        private static let resolver = """
            nameserver 127.0.0.1
            search shop.svc.cluster.local svc.cluster.local cluster.local
            options ndots:5

            """

        init() throws {
            names = try NameProgram()
            try names.start("--listen", "127.0.0.1")
            try names.directory.write(Self.resolver, to: "resolv.conf")
        }

        /// What it says on both outputs.
        private func query(_ words: [String]) throws -> (status: Int32, output: String, error: String) {
            names.directory.remove("error")
            let resolver = words.contains("--resolver") ? [] : ["--resolver", "\(names.directory.path)/resolv.conf"]
            let outcome = try Program(
                try names.command([try Program.product("tulle"), "dns", "query"] + words + resolver),
                log: "\(names.directory.path)/error"
            ).finish()
            return (outcome.status, outcome.output, names.directory.read("error"))
        }

        private func lines(_ words: String...) throws -> [String] {
            let outcome = try query(words)
            #expect(outcome.status == 0, "\(outcome)")
            return Self.plain(outcome.output)
        }

        /// Without times.
        private static func plain(_ text: String) -> [String] {
            text.split(separator: "\n").map { String($0).replacing(#/\d+ µs/#, with: "µs") }
        }

        private static let whole = [
            "1/1  web.shop.svc.cluster.local.  NOERROR  (127.0.0.1, µs)", "web.shop.svc.cluster.local. 5 IN A 10.96.0.80",
            "web.shop.svc.cluster.local. is from service shop/web",
        ]

        @Test("a whole name is asked for as it is, and told with the object that gives it")
        func plain() throws {
            #expect(try lines("web.shop.svc.cluster.local.") == Self.whole)
            #expect(try lines("web.shop.svc.cluster.local.", "a") == Self.whole)
            #expect(try lines("web.shop.svc.cluster.local.", "--server", "127.0.0.1") == Self.whole)
        }

        @Test("a short name goes through the search list, round by round")
        func rounds() throws {
            #expect(
                try lines("web.shop") == [
                    "1/4  web.shop.shop.svc.cluster.local.  NXDOMAIN  (127.0.0.1, µs)",
                    "2/4  web.shop.svc.cluster.local.  NOERROR  (127.0.0.1, µs)",
                ] + Self.whole.dropFirst())
        }

        @Test("an address is asked for the name that it has", arguments: [[], ["ptr"], ["--type", "PTR"]])
        func reversed(_ words: [String]) throws {
            let outcome = try query(["10.96.0.80"] + words)
            #expect(
                outcome.status == 0 && outcome.output.hasPrefix("1/1  80.0.96.10.in-addr.arpa.  NOERROR")
                    && outcome.output.contains("IN PTR web.shop.svc.cluster.local."), "\(outcome)")
        }

        // The last name of the search list was all that was told of.
        @Test("a service that is not there is missed in the cluster, also where its name was asked for outside")
        func missed() throws {
            let outcome = try query(["none"])
            #expect(
                outcome.status == 1
                    && outcome.output.contains(
                        "127.0.0.1 does not answer for none.; name a server that does with --server. In the cluster there is no none; "
                            + "see kubectl get services,endpointslices --namespace shop, for the service none."),
                "\(outcome)")
            try names.directory.write("nameserver 127.0.0.1\n", to: "bare.conf")
            let bare = try query(["web", "--resolver", "\(names.directory.path)/bare.conf"])
            #expect(
                bare.status == 1 && bare.output.contains("There is no search list here that makes more of web; --as"), "\(bare)")
        }

        @Test(
            "what is no name is told with why",
            arguments: [
                ("a..b", ": there is nothing before a dot, or between two"),
                (".a", ": there is nothing before a dot, or between two"),
                ("münchen.example", ": what is not ASCII is written in its form with xn--"),
                (String(repeating: "a", count: 64) + ".example", ": there are at most 63 characters between two dots"),
                (Array(repeating: "abcdefg", count: 33).joined(separator: "."), ": it has more than 253 characters"), ("", ""),
            ])
        func noName(_ text: String, _ why: String) throws {
            let outcome = try query([text])
            #expect(outcome.status == 64 && outcome.error.hasPrefix("Error: “\(text)” is no domain name\(why)\n"), "\(outcome)")
        }

        @Test("another type, as a word or as an option, and not two of them")
        func types() throws {
            let wanted = "_http._tcp.web.shop.svc.cluster.local. 5 IN SRV 0 100 80 web.shop.svc.cluster.local."
            for words in [["SRV"], ["--type", "srv"], ["SRV", "--type", "SRV"]] {
                let outcome = try query(["_http._tcp.web.shop.svc.cluster.local."] + words)
                #expect(outcome.status == 0 && outcome.output.contains(wanted), "\(outcome)")
            }
            for (words, sentence) in [
                (["SRV", "--type", "A"], "SRV and --type A: two types; ask for one"),
                (["--type", "nonsense"], "“nonsense” is no type of records; one is AAAA"),
                (["--server", "nobody"], "--server nobody: an address, and perhaps a port, such as 10.96.0.10 or [::1]:5353"),
                (["--as", "a/b/c"], "--as a/b/c: write it as pod/NAMESPACE/NAME, NAMESPACE/NAME or NAME"),
            ] {
                let outcome = try query(["web"] + words)
                #expect(outcome.status == 64 && outcome.error.contains(sentence), "\(outcome)")
            }
        }

        @Test("over TCP only, when that is wanted")
        func tcp() throws {
            func asked() throws -> [Substring] {
                try #require(try names.page("/metrics")).body.split(separator: "\n").filter {
                    $0.hasPrefix("coredns_dns_requests_total") && $0.contains("proto=\"tcp\"")
                }
            }
            #expect(try asked().isEmpty)
            #expect(try lines("web.shop.svc.cluster.local.", "--tcp") == Self.whole)
            #expect(try asked().count == 1)
        }

        @Test(
            "a name that is not there, or has nothing of the type, is one clear sentence with where to look",
            arguments: [
                (
                    ["none.shop.svc.cluster.local."],
                    "There is no none.shop.svc.cluster.local.; see kubectl get services,endpointslices --namespace shop, for the service none."
                ),
                (
                    ["none.shop.svc.cluster.local"],
                    "There is no none.shop.svc.cluster.local: none of the 4 names that the search list makes of it exists; see kubectl get services,endpointslices --namespace shop, for the service none."
                ),
                (
                    ["web.shop.svc.cluster.local.", "AAAA"],
                    "web.shop.svc.cluster.local. exists and has nothing of the type AAAA; ask for another type with --type."
                ),
                (
                    ["www.example.org."],
                    "127.0.0.1 does not answer for www.example.org.; name a server that does with --server."
                ),
            ])
        func absent(_ words: [String], _ sentence: String) throws {
            let outcome = try query(words)
            #expect(outcome.status == 1 && outcome.output.contains(sentence), "\(outcome)")
        }

        @Test("a server that is not there is one sentence, with what to do")
        func nobody() throws {
            for words in [["--server", "127.0.0.1:5399"], ["--server", "127.0.0.1:5399", "--tcp"]] {
                let outcome = try query(["web.shop.svc.cluster.local."] + words)
                #expect(outcome.status == 2 && outcome.output.isEmpty)
                #expect(
                    outcome.error == """
                        tulle dns query: nobody answers at 127.0.0.1:5399; look whether a name server runs there, or name another with \
                        --server

                        """)
            }
            let absent = try query(["web", "--resolver", "/no/file"])
            #expect(
                absent.status == 64 && absent.error.contains("--resolver: read /no/file: No such file or directory"), "\(absent)")
            let outcome = try query(["web", "--resolver", "/dev/null"])
            #expect(outcome.status == 64 && outcome.error.contains("/dev/null names no server; name one with --server"))
        }

        @Test("as an object, for programs")
        func json() throws {
            let outcome = try query(["web.shop", "--output", "json"])
            let tree = try JSONReader().value(outcome.output)
            #expect(tree["found"] == true && tree["code"] == "NOERROR" && tree["server"] == "127.0.0.1" && tree["type"] == "A")
            #expect(tree["answers"] == ["web.shop.svc.cluster.local. 5 IN A 10.96.0.80"])
            #expect(tree["from"] == [["name": "web.shop.svc.cluster.local.", "objects": ["service shop/web"]]])
            #expect((tree["rounds"]?.array ?? []).map { $0["code"] } == ["NXDOMAIN", "NOERROR"])
            let absent = try query(["none.shop.svc.cluster.local.", "--output", "json"])
            let other = try JSONReader().value(absent.output)
            #expect(absent.status == 1 && other["found"] == false && other["answers"] == [])
            #expect(other["message"]?.string?.hasPrefix("There is no none.shop") == true)
        }

        @Test("of a name outside it is told who is asked, and what was remembered before")
        func memory() throws {
            let upstream = try NameProgram()
            try upstream.directory.write(
                "forward: {upstreams: []}\nhosts: {ttl: 1h, entries: {www.example.org: 192.0.2.80}}\nzones: [{name: example.net, text: 'a A 192.0.2.1'}]\n",
                to: "names.yaml")
            let program = try Program(
                try names.command([
                    try Program.product("tulle"), "dns", "serve", "--objects", "\(upstream.directory.path)/objects.yaml",
                    "--config", "\(upstream.directory.path)/names.yaml", "--listen", "127.0.0.9", "--health-address", "off",
                    "--ready-address", "off", "--metrics-address", "off", "--farewell", "0",
                ]), log: "\(upstream.directory.path)/log")
            defer { program.end(by: SIGTERM) }
            try names.reload("forward: {upstreams: 127.0.0.9}\n")
            try names.untilIt("up.example.net", is: "NXDOMAIN")
            func told(_ name: String) throws -> [String] { Self.plain(try query([name]).output) }
            let first = try told("www.example.org.")
            #expect(first.contains("www.example.org. 3600 IN A 192.0.2.80"), "\(first)")
            #expect(first.contains { $0.hasPrefix("www.example.org. is in no zone of the cluster, and is asked of 127.0.0.9") })
            #expect(first.last == "nothing of it was remembered")
            let second = try told("www.example.org.")
            #expect(second.last?.contains(#/^remembered was an answer, for \d+ s more$/#) == true, "\(second)")
            // Stubs' upstreams were told of it too.
            try names.reload(
                "forward: {upstreams: 127.0.0.9}\nstubs: [{domain: example.net, upstreams: [127.0.0.8, 127.0.0.9]}]\n")
            try eventually("the stub is known") {
                try told("www.example.net.").last { $0.contains("is asked of") }?.contains("127.0.0.8") == true
            }
            let asked = try told("www.example.org.").last { $0.contains("is asked of") } ?? ""
            #expect(asked.contains("127.0.0.9") && !asked.contains("127.0.0.8"), "\(asked)")
            _ = try told("none.example.net.")
            let third = try told("none.example.net.")
            #expect(third.last?.contains(#/^remembered was that there is none, for \d+ s more$/#) == true, "\(third)")
        }

        @Test("a pod's search list is read from its object, however the pod is written")
        func pod() async throws {
            let outcome = try Program.run(try names.command(["ip", "address", "add", "192.0.2.2/32", "dev", "lo"]))
            try #require(outcome.status == 0)
            let server = try TestServer(in: names.namespace, directory: names.directory.path)
            for namespace in ["shop", "default"] {
                try await server.put(
                    "pods", "cart", in: namespace,
                    [
                        "apiVersion": "v1", "kind": "Pod", "metadata": [:],
                        "spec": ["containers": [["name": "main", "image": "none"]]],
                    ])
            }
            try names.directory.write("first\n", to: "token")
            try await server.start(token: "first")
            let kubeconfig = ["--kubeconfig", try server.kubeconfig(token: "\(names.directory.path)/token")]
            for pod in ["pod/shop/cart", "shop/cart"] {
                let outcome = try query(["web", "--as", pod] + kubeconfig)
                #expect(
                    outcome.status == 0 && outcome.output.hasPrefix("1/4  web.shop.svc.cluster.local.  NOERROR"), "\(outcome)")
            }
            for pod in ["cart", "pod/cart"] {
                let outcome = try query(["web", "--as", pod] + kubeconfig)
                #expect(outcome.output.hasPrefix("1/4  web.default.svc.cluster.local.  NXDOMAIN"), "\(outcome)")
            }
            let absent = try query(["web", "--as", "shop/till"] + kubeconfig)
            #expect(absent.status == 64)
            #expect(absent.error.contains("there is no pod till in the namespace shop; see kubectl get pods --namespace shop"))
            try await server.close()
        }

        @Test("shells complete it, and its help has examples")
        func shells() throws {
            for shell in ["bash", "zsh", "fish"] {
                let outcome = try Program.run([try Program.product("tulle"), "--generate-completion-script", shell])
                #expect(outcome.status == 0 && outcome.output.contains("resolver") && outcome.output.contains("AAAA"), "\(shell)")
            }
            let help = try Program.run([try Program.product("tulle"), "dns", "query", "--help"])
            #expect(help.output.contains("Examples:") && help.output.contains("--as <pod>"), "\(help.output)")
            // Files of objects tell nothing of an answer that a server gave: it says itself which objects it comes from.
            #expect(!help.output.contains("--objects"), "\(help.output)")
            let refused = try query(["web", "--objects=objects.yaml"])
            #expect(refused.status == 64 && refused.error.contains("Unknown option '--objects'"), "\(refused)")
        }
    }
}
