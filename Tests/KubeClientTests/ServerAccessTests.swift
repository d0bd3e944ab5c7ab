import Addressing
import FoundationEssentials
import Identity
import KubeAPI
import KubeClient
import Logging
import NIOSSL
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ServerAccessTests {
    private struct Setting {
        var authority: CertificateAuthority
        var server: Credential
        var client: Credential

        /// - Parameter names: what the server's certificate calls it beside 127.0.0.1, or instead.
        init(names: [String] = [], isAddressed: Bool = true) throws {
            var random = SystemRandomNumberGenerator()
            let now = Date.now
            authority = try CertificateAuthority(name: "test", at: now, random: &random)
            let addresses: [IPAddress] = isAddressed ? [.v4(.loopback)] : []
            server = try authority.issue(.server("s", dnsNames: names, addresses: addresses), at: now, random: &random)
            client = try authority.issue(.client("admin"), at: now, random: &random)
        }

        /// A server that wants a client certificate of the same authority.
        func context() throws -> NIOSSLContext {
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(server.certificatePEM.utf8)).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(server.privateKey.exposed.utf8), format: .pem)))
            tls.certificateVerification = .noHostnameVerification
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.certificatePEM.utf8)))
            return try NIOSSLContext(configuration: tls)
        }

        func access(port: Int) -> ServerAccess {
            ServerAccess(
                server: "https://127.0.0.1:\(port)", trust: .authorities(Array(authority.certificatePEM.utf8)),
                certificate: ServerAccess.ClientCertificate(
                    chain: Array(client.certificatePEM.utf8), key: Array(client.privateKey.exposed.utf8)))
        }
    }

    private func ask(_ access: ServerAccess) async throws -> JSONValue {
        let transport = try access.transport(clock: InstantClock())
        let client = APIClient(
            transport: transport, retries: .none, clock: InstantClock(), random: { 0 }, logger: Logger(label: "test"))
        let result: Result<JSONValue, any Error>
        do { result = .success(try await client.get(Node.resource, "n1")) } catch { result = .failure(error) }
        try await transport.shutdown()
        return try result.get()
    }

    @Test(
        "over TLS both sides show certificates of one authority; without the client's, or under another authority, nothing is said"
    )
    func tls() async throws {
        let (setting, other) = (try Setting(), try Setting())
        let server = try await LocalServer(tls: try setting.context()) { _, _ in .answer(200, #"{"ok":true}"#) }
        let access = setting.access(port: server.port)
        #expect(try await ask(access)["ok"] == true)
        var wrong = access
        wrong.certificate = nil
        await #expect(throws: APIFailure.self) { try await ask(wrong) }
        wrong = access
        wrong.trust = .authorities(Array(other.authority.certificatePEM.utf8))
        await #expect(throws: APIFailure.self) { try await ask(wrong) }
        wrong.trust = .system
        await #expect(throws: APIFailure.self) { try await ask(wrong) }
        wrong.trust = .anybody
        #expect(try await ask(wrong)["ok"] == true)
        #expect(server.requests.count == 2)
        try await server.stop()
    }

    @Test("a server that its certificate calls otherwise is known by tls-server-name, and still called by its address")
    func serverName() async throws {
        let setting = try Setting(names: ["kubernetes.example.org"], isAddressed: false)
        let server = try await LocalServer(tls: try setting.context()) { _, _ in .answer(200, "{}") }
        var access = setting.access(port: server.port)
        await #expect(throws: APIFailure.self) { try await ask(access) }
        access.serverName = "kubernetes.example.org"
        _ = try await ask(access)
        #expect(server.requests.map { $0.headers["host"] } == ["127.0.0.1:\(server.port)"])
        try await server.stop()
    }

    @Test("a certificate without its own key is refused before anything is sent")
    func wrongKey() throws {
        var access = try Setting().access(port: 1)
        access.certificate?.key = Array(try Setting().client.privateKey.exposed.utf8)
        let error = #expect(throws: ServerAccessError.self) { try access.transport(clock: InstantClock()) }
        #expect(error?.code == .certificate)
    }

    @Test("a pod finds its server by either family, and sends the token that is there now: after a refusal at once")
    func inCluster() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("one\n", to: "token")
        try directory.write("CA", to: "ca.crt")
        try directory.write("shop", to: "namespace")
        let access = try ServerAccess.inCluster(host: "2001:db8::1", port: "443", directory: directory.path)
        #expect(access.description == "https://[2001:db8::1]:443, by token, namespace shop")
        #expect(access.trust == .authorities(Array("CA".utf8)))
        let server = try await LocalServer { request, _ in
            request.headers["authorization"] == "Bearer two" ? .answer(200, "{}") : .answer(401, "")
        }
        let mine = ServerAccess(server: "http://127.0.0.1:\(server.port)", token: access.token)
        await #expect { _ = try await ask(mine) } throws: { APIFailure.unauthorized ~= $0 }
        #expect(server.requests.count == 1, "the same token is not sent again")
        let clock = InstantClock()
        let transport = try mine.transport(clock: clock)
        let client = APIClient(transport: transport, retries: .none, clock: clock, random: { 0 }, logger: Logger(label: "test"))
        await #expect(throws: APIFailure.self) { try await client.get(Node.resource, "n1") }
        try directory.write("two\n", to: "token")
        _ = try await client.get(Node.resource, "n1")
        try directory.write("three", to: "token")
        _ = try await client.get(Node.resource, "n1")
        clock.pass(.seconds(61))
        await #expect(throws: APIFailure.self) { try await client.get(Node.resource, "n1") }
        #expect(
            server.requests.dropFirst(2).map { $0.headers["authorization"] ?? "" } == [
                "Bearer one", "Bearer two", "Bearer two", "Bearer three",
            ])
        try await transport.shutdown()
        try await server.stop()
    }

    @Test("where there is no pod, or one without an account, that is said")
    func notInCluster() throws {
        let directory = try TemporaryDirectory()
        let cases: [(String?, String?, ServerAccessError.Code)] = [
            (nil, "443", .notInCluster), ("192.0.2.1", "", .notInCluster), ("192.0.2.1", "x", .address),
            ("192.0.2.1", "443", .unreadable),
        ]
        for (host, port, code) in cases {
            let error = #expect(throws: ServerAccessError.self) {
                try ServerAccess.inCluster(host: host, port: port, directory: directory.path)
            }
            #expect(error?.code == code)
        }
    }
}
