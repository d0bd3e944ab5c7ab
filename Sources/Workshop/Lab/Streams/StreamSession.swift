import APIServer
import KubeAPI
import NIOCore

/// One stream on the kubelet's side: a log, a command, or a container's input and output.
protocol StreamSession: Sendable {
    /// A message of the client; returns when there is room for the next.
    func deliver(_ message: ByteBuffer) async
    /// Talks until there is nothing more to say.
    func run(_ listener: StreamListener) async throws
}

/// Who listens to a session: what is sent waits until there is room for it.
struct StreamListener: Sendable {
    let outbound: NIOAsyncChannelOutboundWriter<StreamFrame>

    func send(_ bytes: ByteBuffer) async throws { try await outbound.write(StreamFrame(.data, bytes)) }

    func send(_ channel: StreamPart, _ bytes: ByteBuffer) async throws {
        var message = ByteBuffer(bytes: [channel.rawValue])
        message.writeImmutableBuffer(bytes)
        try await send(message)
    }

    func send(_ channel: StreamPart, _ tree: JSONValue) async throws {
        try await send(channel, ByteBuffer(bytes: JSONWriter().bytes(of: tree)))
    }

    /// An empty message: the client learns that the stream is there.
    func open(_ options: StreamOptions) async throws {
        try await send(options.stdout ? .output : options.stderr ? .errors : .outcome, ByteBuffer())
    }
}

/// The channels of `v4.channel.k8s.io` and `v5.channel.k8s.io`.
enum StreamPart: UInt8, Sendable {
    case input = 0
    case output = 1
    case errors = 2
    /// A `Status` in JSON: how it ended.
    case outcome = 3
    /// `{"Width": columns, "Height": lines}`
    case size = 4
    /// v5: what follows is the channel that is closed.
    case close = 255
}

/// How a command ended, in the words of a kubelet.
enum StreamOutcome {
    static let success: JSONValue = ["metadata": [:], "status": "Success"]

    static func ended(_ command: [String], code: Int32) -> JSONValue {
        if code == 0 { return success }
        let words = command.joined(separator: " ")
        return [
            "metadata": [:], "status": "Failure", "reason": "NonZeroExitCode",
            "message": .string(
                "command terminated with non-zero exit code: error executing command [\(words)], exit code \(code)"),
            "details": ["causes": [["reason": "ExitCode", "message": .string("\(code)")]]],
        ]
    }
}
