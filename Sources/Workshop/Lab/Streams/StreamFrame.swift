import APIServer
import KubeAPI
import NIOCore

/// What the API server's process and the kubelets' say to each other, over one connection a stream:
///
/// ```
///   API server                          kubelets
///      request  ──────────────────────►
///               ◄──────────────────────  accepted | refused
///      data     ◄─────────────────────►  data         as often as there is something
///               ◄──────────────────────  end
/// ```
/// A frame is its length (4 bytes, big endian, without itself), its kind (1 byte), and its content. A connection that closes
/// without `end` is one whose other side died. Who reads slowly slows the other down, for the socket fills.
struct StreamFrame: Hashable, Sendable {
    enum Kind: UInt8, CaseIterable, Sendable {
        /// A ``StreamRequest``; always the first.
        case request = 1
        case accepted
        /// A ``Status``: nothing comes of it.
        case refused
        /// Bytes of a log; for the others a message of `channel.k8s.io`, its channel first.
        case data
        case end
    }

    var kind: Kind
    var content: ByteBuffer

    init(_ kind: Kind, _ content: ByteBuffer = ByteBuffer()) { (self.kind, self.content) = (kind, content) }
    init(_ kind: Kind, _ tree: JSONValue) { self.init(kind, ByteBuffer(bytes: JSONWriter().bytes(of: tree))) }

    var tree: JSONValue { (try? JSONReader().document(Array(content.readableBytesView)).value) ?? .null }

    /// Far above the largest message that either side makes.
    static let limit: UInt32 = 8 << 20
}

/// Bytes into frames and back.
struct StreamFrameCoder: ByteToMessageDecoder, MessageToByteEncoder {
    typealias InboundOut = StreamFrame
    typealias OutboundIn = StreamFrame

    struct Malformed: Error {}

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return .needMoreData }
        guard (1...StreamFrame.limit).contains(length) else { throw Malformed() }
        guard buffer.readableBytes >= 4 + Int(length) else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let kind = buffer.readInteger(as: UInt8.self).flatMap(StreamFrame.Kind.init),
            let content = buffer.readSlice(length: Int(length) - 1)
        else { throw Malformed() }
        context.fireChannelRead(Self.wrapInboundOut(StreamFrame(kind, content)))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        // Half a frame at the end is one that nobody finished.
        try decode(context: context, buffer: &buffer)
    }

    func encode(data: StreamFrame, out: inout ByteBuffer) throws {
        out.writeInteger(UInt32(data.content.readableBytes + 1))
        out.writeInteger(data.kind.rawValue)
        out.writeImmutableBuffer(data.content)
    }
}

typealias StreamChannel = NIOAsyncChannel<StreamFrame, StreamFrame>

extension StreamFrameCoder {
    static func wrap(_ channel: any Channel) throws -> StreamChannel {
        try channel.pipeline.syncOperations.addHandlers([
            ByteToMessageHandler(StreamFrameCoder()), MessageToByteHandler(StreamFrameCoder()),
        ])
        return try StreamChannel(wrappingChannelSynchronously: channel)
    }
}

// MARK: - What is asked

/// A stream that is asked for: which pod, and what of it.
struct StreamRequest: Hashable, Sendable {
    enum Wish: Hashable, Sendable {
        case log(LogOptions)
        case stream(StreamKind, StreamOptions)
    }

    var namespace: String
    var name: String
    var uid: String
    var node: String
    var wish: Wish
}

extension StreamRequest {
    var tree: JSONValue {
        var tree: JSONValue = [
            "namespace": .string(namespace), "name": .string(name), "uid": .string(uid), "node": .string(node),
        ]
        switch wish {
        case .log(let options):
            tree[field: "log"] = [
                "container": .string(options.container), "follow": .bool(options.follows), "previous": .bool(options.isPrevious),
                "timestamps": .bool(options.showsTimestamps),
            ]
            func set(_ name: String, _ number: Int64?) { tree[field: "log", name] = number.map { .number(JSONNumber($0)) } }
            set("tailLines", options.tailLines)
            set("limitBytes", options.limitBytes)
            set("sinceSeconds", options.sinceSeconds)
            tree[field: "log", "sinceTime"] = options.sinceTime.map(JSONValue.string)
        case .stream(let kind, let options):
            tree[field: "kind"] = .string(kind.rawValue)
            tree[field: "stream"] = [
                "container": .string(options.container), "command": .array(options.command.map(JSONValue.string)),
                "stdin": .bool(options.stdin), "stdout": .bool(options.stdout), "stderr": .bool(options.stderr),
                "tty": .bool(options.tty), "ports": .array(options.ports.map { JSONValue(Int($0)) }),
            ]
        }
        return tree
    }

    /// `nil` for what is no request.
    init?(_ tree: JSONValue) {
        func text(_ name: String) -> String { tree[name]?.string ?? "" }
        (namespace, name, uid, node) = (text("namespace"), text("name"), text("uid"), text("node"))
        if let log = tree["log"] {
            var options = LogOptions()
            options.container = log["container"]?.string ?? ""
            (options.follows, options.isPrevious) = (log["follow"]?.bool ?? false, log["previous"]?.bool ?? false)
            options.showsTimestamps = log["timestamps"]?.bool ?? false
            (options.tailLines, options.limitBytes) = (log["tailLines"]?.number?.integer, log["limitBytes"]?.number?.integer)
            (options.sinceSeconds, options.sinceTime) = (log["sinceSeconds"]?.number?.integer, log["sinceTime"]?.string)
            wish = .log(options)
        } else if let stream = tree["stream"], let kind = StreamKind(rawValue: text("kind")) {
            var options = StreamOptions()
            options.container = stream["container"]?.string ?? ""
            options.command = (stream["command"]?.array ?? []).compactMap(\.string)
            (options.stdin, options.stdout) = (stream["stdin"]?.bool ?? false, stream["stdout"]?.bool ?? false)
            (options.stderr, options.tty) = (stream["stderr"]?.bool ?? false, stream["tty"]?.bool ?? false)
            options.ports = (stream["ports"]?.array ?? []).compactMap { $0.integer.flatMap(UInt16.init(exactly:)) }
            wish = .stream(kind, options)
        } else {
            return nil
        }
    }
}

extension APIServer.Status {
    /// What goes over the bridge of a refusal.
    var bridged: JSONValue {
        ["code": JSONValue(code), "reason": .string(reason), "message": .string(message)]
    }

    init(bridged tree: JSONValue) {
        self.init(
            code: tree["code"]?.integer ?? 500, reason: tree["reason"]?.string ?? "InternalError",
            message: tree["message"]?.string ?? "the kubelet gave no reason")
    }
}
