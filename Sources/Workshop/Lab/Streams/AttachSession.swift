import APIServer
import Glibc
import KubeAPI
import NIOCore

/// `kubectl attach` of a container without a terminal: what it says from now on, and its input where it has one.
///
/// What it says comes from its log, so a line is seen when it is whole.
struct AttachSession: StreamSession {
    let options: StreamOptions
    let path: String
    let isWritten: @Sendable () async -> Bool
    /// The container's input, a copy of our own; `nil`: it has none, or the client wants none.
    let input: CInt?
    /// The client has left.
    let leave: @Sendable () async -> Void
    private let typed = Handoff<ByteBuffer>()

    init(
        _ options: StreamOptions, path: String, isWritten: @escaping @Sendable () async -> Bool, input: CInt?,
        leave: @escaping @Sendable () async -> Void
    ) {
        (self.options, self.path) = (options, path)
        (self.isWritten, self.input, self.leave) = (isWritten, input, leave)
    }

    func deliver(_ message: ByteBuffer) async {
        var message = message
        switch message.readInteger(as: UInt8.self).flatMap(StreamPart.init) {
        case .input: if input != nil { await typed.give(message) }
        case .close: if message.readInteger(as: UInt8.self) == StreamPart.input.rawValue { typed.finish() }
        default: break
        }
    }

    func run(_ listener: StreamListener) async throws {
        defer { typed.finish() }
        try await listener.open(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let input {
                group.addTask {
                    await PipeEnd.write(typed, to: input)
                    await leave()
                }
            }
            try await ContainerLogTail.follow(path, atEnd: true, isWritten: isWritten) { entries in
                for entry in entries { try await say(entry, listener) }
                return true
            }
            typed.finish()
            try await group.waitForAll()
        }
        try await listener.send(.outcome, StreamOutcome.success)
    }

    private func say(_ entry: ContainerLogTail.Entry, _ listener: StreamListener) async throws {
        guard entry.isError ? options.stderr : options.stdout else { return }
        var bytes = ByteBuffer(bytes: entry.text)
        if entry.isWhole { bytes.writeString("\n") }
        try await listener.send(entry.isError ? .errors : .output, bytes)
    }
}
