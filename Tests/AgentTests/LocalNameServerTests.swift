import Addressing
import CLinux
import Cluster
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NIOCore
import NIOPosix
import NameServer
import Netlink
import Plan
import Synchronization
import Telemetry
import Testing

@testable import Agent

extension KernelTests {
    @Suite("a node's own name server, by itself", .timeLimit(.minutes(5)))
    struct LocalNameServerTests {
        private let namespace: NetworkNamespace
        private let directory: TemporaryDirectory
        private let lines = Lines()

        init() throws {
            namespace = try .new()
            directory = try TemporaryDirectory()
            try namespace.perform { () throws(KernelError) in
                if clinux_loopback_up() < 0 { throw KernelError(Errno(rawValue: errno), "set lo up") }
            }
            try directory.write("nameserver 192.0.2.53\nsearch node.example\n", to: "node.conf")
        }

        private var usual: LocalNameSettings {
            var settings = LocalNameSettings()
            settings.resolverFile = "\(directory.path)/node.conf"
            return settings
        }

        private func server(
            _ settings: LocalNameSettings, hasPods: Bool = false, now: @escaping @Sendable () -> Duration = { .zero }
        ) -> LocalNameServer {
            let lines = lines
            return LocalNameServer(
                settings, node: "n1", namespace: namespace, knowsAllPods: hasPods, canAskForPods: hasPods,
                surroundings: Surroundings(now: now, random: { .random(in: 0..<1) }),
                logger: Logger(label: "test", factory: { _ in Handler(lines: lines) }))
        }

        private func map(_ texts: [String: String]) -> ConfigMap {
            ConfigMap(metadata: ObjectMeta(name: "kube-dns", namespace: "kube-system"), texts: texts)
        }

        private func document(_ text: String) -> ConfigMap { map([NameDocument.key: text]) }

        private func ask(_ name: String) throws -> String {
            NameProgram.text(try #require(NameCaller(namespace, ip("127.0.0.1")).ask(name), "nobody answers\n\(lines.all)"))
        }

        private func figure(_ name: String, of server: LocalNameServer) -> String? {
            var page = Exposition()
            server.addFigures(to: &page)
            return page.text.split(separator: "\n").first { $0.hasPrefix(name) }.map(String.init)
        }

        @Test(
            "files that the document names are followed, be it a ConfigMap or a file; a broken one changes nothing, and is told")
        func files() throws {
            let text = """
                forward: {upstreams: []}
                hosts: {file: \(directory.path)/hosts}
                zones: [{name: lab.example, file: \(directory.path)/zone}]

                """
            for isFile in [false, true] {
                try directory.write("192.0.2.1 printer.example\n", to: "hosts")
                try directory.write("door A 192.0.2.1\n", to: "zone")
                try directory.write(text, to: "names.yaml")
                var settings = usual
                if isFile {
                    settings.configurationFile = "\(directory.path)/names.yaml"
                    settings.configuration = try NameServerConfiguration(text)
                }
                let server = server(settings)
                server.take([.listed(isFile ? [] : [document(text)])])
                try server.serve(at: [ip("127.0.0.1")])
                #expect(server.look() == isFile, "a file is read now")
                #expect(try ask("printer.example") == "NOERROR 192.0.2.1" && ask("door.lab.example") == "NOERROR 192.0.2.1")
                let version = figure("coredns_reload_version_info", of: server)
                #expect(version?.hasSuffix(" 1") == true && version?.contains(#"value="0""#) == false)
                try directory.write("192.0.2.2 printer.example\n", to: "hosts")
                #expect(server.look() && !server.look())
                #expect(try ask("printer.example") == "NOERROR 192.0.2.2")
                let second = figure("coredns_reload_version_info", of: server)
                #expect(second != version && figure("coredns_reload_failed_total", of: server)?.hasSuffix(" 0") == true)
                try directory.write("door A 192.0.2\n", to: "zone")
                #expect(server.look())
                #expect(server.problems.contains { "\($0)".contains("zone:1:8: ") && "\($0)".contains("stays in force") })
                // Whoever may write the ConfigMap read any file of the agent's by its mistakes.
                #expect(server.problems.contains { "\($0)".contains("192.0.2 is not") } == isFile, "\(server.problems)")
                #expect(try ask("door.lab.example") == "NOERROR 192.0.2.1")
                #expect(figure("coredns_reload_failed_total", of: server)?.hasSuffix(" 1") == true)
                #expect(figure("coredns_reload_version_info", of: server) == second)
                try directory.write("door A 192.0.2.3\n", to: "zone")
                #expect(server.look())
                #expect(try ask("door.lab.example") == "NOERROR 192.0.2.3" && server.problems == [])
                server.stop()
            }
        }

        @Test("how long a change takes is told from when it was read, and only while somebody is served by it")
        func age() throws {
            let server = server(usual)
            func service(_ name: String, _ last: UInt8) -> any KubernetesObject {
                var spec = Service.Spec()
                spec.clusterIPs = [.v4(IPv4Address(10, 96, 0, last))]
                return Service(metadata: ObjectMeta(name: name, namespace: "shop"), spec: spec)
            }
            func figures() -> [String?] {
                ["sum", "count"].map {
                    figure("tulle_dns_programming_duration_seconds_\($0)", of: server).map { "\($0.split(separator: " ")[1])" }
                }
            }
            server.take([.listed([document("{}"), service("web", 1)])])
            server.take([.added(service("till", 2))], age: { .seconds(9) })
            try server.serve(at: [ip("127.0.0.1")])
            #expect(figures() == [nil, nil])
            let unread = Node(metadata: ObjectMeta(name: "n2"))
            server.take(
                [.added(service("cart", 3)), .modified(service("web", 1)), .modified(service("till", 4)), .added(unread)],
                age: { .seconds(3) })
            #expect(figures() == ["6", "2"])
            server.stop()
        }

        @Test("a file that is missing at first is looked for also while nobody is served", .timeLimit(.minutes(1)))
        func missing() async throws {
            let server = server(usual)
            let (changes, changed) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await server.run { changed.yield() } }
                server.take([.listed([document("hosts: {file: \(directory.path)/hosts}")])])
                #expect(!server.isConfigured && server.problems.contains { "\($0)".contains("No such file") })
                try directory.write("192.0.2.1 printer.example\n", to: "hosts")
                for await _ in changes { break }
                #expect(server.isConfigured && server.problems == [])
                group.cancelAll()
            }
        }

