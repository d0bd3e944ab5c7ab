import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOSSL
import NIOWebSocket

/// One accepted connection. Whether it speaks HTTP or becomes a WebSocket is known with its first request.
struct Connection: ServerChildChannelValue {
    enum Kind: Sendable {
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
        case webSocket(WebSocketConnection, WebSocketRoute, WebSocketHandshake)
    }

    let channel: any Channel
    let kind: EventLoopFuture<Kind>
}

/// Sets an accepted channel up and serves it: Hummingbird's HTTP, with NIO's upgrade before it.
///
/// ```
///   bytes ─► TLS? ─► HTTP/1 decoder ─► pipelining ─► gate ─► upgrade ─┬─► codec to HTTP types ─► Hummingbird's handleHTTP
///                                                                     └─► frame codec ─► aggregator ─► greeting ─► WebSocketRoute
/// ```
/// Hummingbird's own `HTTP1Channel` builds this pipeline without the upgrade step, and can only be had whole; its serving loop
/// (`HTTPChannelHandler.handleHTTP`) stands alone and is used as it is.
struct ConnectionSetup: ServerChildChannel, HTTPChannelHandler {
    let responder: HTTPChannelHandler.Responder
    let webSockets: [WebSocketRoute]
    let door: Doorkeeper
    /// `nil`: plain HTTP.
    let tls: TLSIdentity?
    let largestMessage: Int

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Connection> {
        channel.eventLoop.makeCompletedFuture {
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context)) }
            let upgrade = NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
                channel.eventLoop.makeCompletedFuture { Connection.Kind.http(try Self.http(channel)) }
            }
            let kind = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade))
            let handler = try channel.pipeline.syncOperations.handler(
                type: NIOTypedHTTPServerUpgradeHandler<Connection.Kind>.self)
            let gate = UpgradeGate { head in choose(for: head) != nil }
            try channel.pipeline.syncOperations.addHandler(gate, position: .before(handler))
            return Connection(channel: channel, kind: kind)
        }
    }

    func handle(value connection: Connection, logger: Logger) async {
        do {
            switch try await connection.kind.get() {
            case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
            case .webSocket(let connection, let route, let handshake):
                try await route.serve(connection, handshake)
            }
        } catch {
            // Somebody hung up, in the middle of a handshake or of a message.
            logger.debug("connection ended", metadata: ["error": "\(error)"])
            connection.channel.close(promise: nil)
        }
    }

    private static func http(_ channel: any Channel) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        // Until here NIO answers what is no HTTP with 400; from here on Hummingbird does, and a second answer is an error.
        _ = channel.pipeline.syncOperations.removeHandler(
            try channel.pipeline.syncOperations.handler(type: HTTPServerProtocolErrorHandler.self))
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel,
            configuration: NIOAsyncChannel.Configuration(isOutboundHalfClosureEnabled: true))
    }

    private var upgrader: NIOTypedWebSocketServerUpgrader<Connection.Kind> {
        NIOTypedWebSocketServerUpgrader(
            maxFrameSize: largestMessage,
            shouldUpgrade: { channel, head in
                let chosen = choose(for: head)
                let headers = chosen.map { HTTPHeaders([("Sec-WebSocket-Protocol", $0.1.subprotocol)]) }
                return channel.eventLoop.makeSucceededFuture(headers)
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    guard let (route, handshake) = choose(for: head) else {
                        throw NIOWebSocketUpgradeError.unsupportedWebSocketTarget
                    }
                    return .webSocket(try Self.webSocket(channel, largestMessage), route, handshake)
                }
            })
    }

    /// Also says what a handshake must hold for NIO to grant it: otherwise the gate must not let it through.
    private func choose(for head: HTTPRequestHead) -> (WebSocketRoute, WebSocketHandshake)? {
        guard head.headers[canonicalForm: "Upgrade"].contains(where: { $0.lowercased() == "websocket" }),
            head.headers["Sec-WebSocket-Version"] == ["13"], head.headers["Sec-WebSocket-Key"].count == 1
        else { return nil }
        guard door.mayEnter(authorization: head.headers.first(name: "Authorization")) else { return nil }
        for route in webSockets {
            if let handshake = WebSocketHandshake(head, route: route) { return (route, handshake) }
        }
        return nil
    }

    private static func webSocket(
        _ channel: any Channel, _ largestMessage: Int
    ) throws -> WebSocketConnection {
        try channel.pipeline.syncOperations.addHandler(
            NIOWebSocketFrameAggregator(
                minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024, maxAccumulatedFrameSize: largestMessage))
        try channel.pipeline.syncOperations.addHandler(WebSocketFarewell())
        let greeting = WebSocketGreeting(channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(greeting)
        return WebSocketConnection(
            frames: try NIOAsyncChannel(wrappingChannelSynchronously: channel), isHeard: greeting.isAnswered)
    }
}
