import CNI
import Glibc
import HostNetwork
import NIOCore
import NIOPosix
import Netlink
import Plan
import Testing

/// Waits as `eventually` does, and leaves the thread to the server meanwhile.
func soon(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(30), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw Broken("waited \(limit) in vain: \(what())") }
        try await MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: .milliseconds(20)) {}.futureResult.get()
    }
}

extension KernelTests {
    @Suite("an agent that an API server feeds", .timeLimit(.minutes(5)))
    struct ServerFedTests {
        private static let road = "route 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84 src 192.0.2.1\n"
        private static let newRoad = "route 10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84 src 192.0.2.1\n"

        /// A node, and a server on the other end of its link that knows the nodes n1 and n2.
        private func run(_ body: (TestNode, TestServer, [String]) async throws -> Void) async throws {
            let node = try TestNode()
            node.directory.remove("objects.yaml")
            let server = try TestServer(in: node.neighbour, directory: node.directory.path)
            for number in [1, 2] { try await server.put(node: number) }
            try node.directory.write("first\n", to: "token")
            let source = ["--node", "n1", "--kubeconfig", try server.kubeconfig(token: "\(node.directory.path)/token")]
            do {
                try await body(node, server, source)
            } catch {
                Issue.record("\(error)\n\(node.log)")
            }
            node.stop(by: SIGKILL)
            try await server.close()
        }

        private func isTold(_ node: TestNode, _ text: String) -> Bool { node.status.problems.contains { $0.contains(text) } }

