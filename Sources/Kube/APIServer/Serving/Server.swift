import HTTPTypes
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// The API server: a store, served over HTTP on sockets that others have bound.
///
/// Ends gracefully: it stops accepting, ends the watches, lets running requests finish and closes what is idle.
public struct Server: Service {
    public struct Limits: Hashable, Sendable {
        /// The largest body of a request, in bytes. etcd takes 1.5 MiB, the real API server 3 MiB.
        public var body: Int
        /// The largest message on a WebSocket, in bytes.
        public var message: Int
        /// How long a client may take to read the rest of a watch that is over; then its connection is closed.
        public var farewell: Duration

        public init(body: Int = 3 << 20, message: Int = 1 << 20, farewell: Duration = .seconds(10)) {
            self.body = body
            self.message = message
            self.farewell = farewell
        }
    }

    /// Who may come in, and what the server shows for itself.
    public struct Security: Sendable {
        /// `nil`: plain HTTP.
        public var tls: TLSIdentity?
        public var tokens: AccessTokens

        public init(tls: TLSIdentity? = nil, tokens: AccessTokens = .open) {
            self.tls = tls
            self.tokens = tokens
        }

        /// Plain HTTP, for everybody who reaches the socket.
        public static let none = Security()
    }

    private let listeners: [Listener]
    private let api: ObjectAPI
    private let connections: ConnectionSetup
    private let logger: Logger

    /// - Parameters:
    ///   - listeners: where it is reached. The server owns their descriptors, and must therefore be run.
    ///   - services: from where services get their addresses and node ports.
    ///   - givesAccounts: new pods get their service account with a token, as kube-apiserver's admission does it. Somebody has to
    ///     make the accounts: a pod whose account is not there is refused.
    ///   - pods: who answers logs, exec, attach and port-forward; `nil` when nobody runs pods.
    public init(
        _ store: Store, on listeners: [Listener], security: Security = .none, services: ServiceRanges = .standard,
        givesAccounts: Bool = false, pods: (any PodStreams)? = nil,
        webSockets: [WebSocketRoute] = [], limits: Limits = Limits(), surroundings: Surroundings, logger: Logger
    ) {
        self.init(
            store, rules: .standard, on: listeners, security: security, services: services, givesAccounts: givesAccounts,
            pods: pods, webSockets: webSockets,
            limits: limits,
            surroundings: surroundings, logger: logger)
    }

    init(
        _ store: Store, rules: APIRules, on listeners: [Listener], security: Security = .none,
        services: ServiceRanges = .standard, givesAccounts: Bool = false, pods: (any PodStreams)? = nil,
        webSockets: [WebSocketRoute] = [], limits: Limits = Limits(), surroundings: Surroundings, logger: Logger
    ) {
        self.listeners = listeners
        self.logger = logger
        api = ObjectAPI(
            store: store, kinds: KindBoard(rules), rules: rules, services: services, givesAccounts: givesAccounts,
            surroundings: surroundings)
        let routes = PodRoutes(api: api, tokens: security.tokens, streams: pods)
        let door = Doorkeeper(tokens: security.tokens, api: api)
        let handler = APIHandler(
            api: api, door: door, pods: routes, largestBody: limits.body, patience: TimeAmount(limits.farewell))
        let webSockets = routes.webSockets + webSockets
        connections = ConnectionSetup(
            responder: { request, writer, channel in
                var response = await handler.answer(request, on: channel)
                if response.status != .unauthorized, let webSocket = webSockets.first(where: { $0.serves(request.uri.path) }) {
                    response = webSocket.refusal.response
                }
                if request.headers[.connection] == "close" { response.headers[.connection] = "close" }
                try await writer.write(response: response.head, body: response.body)
            },
            webSockets: webSockets, door: door, tls: security.tls, largestMessage: limits.message)
    }

    /// Serves until the task is cancelled or the service group shuts down.
    public func run() async throws {
        try await Opening(api: api, logger: logger).run()
        let acceptor = Acceptor(connections, logger: logger)
        let accepted: AsyncStream<Connection>
        do {
            accepted = try await acceptor.start(listeners)
        } catch {
            acceptor.stop()
            throw error
        }
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await Housekeeping(api: api, logger: logger).run() }
                for await connection in accepted {
                    group.addTask { await connections.handle(value: connection, logger: logger) }
                }
            }
        } onCancelOrGracefulShutdown: {
            api.store.endWatches()
            acceptor.stop()
        }
    }
}
