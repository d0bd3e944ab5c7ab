import APIServer
import Glibc
import KubeAPI
import NIOCore
import NIOPosix

/// `kubectl exec`: a command in a container, its streams at the client's.
final class CommandSession: StreamSession {
    private let options: StreamOptions
    private let input = Handoff<ByteBuffer>()
    private let child: Child
    /// Our ends of the command's pipes, or of its terminal.
    private let pipes: CommandPipes

    /// - Parameter start: starts the command with these descriptors, which are closed afterwards.
    init(_ options: StreamOptions, start: (Child.Streams) async throws -> Child) async throws {
        self.options = options
        let (pipes, streams) = try CommandPipes.open(options)
        defer { streams.close() }
        self.pipes = pipes
        child = try await start(streams)
    }

    func deliver(_ message: ByteBuffer) async {
        var message = message
        switch message.readInteger(as: UInt8.self).flatMap(StreamPart.init) {
        case .input: if options.stdin { await input.give(message) }
        case .close: if message.readInteger(as: UInt8.self) == StreamPart.input.rawValue { input.finish() }
        case .size:
            guard let tree = try? JSONReader().document(Array(message.readableBytesView)).value else { return }
            pipes.resize(columns: tree["Width"]?.integer ?? 0, lines: tree["Height"]?.integer ?? 0)
        default: break
        }
    }

    func run(_ listener: StreamListener) async throws {
        defer { input.finish() }
        try await listener.open(options)
        let (child, pipes, input) = (child, pipes, input)
        let code = try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                if let descriptor = pipes.take(.input) { group.addTask { await PipeEnd.write(input, to: descriptor) } }
                for part in [StreamPart.output, .errors] {
                    guard let descriptor = pipes.take(part) else { continue }
                    group.addTask { try await PipeEnd.read(descriptor) { try await listener.send(part, $0) } }
                }
                let code = await child.ended()
                // Nobody reads it any more. What the command has said is still on its way.
                input.finish()
                try await group.waitForAll()
                return code
            }
        } onCancel: {
            child.signal(SIGKILL)
        }
        try await listener.send(.outcome, StreamOutcome.ended(options.command, code: code))
    }
}