        @Test("follows nodes as they come, change and go, and ends in order when it is asked to")
        func follows() async throws {
            try await run { node, server, source in
                try await server.start(token: "first")
                try node.launch(source: source)
                try await soon("a road to n2\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                #expect(node.status.problems == [] && !node.directory.read("state/status").contains("waiting"))
                try await server.put(node: 3)
                try await soon("a road to n3\n\(node.log)") { try node.network().contains(Self.newRoad) }
                try await server.put(node: 3, range: 4)
                try await soon("the road to n3 changes\n\(node.log)") {
                    let text = try node.network()
                    return !text.contains(Self.newRoad) && text.contains("route 10.244.4.0/24 via 192.0.2.3")
                }
                try await server.remove(node: 3)
                try await soon("the road to n3 goes\n\(node.log)") { try !node.network().contains("192.0.2.3") }
                #expect(try node.network().contains(Self.road))
                #expect(node.stop() == 0)
            }
        }

        @Test("a server that goes and comes back is told of, pods are attached meanwhile, and nothing is written because of it")
        func reconnects() async throws {
            try await run { node, server, source in
                try await server.start(token: "first")
                try node.launch(source: source)
                try await soon("a road to n2\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                let (changes, generation, whole) = try (node.status.changes, node.generation(), node.whole())
                try await server.stop()
                try await soon("it is told\n\(node.log)") { isTold(node, "source-unreadable: /api/v1/nodes: ") }
                #expect(try node.whole() == whole)
                try await server.start(token: "first")
                try await soon("it is over\n\(node.log)") { node.status.problems == [] }
                #expect(try node.status.changes == changes && node.generation() == generation && node.whole() == whole)

                try await server.stop()
                let pod = try NetworkNamespace.new()
                defer { withExtendedLifetime(pod) {} }
                try node.add("c1", pod)
                let peopled = try node.whole()
                // What happened while nobody listened, and is in no memory of the server: 410, and a new list.
                try await server.put(node: 3)
                try await server.start(token: "first")
                try await soon("a road to n3\n\(node.log)") { try node.network().contains(Self.newRoad) }
                try await soon("it is over\n\(node.log)") { node.status.problems == [] }
                #expect(node.log.matches(of: #/action=list/#).count > 3, "it listed again")
                try await server.remove(node: 3)
                try await soon("as before\n\(node.log)") { try node.whole() == peopled }
            }
        }

        @Test("a token that is no longer good is read again; until a good one is there the server's answer is told")
        func token() async throws {
            try await run { node, server, source in
                try await server.start(token: "first")
                try node.launch(source: source)
                // The endpoint opens after the round is written down.
                try await soon("a road to n2\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                let changes = node.status.changes
                try await server.stop()
                try await server.put(node: 3)
                try await server.start(token: "second")
                try await soon("401 is told\n\(node.log)") { isTold(node, "status 401") }
                #expect(node.status.changes == changes)
                try node.directory.write("second\n", to: "token")
                try await soon("a road to n3\n\(node.log)") { try node.network().contains(Self.newRoad) }
                try await soon("it is over\n\(node.log)") { node.status.problems == [] }
            }
        }

        @Test("in a pod it finds the server by its service account, and its node by NODE_NAME")
        func inCluster() async throws {
            try await run { node, server, _ in
                try await server.start(token: "first")
                try node.directory.write(server.authorityPEM, to: "ca.crt")
                let account = "/run/secrets/kubernetes.io/serviceaccount"
                let script = "mount -t tmpfs none /run && mkdir -p \(account) && mount --bind '\(node.directory.path)' \(account)"
                let around = [
                    "env", "NODE_NAME=n1", "KUBERNETES_SERVICE_HOST=192.0.2.2", "KUBERNETES_SERVICE_PORT=6443", "unshare",
                    "--mount", "sh", "-ec", "\(script) && exec \"$@\"", "sh",
                ]
                try node.launch(around: around, source: [])
                try await soon("a road to n2\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                #expect(node.status.problems == [])
                #expect(node.stop() == 0)
            }
        }

        @Test("started while the server is away it says what it waits for and touches nothing; then it goes on")
        func waits() async throws {
            try await run { node, server, source in
                let before = try node.whole()
                try node.launch(source: source)
                try await soon("it is told\n\(node.log)") { isTold(node, "source-unreadable") }
                let status = node.directory.read("state/status")
                #expect(status.contains("waiting for the objects of https://192.0.2.2:6443, by --kubeconfig "), "\(status)")
                let pod = try NetworkNamespace.new()
                #expect(try node.call("ADD", "c1", pod.path).failure?.code == .tryAgainLater)
                #expect(try node.whole() == before && node.status.rounds == 0 && node.status.changes == 0)
                try await server.start(token: "first")
                try await soon("a road to n2\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                try await soon("nothing is wrong\n\(node.log)") { node.status.problems == [] }
                #expect(!node.directory.read("state/status").contains("waiting"))
            }
        }

        @Test("started again while the server is away it attaches pods out of the ranges it knew, and writes nothing else")
        func remembers() async throws {
            try await run { node, server, source in
                try await server.start(token: "first")
                try node.launch(source: source)
                try await soon("ready\n\(node.log)") { try node.network().contains(Self.road) && node.isReady }
                let earlier = try NetworkNamespace.new()
                defer { withExtendedLifetime(earlier) {} }
                let first = try node.add("c1", earlier).addresses
                let whole = try node.whole()
                try await server.stop()
                #expect(node.stop() == 0)

                try node.launch(source: source)
                try await soon("ready\n\(node.log)") { node.isReady }
                #expect(try node.whole() == whole && node.status.rounds == 0)
                let pod = try NetworkNamespace.new()
                #expect(try node.add("c2", pod).addresses == ["10.244.1.2", "fd00:10:244:1::2"])
                #expect(first == ["10.244.1.1", "fd00:10:244:1::1"])
                #expect(try node.call("DEL", "c2", pod.path) == .quiet)
                #expect(try node.whole() == whole && node.status.changes == 0)
                try await server.start(token: "first")
                try await soon("a round\n\(node.log)") { node.status.rounds > 0 && node.status.problems == [] }
                #expect(try node.whole() == whole && node.status.changes == 0)
            }
        }
    }

    @Suite("an agent that does parts alone")
    struct PartsTests {
        @Test("with pods alone there are no roads; with the overlay alone no endpoint, and pods stay as they are")
        func parts() throws {
            let node = try TestNode()
            let objects = ["--node", "n1", "--objects", "\(node.directory.path)/objects.yaml"]
            try node.launch(source: objects + ["--parts", "pods"])
            try eventually("ready\n\(node.log)") { node.status.rounds > 0 && node.isReady }
            let (pod, other) = try (NetworkNamespace.new(), NetworkNamespace.new())
            defer { withExtendedLifetime(pod) {} }
            try node.add("c1", pod)
            try eventually("the pod's route\n\(node.log)") { try node.network().contains("route 10.244.1.1/32 dev") }
            let (home, tables) = try (node.network(), node.tables())
            #expect(!home.contains(" via ") && home.contains("route unreachable 10.244.1.0/24"))
            #expect(node.stop() == 0)

            node.directory.remove("state/cni.sock")
            try node.launch(source: objects + ["--parts", "overlay"])
            let road = "route 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84 src 192.0.2.1\n"
            let newRoad = "route fd00:10:244:2::/64 via 2001:db8::2 dev eth0 proto 84 src 2001:db8::1\n"
            try eventually("roads\n\(node.log)") {
                try node.status.rounds > 0 && node.network().contains(road) && node.network().contains(newRoad)
            }
            #expect(try node.network().replacing(road, with: "").replacing(newRoad, with: "") == home)
            #expect(try node.tables() == tables)
            #expect(!node.directory.names(in: "state").contains("cni.sock"))
            #expect(try node.call("ADD", "c2", other.path).failure?.code == .tryAgainLater)
            #expect(node.stop() == 0)

            // And the roads go with the duty.
            try node.launch(source: objects + ["--parts", "pods"])
            try eventually("as before\n\(node.log)") { try node.status.rounds > 0 && node.network() == home }
        }

        @Test(
            "what it cannot do is refused in one sentence, with 64",
            arguments: [
                (["--parts", "pods,", "--objects", "x"], "--parts: “” is no part"),
                (["--parts", "roads", "--objects", "x"], "--parts: “roads” is no part; there are: pods, overlay, services"),
                ([], "give --kubeconfig FILE for an API server or --objects PATH for files, or start it in a pod"),
                (["--objects", "x", "--kubeconfig", "y"], "give one of them"),
                (["--objects", "x", "--context", "y"], "--context names a context of --kubeconfig"),
            ])
        func refused(_ words: [String], _ text: String) throws {
            let directory = try TemporaryDirectory()
            let program = try Program(
                [try Program.product("tulle"), "agent", "--state", "\(directory.path)/state"] + words,
                log: "\(directory.path)/log")
            #expect(try program.finish().status == 64)
            #expect(directory.read("log").contains(text), "\(directory.read("log"))")
        }

        @Test("a way to a server that leads nowhere is said with its reason, with 1")
        func noWay() throws {
            let directory = try TemporaryDirectory()
            try directory.write("kind: Config\napiVersion: v1\ncurrent-context: none\n", to: "empty")
            for (file, text) in [("absent", "no such file"), ("empty", "there is no such context")] {
                let program = try Program(
                    [try Program.product("tulle"), "agent", "--kubeconfig", "\(directory.path)/\(file)"],
                    log: "\(directory.path)/log")
                #expect(try program.finish().status == 1)
                #expect(directory.read("log").contains(text), "\(directory.read("log"))")
            }
        }
    }
}
