public import APIServer
import KubeAPI
import NIOCore
import NIOPosix

/// Logs, exec and attach for an API server whose kubelets are in another process: it asks them over a unix socket, where a
/// ``StreamsEndpoint`` answers.
public struct RemotePodStreams: PodStreams {
    private let socket: String

    /// - Parameter socket: of the endpoint, which may come and go.
    public init(socket: String) { self.socket = socket }

    public func log(of pod: PodTarget, _ options: LogOptions) async throws -> PodLog {
        let request = StreamRequest(pod, .log(options))
        let channel = try await connect()
        let (opening, chunks) = (Handoff<Void>(), Handoff<ByteBuffer>())
        let reading = Task {
            let outcome: Result<Void, any Error>
            do {
                try await Self.talk(request, channel) { frames, _ in
                    await opening.give(())
                    while let frame = try await frames.next() {
                        switch frame.kind {
                        case .data: guard await chunks.give(frame.content) else { return }
                        case .end: return
                        default: throw Self.broken
                        }
                    }
                    throw Self.broken
                }
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            opening.finish(outcome)
            chunks.finish(outcome)
        }
        // What is refused is thrown before the answer begins.
        _ = try await opening.take()
        return PodLog(
            AsyncThrowingStream { try await chunks.take() },
            cancel: {
                reading.cancel()
                chunks.finish()
            })
    }

    public func serve(
        _ kind: StreamKind, of pod: PodTarget, _ options: StreamOptions, over socket: WebSocket
    ) async throws {
        try await Self.talk(StreamRequest(pod, .stream(kind, options)), try await connect()) { frames, outbound in
            var isOver = false
            do {
                try await withThrowingDiscardingTaskGroup { group in
                    group.addTask {
                        try await socket.forEachMessage { message in
                            // A kubelet that is done takes no more; that it is done is heard beside.
                            if case .binary(let bytes) = message { try? await outbound.write(StreamFrame(.data, bytes)) }
                        }
                        throw ClientLeft()
                    }
                    while let frame = try await frames.next(), frame.kind == .data || frame.kind == .end {
                        if frame.kind == .data {
                            try await socket.send(.binary(frame.content))
                        } else {
                            isOver = true
                            try await socket.close()
                            // The reader ends with the client's answer.
                            try await Task.sleep(for: WebSocket.patience)
                        }
                    }
                    group.cancelAll()
                }
            } catch is ClientLeft {
                isOver = true
            } catch  where isOver {}
            if !isOver { throw Self.broken }
        }
    }

    private struct ClientLeft: Error {}
}

extension RemotePodStreams {
    private typealias Frames = NIOAsyncChannelInboundStream<StreamFrame>.AsyncIterator
    private typealias Writer = NIOAsyncChannelOutboundWriter<StreamFrame>

    private static let broken = Status.internalError("the kubelets' process ended the connection")

    private func connect() async throws -> StreamChannel {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: socket) { channel in
                    channel.eventLoop.makeCompletedFuture { try StreamFrameCoder.wrap(channel) }
                }
        } catch {
            throw Status.internalError("error dialing backend: dial unix \(socket): \(error)")
        }
    }

    /// Asks, and hands the connection over when the request was accepted.
    private static func talk(
        _ request: StreamRequest, _ channel: StreamChannel, _ body: (inout Frames, Writer) async throws -> Void
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            var frames = inbound.makeAsyncIterator()
            try await outbound.write(StreamFrame(.request, request.tree))
            guard let answer = try await frames.next() else { throw broken }
            switch answer.kind {
            case .accepted: try await body(&frames, outbound)
            case .refused: throw Status(bridged: answer.tree)
            default: throw broken
            }
        }
    }
}

extension StreamRequest {
    init(_ pod: PodTarget, _ wish: Wish) {
        self.init(
            namespace: pod.namespace, name: pod.name, uid: pod.object[field: "metadata", "uid"]?.string ?? "", node: pod.node,
            wish: wish)
    }
}