        @Test("whoever is asked, a pod's copy of the node's search list is from the node's own file")
        func searches() throws {
            try directory.write("nameserver 192.0.2.54\nsearch other.example\n", to: "other.conf")
            let server = server(usual)
            var pod = Pod(metadata: ObjectMeta(name: "web", namespace: "shop"))
            pod.spec.nodeName = "n1"
            pod.status.podIPs = [try ip("10.244.1.7")]
            for forward in [
                "{resolverFile: \(directory.path)/other.conf}", "{upstreams: []}", "{resolverFile: /etc/resolv.conf}",
            ] {
                server.take([.listed([document("forward: \(forward)"), pod])])
                try server.serve(at: [ip("127.0.0.1")])
                _ = server.look()
                let list = try #require(server.searchList(of: pod.key)).searches.map { "\($0)" }
                #expect(list.last == "node.example.", "\(forward): \(list)")
            }
            // It is followed.
            try directory.write("nameserver 192.0.2.53\nsearch moved.example\n", to: "node.conf")
            _ = server.look()
            #expect(server.searchList(of: pod.key)?.searches.last == DomainName("moved.example"))
            server.stop()
        }

        @Test("a server that ends, however long that takes, holds up nobody who says something of pods")
        func slowEnd() throws {
            let gate = Gate()
            let server = server(usual, now: { gate.time() })
            server.take([.listed([document("forward: {upstreams: []}")])])
            try server.serve(at: [ip("127.0.0.1")])
            gate.close()
            let caller = try NameCaller(namespace, ip("127.0.0.1"))
            #expect(caller.send("web.example", id: 1))
            try eventually("a thread that serves stands still") { gate.isHolding }
            let (ended, admitted) = (Flag(), Flag())
            try withThread({
                try? server.serve(at: [])
                ended.raise()
            }) {
                try withThread({
                    let question = Question(.root, .ns)
                    while server.answer(question, from: .v4(.loopback), { _, _ in }) { poll(nil, 0, 5) }
                    let key = ObjectKey(Pod.resource.kind, namespace: "shop", name: "web")
                    server.admit(PolicyTenant(id: id("web"), pod: key, uid: "", addresses: []))
                    admitted.raise()
                }) {
                    defer { gate.open() }
                    try eventually("the pod is admitted", within: .seconds(10)) { admitted.isUp }
                    #expect(!ended.isUp)
                }
            }
            #expect(ended.isUp && caller.receive() != nil, "and what was asked is answered")
        }

