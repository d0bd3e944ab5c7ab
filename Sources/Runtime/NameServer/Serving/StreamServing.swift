internal import Addressing
internal import CLinux
internal import DNS
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The connections over TCP to one address, on the process's shared event loops.
final class StreamServing: Sendable {
    private let listening: any Channel
    private let crowd: Crowd

    /// - Parameters:
    ///   - descriptor: a bound socket, which is taken over also when this throws.
    ///   - connections: those of all addresses together.
    init(
        _ descriptor: Int32, _ desk: Desk, _ settings: NameServerSettings, outside: (any OutsideNames)?, _ underWay: UnderWay,
        _ crowd: Crowd
    ) throws {
        self.crowd = crowd
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .childChannelInitializer { channel in
                guard let client = channel.remoteAddress?.ipAddress.flatMap({ IPAddress($0) }), crowd.comeIn(client, channel)
                else {
                    return channel.close()
                }
                channel.closeFuture.whenComplete { _ in crowd.leave(client, channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        StreamHandler(client, desk, settings, outside: outside, underWay))
                }
            }
        listening = try bootstrap.withBoundSocket(descriptor).wait()
    }

    /// No connection is taken any more, and the port is free for another; those that are there end when what they asked is answered.
    func stop() {
        // Who waits on the loop itself would wait for ever.
        if listening.eventLoop.inEventLoop { listening.close(promise: nil) } else { try? listening.close().wait() }
        crowd.quiesce()
    }
}

/// The connections that are open, and how many of them each client has.
final class Crowd: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var clients: [IPAddress: Int] = [:]
        var refused: UInt64 = 0
        var isClosed = false
    }

    private let limits: StreamLimits
    private let state = Mutex(State())

    init(_ limits: StreamLimits) { self.limits = limits }

    /// Connections that are open, and those that were closed at once.
    var counts: (open: Int, refused: UInt64) { state.withLock { ($0.channels.count, $0.refused) } }

    /// Who is let in leaves once.
    func comeIn(_ client: IPAddress, _ channel: any Channel) -> Bool {
        state.withLock { state in
            let own = state.clients[client] ?? 0
            guard !state.isClosed, state.channels.count < limits.most, own < limits.mostOfClient else {
                state.refused += 1
                return false
            }
            state.clients[client] = own + 1
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    func leave(_ client: IPAddress, _ channel: any Channel) {
        state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            let own = (state.clients[client] ?? 1) - 1
            state.clients[client] = own > 0 ? own : nil
        }
    }

    func quiesce() {
        let channels = state.withLock { state in
            state.isClosed = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }
}
