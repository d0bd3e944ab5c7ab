import APIServer
import Addressing
import CNI
import FoundationEssentials
import Glibc
import Identity
import KubeAPI
import KubeClient
import Logging
import Synchronization
import Testing

@testable import Lab

/// A whole cluster of one node in this process: an API server over TLS, the controllers, and a kubelet on a node in namespaces of
/// its own with a plugin that gives addresses and no network.
final class ClusterBench: Sendable {
    let directory: String
    let client: APIClient
    let mirror = ClusterMirror()
    let writes = CountingTransport.Tally()
    private let transport: HTTPTransport
    private let authority: CertificateAuthority
    private let credential: Credential
    private let port: UInt16
    private let holder: Child
    private let host: NodeHost
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let serving = Mutex<(task: Task<Void, any Error>, store: Store)?>(nil)

    static let token = "0123456789abcdef"
    static let node = "n1"
    /// The server's and the controllers': one that gives no address of the other's would be asked again and again.
    static let services = ServiceRanges(clusterIPs: [IPPrefix("203.0.113.0/24")].compactMap(\.self))

    static let circumstances = Circumstances(
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Moment(.seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
        }, clock: ContinuousClock(), random: { .random(in: 0..<1) })

    init() async throws {
        var template = Array("/tmp/tulle-cluster-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        directory = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        var random = SystemRandomNumberGenerator()
        authority = try CertificateAuthority(name: "lab", at: Date.now, random: &random)
        credential = try authority.issue(.server("api", dnsNames: [], addresses: [.v4(.loopback)]), at: Date.now, random: &random)
        let socket = try Self.socket(0)
        port = socket.port
        transport = try ServerAccess(
            server: "https://127.0.0.1:\(port)", trust: .authorities(Array(authority.certificatePEM.utf8)),
            token: .fixed(Self.token)
        ).transport(clock: ContinuousClock())
        client = APIClient(
            transport: CountingTransport(inner: transport, writes: writes), clock: ContinuousClock(),
            random: { .random(in: 0..<1) }, logger: logger)
        let launcher = try KubeletBench.program("tulle-pod")
        holder = try Child(
            [launcher, "pause", "--new", "net,uts,pid", "--hostname", Self.node, "--ready-fd", "3"], reports: true)
        let process = try #require(Int32(await holder.reported().filter(\.isNumber)))
        let plugin = directory + "/plugin"
        try Files.write(
            """
            #!/bin/sh
            cd \(directory)
            cat > /dev/null
            case $CNI_COMMAND in
            STATUS) [ -e ready ] || { echo '{"cniVersion":"1.1.0","code":50,"msg":"the agent is away"}'; exit 1; };;
            ADD) exec 9> lock; flock 9; n=$(($(cat count 2>/dev/null || echo 0)+1)); echo $n > count
              echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.'$n'/32"}]}'; echo ADD $CNI_CONTAINERID >> calls;;
            DEL) echo DEL $CNI_CONTAINERID >> calls;;
            esac
            exit 0
            """.utf8, to: plugin, mode: 0o755)
        host = NodeHost(
            name: Self.node, holder: process, addresses: [.v4(.loopback)], directory: directory + "/node",
            launcher: launcher, plugin: plugin, network: ["cniVersion": "1.1.0", "name": "tulle", "type": "plugin"])
        try startServer(socket.descriptor)
    }

    var plugin: String { directory + "/calls" }

    /// The plugin says that it is ready, or that it is not.
    func setReady(_ isReady: Bool) throws {
        if isReady { try Files.write([], to: directory + "/ready") } else { unlink(directory + "/ready") }
    }

    /// Everything that runs while the test does its part; then nothing of it is left.
    static func run(
        isReady: Bool = true, _ body: @escaping @Sendable (ClusterBench) async throws -> Void
    ) async throws {
        let bench = try await ClusterBench()
        defer { Files.remove(bench.directory) }
        try bench.setReady(isReady)
        let result: Result<Void, any Error>
        do { result = .success(try await bench.work(body)) } catch { result = .failure(error) }
        try await bench.stopServer()
        try await bench.transport.shutdown()
        bench.holder.signal(SIGTERM)
        _ = await bench.holder.ended()
        try result.get()
        #expect(try !#require(Files.text(of: "/proc/self/mountinfo")).contains(bench.directory))
        #expect(KubeletBench.processes(naming: bench.directory).isEmpty)
    }

    private func work(_ body: @escaping @Sendable (ClusterBench) async throws -> Void) async throws {
        let kubelet = KubeletService(
            host: host, client: client, facts: .init(processors: 2, memory: 4 << 30, kernelVersion: "6.1.0"), factor: 0.01,
            circumstances: Self.circumstances, logger: logger)
        let endpoint = StreamsEndpoint(socket: directory + "/streams", kubelets: [Self.node: kubelet.kubelet], logger: logger)
        var settings = ControlPlaneService.Settings(
            pods: [.init(try #require(IPPrefix("198.51.100.0/24")), nodeLength: 26)],
            services: Self.services.clusterIPs, servers: [try #require(IPAddress("192.0.2.250"))], port: port,
            certificate: authority.certificatePEM)
        settings.review = .milliseconds(300)
        let plane = ControlPlaneService(
            client: client, settings: settings, circumstances: Self.circumstances, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await kubelet.run() }
            group.addTask { try await endpoint.run() }
            group.addTask { try await plane.run() }
            group.addTask { [self] in
                await mirror.run(
                    client, [Kinds.pod, Kinds.node, Kinds.deployment, Kinds.replicaSet, Kinds.service, Kinds.endpointSlice])
            }
            defer { group.cancelAll() }
            try await body(self)
        }
    }
}

// MARK: - The server

extension ClusterBench {
    private static func socket(_ port: UInt16) throws -> (descriptor: CInt, port: UInt16) {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        try #require(code == 0, "bind: errno \(errno)")
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    private func startServer(_ descriptor: CInt) throws {
        let store = try Store(path: directory + "/api.db")
        let server = Server(
            store, on: [Listener(owning: descriptor)],
            security: .init(
                tls: try TLSIdentity(
                    certificates: Array(credential.certificatePEM.utf8), key: Array(credential.privateKey.exposed.utf8)),
                tokens: AccessTokens([Self.token: "admin"])),
            services: Self.services, pods: RemotePodStreams(socket: directory + "/streams"),
            surroundings: APIServer.Surroundings(
                seconds: { Int64(time(nil)) }, random: { .random(in: 0...(.max)) }),
            logger: logger)
        serving.withLock { $0 = (Task { try await server.run() }, store) }
    }

    func startServer() throws { try startServer(Self.socket(port).descriptor) }

    func stopServer() async throws {
        guard
            let (task, store) = serving.withLock({ serving in
                defer { serving = nil }
                return serving
            })
        else { return }
        task.cancel()
        _ = await task.result
        try store.close()
    }
}

// MARK: - What a user does

extension ClusterBench {
    func apply(_ text: String, to kind: GroupVersionKind) async throws {
        try await client.create(try JSONReader().value(text), of: Kinds.resource(kind), in: "default")
    }

    static func deployment(_ name: String, replicas: Int, version: String = "1") -> String {
        #"""
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"\#(name)"},"spec":{"replicas":\#(replicas),
        "selector":{"matchLabels":{"app":"\#(name)"}},"template":{"metadata":{"labels":{"app":"\#(name)"}},"spec":{
        "terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox","env":[{"name":"V","value":"\#(version)"}],
        "command":["sh","-c","trap 'exit 0' TERM; echo hello $V; sleep 10000 & wait"]}]}}}}
        """#
    }

    /// Returns when for long, with several reviews of the controllers in it, nothing was written but leases.
    func quiet() async throws {
        var last: [String] = []
        for _ in 0..<20 {
            let before = writes.all.count
            // Nothing tells that nothing will be written: as long as so many questions take, nobody writes.
            for _ in 0..<1_000 { _ = try await client.list(Node.resource) }
            last = writes.all.dropFirst(before).filter { !$0.contains("/leases/") }
            if last.isEmpty { return }
        }
        Issue.record("it does not come to rest: \(last)")
    }

    /// kubectl, as a user has it.
    func kubectl(_ arguments: [String], input: String = "") async throws -> (status: Int32, text: String) {
        let path = directory + "/kubeconfig"
        let certificate = Data(authority.certificatePEM.utf8).base64EncodedString()
        try Files.write(
            """
            apiVersion: v1
            kind: Config
            current-context: lab
            clusters: [{name: lab, cluster: {server: "https://127.0.0.1:\(port)", certificate-authority-data: "\(certificate)"}}]
            users: [{name: lab, user: {token: "\(Self.token)"}}]
            contexts: [{name: lab, context: {cluster: lab, user: lab}}]
            """.utf8, to: path, mode: 0o600)
        let program = try #require(Self.kubectl)
        let child = try Child(
            [program, "--kubeconfig", path, "--cache-dir", directory + "/cache"] + arguments,
            environment: [("HOME", directory), ("PATH", "/usr/bin:/bin")], input: Array(input.utf8))
        return (await child.ended(), child.text())
    }

    static var kubectl: String? {
        let places = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return places.split(separator: ":").map { "\($0)/kubectl" }.first { access($0, X_OK) == 0 }
    }
}
