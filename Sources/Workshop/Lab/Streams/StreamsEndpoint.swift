import APIServer
import Glibc
import KubeAPI
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// The kubelets' end of logs, exec and attach: a unix socket that the API server's process connects to.
///
/// It serves until its task is cancelled or the service group shuts down, many streams at once.
public struct StreamsEndpoint: ServiceLifecycle.Service {
    private let socket: String
    private let kubelet: @Sendable (_ node: String) -> Kubelet?
    private let logger: Logger

    /// - Parameters:
    ///   - socket: where it is; one that a dead process left is replaced. At most 107 bytes.
    ///   - kubelets: by the names of their nodes.
    public init(socket: String, kubelets: [String: Kubelet], logger: Logger) {
        self.init(socket: socket, logger: logger) { kubelets[$0] }
    }

    /// - Parameter kubelet: asked for each stream, because a node that starts again has another one.
    init(socket: String, logger: Logger, kubelet: @escaping @Sendable (_ node: String) -> Kubelet?) {
        (self.socket, self.kubelet, self.logger) = (socket, kubelet, logger)
    }

    public func run() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: socket, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeCompletedFuture { try StreamFrameCoder.wrap(channel) }
            }
        chmod(socket, 0o600)
        defer { unlink(socket) }
        try await cancelWhenGracefulShutdown {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections { group.addTask { await serve(connection) } }
                    group.cancelAll()
                }
            }
        }
    }
}

extension StreamsEndpoint {
    private struct Finished: Error {}

    private func serve(_ connection: StreamChannel) async {
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await withThrowingDiscardingTaskGroup { group in
                    var session: (any StreamSession)?
                    for try await frame in inbound {
                        switch (frame.kind, session) {
                        case (.request, nil):
                            do {
                                let opened = try await open(frame.tree)
                                session = opened
                                try await outbound.write(StreamFrame(.accepted))
                                group.addTask {
                                    try await opened.run(StreamListener(outbound: outbound))
                                    try await outbound.write(StreamFrame(.end))
                                    throw Finished()
                                }
                            } catch let status as APIServer.Status {
                                try await outbound.write(StreamFrame(.refused, status.bridged))
                                return
                            }
                        case (.data, let session?): await session.deliver(frame.content)
                        default: throw StreamFrameCoder.Malformed()
                        }
                    }
                    // The other side has left, or died.
                    group.cancelAll()
                }
            }
        } catch is Finished {
        } catch {
            logger.debug("a stream ended", metadata: ["reason": "\(error)"])
        }
    }

    private func open(_ tree: JSONValue) async throws -> any StreamSession {
        guard let request = StreamRequest(tree) else { throw Status.badRequest("the request for a stream is not understood") }
        guard let kubelet = kubelet(request.node) else {
            throw Status.internalError("error dialing backend: there is no kubelet of node \"\(request.node)\" here")
        }
        return try await kubelet.session(for: request)
    }
}
