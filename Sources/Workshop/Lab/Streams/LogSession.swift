import APIServer
import KubeAPI
import NIOCore

/// A container's log for `kubectl logs`.
struct LogSession: StreamSession {
    let path: String
    let follows: Bool
    let selection: LogSelection
    let isWritten: @Sendable () async -> Bool

    func deliver(_ message: ByteBuffer) async {}

    func run(_ listener: StreamListener) async throws {
        var selection = selection
        try await ContainerLogTail.follow(path, isWritten: { follows ? await isWritten() : false }) { entries in
            let text = selection.text(of: entries)
            if !text.isEmpty { try await listener.send(ByteBuffer(bytes: text)) }
            return !selection.isFull
        }
    }
}
