import APIServer
import KubeAPI
import NIOCore

/// A container's log for `kubectl logs` and `tulle lab logs`.
struct LogSession: StreamSession {
    let path: String
    let follows: Bool
    let selection: LogSelection
    let isWritten: @Sendable () async -> Bool

    func deliver(_ message: ByteBuffer) async {}

    func run(_ listener: StreamListener) async throws { try await run { try await listener.send($0) } }

    /// - Parameter say: called for each piece; returns when there is room for the next.
    func run(_ say: (ByteBuffer) async throws -> Void) async throws {
        var selection = selection
        try await ContainerLogTail.follow(path, isWritten: { follows ? await isWritten() : false }) { entries in
            let text = selection.text(of: entries)
            if !text.isEmpty { try await say(ByteBuffer(bytes: text)) }
            return !selection.isFull
        }
    }
}
