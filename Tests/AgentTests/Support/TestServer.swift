import APIServer
import Addressing
import CLinux
import FoundationEssentials
import Glibc
import Identity
import KubeAPI
import KubeClient
import Logging
import Netlink

/// Our API server in a namespace, with TLS and a token, that can be stopped and started again over the same store.
///
/// The agent that follows it is another process, and knows its address, its authority and the token, and nothing else.
actor TestServer {
    static let address = "192.0.2.2"
    static let port: UInt16 = 6443

    private let directory: String
    private let namespace: NetworkNamespace
    private let authority: CertificateAuthority
    private let identity: TLSIdentity
    private var store: Store
    private var running: Task<Void, any Error>?

    init(in namespace: NetworkNamespace, directory: String) throws {
        self.directory = directory
        self.namespace = namespace
        var random = SystemRandomNumberGenerator()
        let now = Date.now
        authority = try CertificateAuthority(name: "test", at: now, random: &random)
        guard let address = IPAddress(Self.address) else { throw Broken("no address") }
        let own = try authority.issue(.server("server", dnsNames: [], addresses: [address]), at: now, random: &random)
        identity = try TLSIdentity(certificates: Array(own.certificatePEM.utf8), key: Array(own.privateKey.exposed.utf8))
        store = try Store(path: directory + "/store.sqlite")
    }

    nonisolated var authorityPEM: String { authority.certificatePEM }

    /// Writes the way to it: the token is in a file of its own.
    nonisolated func kubeconfig(token: String) throws -> String {
        let path = directory + "/kubeconfig"
        try Kubeconfig(
            name: "test",
            cluster: .init(
                server: "https://\(Self.address):\(Self.port)", authority: .data(Array(authority.certificatePEM.utf8))),
            user: .init(tokenFile: token)
        ).write(to: path)
        return path
    }

    /// Serves those who show the token. The socket listens when this returns. What happened before is in no memory.
    func start(token: String) throws {
        try store.close()
        store = try Store(path: directory + "/store.sqlite")
        let descriptor = try namespace.perform { () throws(KernelError) in
            socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = Self.port.bigEndian
        inet_pton(AF_INET, Self.address, &address.sin_addr)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0, listen(descriptor, 64) == 0 else { throw Broken("bind the server: errno \(errno)") }
        let server = Server(
            store, on: [Listener(owning: descriptor)],
            security: Server.Security(tls: identity, tokens: AccessTokens([token: "system:serviceaccount:kube-system:tulle"])),
            surroundings: Surroundings(seconds: { Int64(time(nil)) }, random: { UInt64.random(in: 0 ... .max) }),
            logger: Logger(label: "server") { _ in SwiftLogNoOpLogHandler() })
        running = Task { try await server.run() }
    }

    /// Ends it with all its connections. Objects can be changed meanwhile.
    func stop() async throws {
        running?.cancel()
        _ = await running?.result
        running = nil
        try store.close()
        store = try Store(path: directory + "/store.sqlite")
    }

    func close() async throws {
        running?.cancel()
        _ = await running?.result
        try store.close()
    }

    // MARK: Objects

    /// Node n<number> with ranges of both families.
    func put(node number: Int, range: Int? = nil) async throws {
        let range = range ?? number
        let key = ObjectKey(resource: "nodes", name: "n\(number)")
        let body = Body(stamped: { revision in
            Array(
                """
                {"apiVersion":"v1","kind":"Node","metadata":{"name":"n\(number)","resourceVersion":"\(revision)","uid":"u\(number)"},
                "spec":{"podCIDR":"10.244.\(range).0/24","podCIDRs":["10.244.\(range).0/24","fd00:10:244:\(range)::/64"]},
                "status":{"addresses":[{"type":"InternalIP","address":"192.0.2.\(number)"},
                {"type":"InternalIP","address":"2001:db8::\(number)"},{"type":"Hostname","address":"n\(number)"}]}}
                """.utf8)
        })
        if try await store.object(key) == nil {
            _ = try await store.create(key, body)
        } else {
            _ = try await store.update(key, body)
        }
    }

    /// An object as it stands in the store.
    func put(_ resource: String, _ name: String, in namespace: String = "", _ tree: JSONValue) async throws {
        var tree = tree
        tree[at: "metadata", "name"] = .string(name)
        if !namespace.isEmpty { tree[at: "metadata", "namespace"] = .string(namespace) }
        tree[at: "metadata", "uid"] = .string("uid-\(name)")
        let key = ObjectKey(resource: resource, namespace: namespace, name: name)
        let body = Body(stamped: { [tree] revision in
            var tree = tree
            tree[at: "metadata", "resourceVersion"] = .string("\(revision)")
            return JSONWriter().bytes(of: tree)
        })
        if try await store.object(key) == nil {
            _ = try await store.create(key, body)
        } else {
            _ = try await store.update(key, body)
        }
    }

    /// What was told on objects.
    func events() async throws -> [JSONValue] {
        try await store.list(Selection(resource: "events")).objects.map { try JSONReader().value($0.body) }
    }

    func remove(node number: Int) async throws {
        _ = try await store.delete(ObjectKey(resource: "nodes", name: "n\(number)"))
    }
}
