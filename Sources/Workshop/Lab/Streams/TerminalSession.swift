import APIServer
import KubeAPI
import NIOCore

/// `kubectl attach -it`: a container's terminal, as it is.
///
/// A client that leaves ends nothing: whoever attaches later finds the same program.
struct TerminalSession: StreamSession {
    let options: StreamOptions
    let terminal: ContainerTerminal
    private let typed = Handoff<ByteBuffer>()

    init(_ options: StreamOptions, _ terminal: ContainerTerminal) { (self.options, self.terminal) = (options, terminal) }

    func deliver(_ message: ByteBuffer) async {
        var message = message
        switch message.readInteger(as: UInt8.self).flatMap(StreamPart.init) {
        case .input: if options.stdin { await typed.give(message) }
        case .close: if message.readInteger(as: UInt8.self) == StreamPart.input.rawValue { typed.finish() }
        case .size:
            guard let tree = try? JSONReader().document(Array(message.readableBytesView)).value else { return }
            terminal.resize(columns: tree["Width"]?.integer ?? 0, lines: tree["Height"]?.integer ?? 0)
        default: break
        }
    }

    func run(_ listener: StreamListener) async throws {
        let shown = terminal.watched()
        defer {
            typed.finish()
            shown.finish()
        }
        try await listener.open(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if options.stdin { group.addTask { await PipeEnd.write(typed, to: terminal.keyboard) } }
            while let bytes = try await shown.take() {
                if options.stdout { try await listener.send(.output, bytes) }
            }
            typed.finish()
            try await group.waitForAll()
        }
        try await listener.send(.outcome, StreamOutcome.success)
    }
}
