public import NIOCore
import NIOHTTP1
import NIOWebSocket
import Synchronization

/// A path where a connection becomes a WebSocket (RFC 6455).
public struct WebSocketRoute: Sendable {
    let serves: @Sendable (_ path: String) -> Bool
    /// What a client is told that asks for something else than a WebSocket; `nil` for the usual sentence.
    var advice: Status?
    /// The subprotocols spoken there, best first.
    let subprotocols: [String]
    let body: @Sendable (WebSocket) async throws -> Void

    /// - Parameters:
    ///   - serves: whether the path, without its query, is this route's.
    ///   - subprotocols: best first. A client that offers none of them is refused, and asks again or reports it.
    ///   - body: talks until it returns; then the client is told that it is over (code 1000), and the connection is closed.
    public init(
        serves: @escaping @Sendable (_ path: String) -> Bool, subprotocols: [String],
        _ body: @escaping @Sendable (WebSocket) async throws -> Void
    ) {
        self.serves = serves
        self.subprotocols = subprotocols
        self.body = body
    }

    /// The subprotocols of exec, attach and port-forward: v5 can close one stream, v4 cannot.
    public static let channelProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
}

/// What client and server agreed on. Pure.
struct WebSocketHandshake: Hashable, Sendable {
    var path: String
    var query: String
    var subprotocol: String
    /// As it came, for a route that asks who somebody is.
    var authorization: String?

    /// `nil` when the request is not for this route, or they have no subprotocol in common.
    init?(_ head: HTTPRequestHead, route: WebSocketRoute) {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts.first ?? "/")
        query = parts.count > 1 ? String(parts[1]) : ""
        let offered = Set(head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init))
        guard head.method == .GET, route.serves(path),
            let subprotocol = route.subprotocols.first(where: offered.contains)
        else { return nil }
        self.subprotocol = subprotocol
        authorization = head.headers.first(name: "Authorization")
    }
}

/// An open WebSocket, as its route sees it: whole messages.
public struct WebSocket: Sendable {
    public enum Message: Hashable, Sendable {
        case text(ByteBuffer)
        case binary(ByteBuffer)
    }

    public let path: String
    public let query: String
    public let subprotocol: String
    let authorization: String?
    private let frames: NIOAsyncChannelInboundStream<WebSocketFrame>
    private let writer: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    private let state = State()

    private final class State: Sendable {
        /// Whether somebody reads what comes, and whether we have said that we close.
        let flags = Mutex((isRead: false, isClosed: false))
    }

    fileprivate init(
        _ handshake: WebSocketHandshake, _ frames: NIOAsyncChannelInboundStream<WebSocketFrame>,
        _ writer: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    ) {
        (path, query, subprotocol) = (handshake.path, handshake.query, handshake.subprotocol)
        authorization = handshake.authorization
        self.frames = frames
        self.writer = writer
    }

    /// Hands every message to the closure, until the other side closes. Pings are answered on the way. May be called once.
    public func forEachMessage(_ body: (Message) async throws -> Void) async throws {
        state.flags.withLock { $0.isRead = true }
        for try await frame in frames {
            switch frame.opcode {
            case .text: try await body(.text(frame.unmaskedData))
            case .binary: try await body(.binary(frame.unmaskedData))
            case .ping: try await writer.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
            case .connectionClose:
                // RFC 6455 §5.5.1: a close is answered by a close with the same code.
                if isFirstClose() {
                    try await writer.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: frame.unmaskedData))
                }
                return
            default: break
            }
        }
    }

    /// Says that nothing more comes. The client answers with its own close, where ``forEachMessage(_:)`` ends: whoever waits for that
    /// knows that everything arrived, while a connection that is cut with something unread takes back what was sent, and kubectl takes one
    /// that just ends for a broken one (RFC 6455 §7.4.1, code 1000).
    public func close() async throws {
        guard isFirstClose() else { return }
        var data = ByteBuffer()
        data.write(webSocketErrorCode: .normalClosure)
        try await writer.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
    }

    private func isFirstClose() -> Bool {
        state.flags.withLock { flags in
            defer { flags.isClosed = true }
            return !flags.isClosed
        }
    }

    /// The end of a conversation that nobody has ended yet.
    fileprivate func finish() async throws {
        try await close()
        guard !state.flags.withLock({ $0.isRead }) else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await forEachMessage { _ in } }
            group.addTask { try await Task.sleep(for: Self.patience) }
            try await group.next()
            group.cancelAll()
        }
    }

    /// How long a client may take to answer a close.
    public static let patience = Duration.seconds(5)

    /// Returns when the connection has room for more, so that a slow reader slows the writer down.
    public func send(_ message: Message) async throws {
        switch message {
        case .text(let data): try await writer.write(WebSocketFrame(fin: true, opcode: .text, data: data))
        case .binary(let data): try await writer.write(WebSocketFrame(fin: true, opcode: .binary, data: data))
        }
    }
}

extension WebSocketRoute {
    /// Sends every message back: the seed of exec, and a way to try the connection.
    public static func echo(path: String) -> WebSocketRoute {
        WebSocketRoute(serves: { $0 == path }, subprotocols: channelProtocols) { socket in
            try await socket.forEachMessage { try await socket.send($0) }
        }
    }

    /// What a request to this path is told that did not become a WebSocket.
    var refusal: Status {
        advice
            ?? .badRequest("upgrade to a WebSocket with one of these subprotocols: \(subprotocols.joined(separator: ", "))")
    }

    func serve(_ connection: WebSocketConnection, _ handshake: WebSocketHandshake) async throws {
        try await connection.frames.executeThenClose { inbound, outbound in
            try await connection.isHeard.get()
            let socket = WebSocket(handshake, inbound, outbound)
            try await body(socket)
            try await socket.finish()
        }
    }
}
