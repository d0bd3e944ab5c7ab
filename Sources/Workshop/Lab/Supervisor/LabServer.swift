import APIServer
import Glibc
import KubeAPI
public import Logging
public import ServiceLifecycle

/// The API server of a lab, as a process of its own: its store, its certificate and its tokens lie in the lab's directory, and
/// its sockets are inherited.
public struct LabServer: ServiceLifecycle.Service {
    /// The exit code that says that another start would be no better.
    public static let unusable: Int32 = 73

    private let store: Store
    private let server: Server

    /// - Parameter sockets: listening sockets, which belong to the server from now on.
    public init(_ directory: LabDirectory, sockets: [Int32], surroundings: LabSurroundings, logger: Logger) throws {
        guard let settings = try directory.readSettings() else { throw LabControl.notUp(directory) }
        guard let certificate = Files.text(of: directory.serverCertificate), let key = Files.text(of: directory.serverKey),
            let text = Files.text(of: directory.tokens), let tokens = try? JSONReader().value(text)
        else {
            throw LabError(.stateUnusable, "\(directory.path)/ca does not hold the server's keys", remedy: directory.takesDown)
        }
        // A user may be called by several tokens, never one token for several users.
        let users = Dictionary(tokens.strings.map { ($0.value, $0.key) }) { first, _ in first }
        guard !users.isEmpty else {
            throw LabError(.stateUnusable, "\(directory.tokens) holds no token", remedy: directory.takesDown)
        }
        do {
            store = try Store(path: directory.store)
        } catch {
            throw LabError(
                .stateUnusable, "the lab's objects cannot be read: \(error)", remedy: directory.takesDown)
        }
        let (now, bits) = (surroundings.now, surroundings.bits)
        server = Server(
            store, on: sockets.map { Listener(owning: $0) },
            security: Server.Security(
                tls: try TLSIdentity(certificates: Array(certificate.utf8), key: Array(key.utf8)), tokens: AccessTokens(users)),
            services: ServiceRanges(clusterIPs: settings.servicePrefixes), givesAccounts: true,
            pods: RemotePodStreams(socket: directory.streams),
            surroundings: Surroundings(seconds: { now().sinceEpoch.components.seconds }, random: bits), logger: logger)
    }

    public func run() async throws {
        do {
            try await server.run()
        } catch {
            try? store.close()
            throw error
        }
        try store.close()
    }
}
