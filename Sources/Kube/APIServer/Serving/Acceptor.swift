import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Accepts connections from bound sockets, and keeps the list of those that are open so that they can be told to end.
final class Acceptor: Sendable {
    private struct State: Sendable {
        var open: [ObjectIdentifier: any Channel] = [:]
        var listening: [any Channel] = []
        var isStopped = false
    }

    private let setup: ConnectionSetup
    private let logger: Logger
    private let state = Mutex(State())
    private let accepted: AsyncStream<Connection>
    private let feed: AsyncStream<Connection>.Continuation

    init(_ setup: ConnectionSetup, logger: Logger) {
        self.setup = setup
        self.logger = logger
        // Not bounded: every element is an open socket, and of those the process has a limit.
        (accepted, feed) = AsyncStream.makeStream()
    }

    /// The connections, in the order they come, until ``stop()``.
    func start(_ listeners: [Listener]) async throws -> AsyncStream<Connection> {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                self.setup.setup(channel: channel, logger: self.logger).map { self.open($0) }
            }
        for listener in listeners {
            let channel = try await bootstrap.withBoundSocket(listener.descriptor).get()
            // NIO listens with a backlog of 128; a thousand watchers that come back at once after a restart need more.
            listen(listener.descriptor, 4096)
            let isStopped = state.withLock { state in
                state.listening.append(channel)
                return state.isStopped
            }
            if isStopped { channel.close(promise: nil) }
        }
        return accepted
    }

    /// Accepts nothing more, and asks what is open to end: after the running request, at once where there is none.
    func stop() {
        let (listening, open) = state.withLock { state in
            state.isStopped = true
            return (state.listening, Array(state.open.values))
        }
        for channel in listening { channel.close(promise: nil) }
        for channel in open { quiesce(channel) }
        feed.finish()
    }

    private func open(_ connection: Connection) {
        let channel = connection.channel
        let id = ObjectIdentifier(channel)
        let isStopped = state.withLock { state in
            state.open[id] = channel
            return state.isStopped
        }
        channel.closeFuture.whenComplete { _ in self.state.withLock { _ = $0.open.removeValue(forKey: id) } }
        if case .terminated = feed.yield(connection) { channel.close(promise: nil) }
        if isStopped { quiesce(channel) }
    }

    private func quiesce(_ channel: any Channel) {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
}