        @Test("whoever waits for a name outside gets it, though the document goes meanwhile")
        func lateAnswer() throws {
            let upstream = try namespace.perform { () throws(KernelError) in
                Descriptor(owning: socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0))
            }
            var place = sockaddr_in()
            (place.sin_family, place.sin_port) = (sa_family_t(AF_INET), UInt16(5353).bigEndian)
            place.sin_addr.s_addr = in_addr_t(0x7F00_0009).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafePointer(to: &place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(upstream.rawValue, $0, size) }
            }
            try #require(isBound == 0)
            var limit = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(upstream.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))

            let server = server(usual)
            defer { server.stop() }
            server.take([.listed([document("forward: {upstreams: '127.0.0.9:5353'}")])])
            try server.serve(at: [ip("127.0.0.1")])
            let caller = try NameCaller(namespace, ip("127.0.0.1"))
            #expect(caller.send("www.example.org", id: 7))
            var (heard, bytes) = (DNS.Message?.none, [UInt8](repeating: 0, count: 2048))
            // It is asked for a name that nobody has, too.
            while heard?.questions.first?.name != DomainName("www.example.org") {
                let count = withUnsafeMutablePointer(to: &place) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        recvfrom(upstream.rawValue, &bytes, bytes.count, 0, $0, &size)
                    }
                }
                try #require(count > 0, "the upstream is not asked\n\(lines.all)")
                heard = try DNS.Message(Array(bytes[..<count]))
            }
            try server.serve(at: [])
            var answer = try #require(heard)
            answer.header.isResponse = true
            let name = try #require(answer.questions.first?.name)
            let data = RecordData.address(try ip("192.0.2.80"))
            answer.answers = [Record(name, data, ttl: 30)]
            let sent = answer.bytes()
            _ = withUnsafePointer(to: &place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(upstream.rawValue, sent, sent.count, 0, $0, size) }
            }
            let told = try #require(caller.receive(), "nobody answers\n\(lines.all)")
            #expect(told.header.id == 7 && told.answers.map(\.data) == [data], "\(told)")
        }

        @Test("what was asked last is in the log, also when nobody writes it any more")
        func lastLines() throws {
            let server = server(usual)
            server.take([.listed([document("forward: {upstreams: []}\nlog: all")])])
            try server.serve(at: [ip("127.0.0.1")])
            // The agent asks so every two seconds, and filled the log with it.
            _ = try NameCaller(namespace, ip("127.0.0.1")).ask("dns-version.cluster.local", .txt)
            _ = try ask("printer.example")
            server.stop()
            #expect(lines.all.contains { $0.contains("udp printer.example. IN A REFUSED") }, "\(lines.all)")
            #expect(!lines.all.contains { $0.contains("dns-version") }, "\(lines.all)")
        }

        @Test("pods get names when the document says so, and lose them, without a new start")
        func verified() throws {
            func pod(_ name: String, _ address: String) throws -> Pod {
                var pod = Pod(metadata: ObjectMeta(name: name, namespace: "shop"))
                pod.status.podIPs = [try ip(address)]
                return pod
            }
            let server = server(usual, hasPods: true)
            let space = Namespace(metadata: ObjectMeta(name: "shop"))
            let plain = document("forward: {upstreams: []}")
            server.take([.listed([plain, space, try pod("web", "10.244.1.7")])])
            try server.serve(at: [ip("127.0.0.1")])
            func web() throws -> String { try ask("10-244-1-7.shop.pod.cluster.local") }
            for _ in 1...2 {
                #expect(try web().hasPrefix("NXDOMAIN") && !server.needsPods && server.isConfigured)
                server.take([.modified(document("{forward: {upstreams: []}, pods: verified}"))])
                #expect(server.needsPods && server.problems == [])
                #expect(try web().hasPrefix("NXDOMAIN"), "names are given as before")
                server.know([try pod("web", "10.244.1.7")])
                #expect(!server.needsPods && server.isConfigured)
                #expect(try web() == "NOERROR 10.244.1.7")
                server.take([.added(try pod("till", "10.244.1.8"))])
                #expect(try ask("10-244-1-8.shop.pod.cluster.local") == "NOERROR 10.244.1.8")
                server.take([.modified(plain)])
            }
            // As it is found at the start.
            server.take([.listed([document("pods: verified"), space, try pod("web", "10.244.1.7")])])
            #expect(try web() == "NOERROR 10.244.1.7" && !server.needsPods)
            server.stop()
        }

        @Test("a server that begins, however long that takes, holds up nobody who says something of pods")
        func slowBeginning() throws {
            let (opened, begun, admitted) = (Flag(), Flag(), Flag())
            let server = server(usual)
            server.take([.listed([document("forward: {upstreams: []}")])])
            // It waits for a loop to take its listening socket.
            for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
                loop.execute { while !opened.isUp { poll(nil, 0, 5) } }
            }
            try withThread({
                try? server.serve(at: [.v4(.loopback)])
                begun.raise()
            }) {
                defer { opened.raise() }
                try eventually("its sockets are bound") {
                    let caller = try NameCaller(namespace, .v4(.loopback))
                    // Where nobody is, the second one hears of it.
                    return caller.send("web.example", id: 1) && caller.send("web.example", id: 2)
                }
                try withThread({
                    let key = ObjectKey(Pod.resource.kind, namespace: "shop", name: "web")
                    server.admit(PolicyTenant(id: id("web"), pod: key, uid: "", addresses: []))
                    admitted.raise()
                }) {
                    defer { opened.raise() }
                    try eventually("the pod is admitted", within: .seconds(10)) { admitted.isUp }
                    #expect(!begun.isUp)
                }
            }
            #expect(begun.isUp)
            server.stop()
        }

        @Test("a service that cannot be named is told where its names are answered, and no more once it can")
        func unusable() throws {
            let server = server(usual)
            func service(_ name: String) throws -> any KubernetesObject {
                let text = """
                    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "old", "namespace": "shop"},
                     "spec": {"type": "ExternalName", "externalName": "\(name)"}}
                    """
                return try #require(Registry.standard.read(try JSONReader().value(text)).object)
            }
            #expect(try server.take([.listed([service("192.0.2.7")])]))
            #expect(server.problems == [], "the cluster's servers tell it")
            server.take([.added(document("{}"))])
            #expect(server.problems.map(\.id) == [.nameUnusable] && server.problems[0].subject?.name == "old")
            #expect(try !server.take([.modified(service("192.0.2.7"))]))
            #expect(try server.take([.modified(service("old.example.org"))]) && server.problems == [])
        }

        @Test("a ConfigMap without the document's key is told with the keys that it has, but for another maker's")
        func keys() throws {
            let server = server(usual)
            func told(_ texts: [String: String]) -> [String] {
                server.take([.modified(map(texts))])
                return server.problems.map { "\($0)" }
            }
            let problems = told(["names.yml": "{}", "hosts": ""])
            #expect(
                problems.count == 1 && problems[0].contains("ConfigMap kube-system/kube-dns")
                    && problems[0].contains("no key names.yaml") && problems[0].contains("its keys are hosts, names.yml")
                    && problems[0].contains("the cluster's servers are asked"), "\(problems)")
            #expect(told([:]) == [])
            #expect(told(["stubDomains": "{}", "upstreamNameservers": "[]"]) == [])
            #expect(told(["names.yaml": "{}", "names.yml": "{}"]) == [])
            #expect(told(["names.yml": "{}"]).count == 1)
            server.take([.deleted(map([:]).key, uid: "")])
            #expect(server.problems == [])
        }
    }
}

/// Runs something on a thread of its own beside the body, and waits for its end.
private func withThread(_ work: @escaping @Sendable () -> Void, _ body: () throws -> Void) throws {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    pool.submit { _ in work() }
    defer { try? pool.syncShutdownGracefully() }
    try body()
}

private final class Flag: Sendable {
    private let state = Atomic(false)
    var isUp: Bool { state.load(ordering: .acquiring) }
    func raise() { state.store(true, ordering: .releasing) }
}

/// A clock at which threads that serve names stand still while it is closed.
private final class Gate: Sendable {
    private let state = Mutex((isClosed: false, isHolding: false))

    func close() { state.withLock { $0.isClosed = true } }
    func open() { state.withLock { $0.isClosed = false } }
    var isHolding: Bool { state.withLock { $0.isHolding } }

    func time() -> Duration {
        guard FollowedFile.read("/proc/thread-self/comm") == .text("names\n") else { return .zero }
        while state.withLock({ state in
            state.isHolding = state.isClosed
            return state.isClosed
        }) { poll(nil, 0, 5) }
        return .zero
    }
}

/// What was logged.
private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    var metadataProvider: Logger.MetadataProvider?

    func log(event: LogEvent) { lines.add("\(event.message)") }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}
