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

        public init(body: Int = 3 << 20, message: Int = 1 << 20) {
            self.body = body
            self.message = message
        }
    }

    private let listeners: [Listener]
    private let store: Store
    private let connections: ConnectionSetup
    private let logger: Logger

    /// - Parameter listeners: where it is reached. The server owns their descriptors, and must therefore be run.
    public init(
        _ store: Store, on listeners: [Listener], webSockets: [WebSocketRoute] = [], limits: Limits = Limits(), logger: Logger
    ) {
        self.store = store
        self.listeners = listeners
        self.logger = logger
        let router = Router(context: Call.self)
        router.add(middleware: StatusMiddleware())
        ObjectRoutes(store: store, largestBody: limits.body).add(to: router)
        let responder = router.buildResponder()
        connections = ConnectionSetup(
            responder: { request, writer, channel in
                let context = Call(source: ApplicationRequestContextSource(channel: channel, logger: logger))
                let webSocket = webSockets.first { $0.serves(request.uri.path) }
                var response =
                    if let webSocket { webSocket.refusal.response } else {
                        try await responder.respond(to: request, context: context)
                    }
                if request.headers[.connection] == "close" { response.headers[.connection] = "close" }
                try await writer.write(response: response.head, body: response.body)
            },
            webSockets: webSockets, largestMessage: limits.message)
    }

    /// Serves until the task is cancelled or the service group shuts down.
    public func run() async throws {
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
                for await connection in accepted {
                    group.addTask { await connections.handle(value: connection, logger: logger) }
                }
            }
        } onCancelOrGracefulShutdown: {
            store.endWatches()
            acceptor.stop()
        }
    }
}
