import NIOCore
import NIOWebSocket

/// A connection that became a WebSocket.
struct WebSocketConnection: Sendable {
    let frames: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
    /// Done once the client is known to read, or had its time (``WebSocketGreeting``).
    let isHeard: EventLoopFuture<Void>
}

/// Asks a new client for a sign that it reads, before anything is told to it.
///
/// kubectl starts reading before it has made the streams that it sorts messages into, and throws away what comes in between ("Unknown stream
/// id 1, discarding message"): of a command that is over at once it then shows nothing, not even how it ended. Its reader answers a ping
/// (RFC 6455 §5.5.2), and when that answer has come back here the streams have long been made. A client that does not answer is served
/// a second later.
final class WebSocketGreeting: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    /// What the ping carries, and the answer brings back.
    static let sign = ByteBuffer(string: "tulle")
    static let patience = TimeAmount.seconds(1)

    let isAnswered: EventLoopFuture<Void>
    private let promise: EventLoopPromise<Void>
    private var deadline: Scheduled<Void>?

    init(_ loop: any EventLoop) {
        promise = loop.makePromise()
        isAnswered = promise.futureResult
    }

    func handlerAdded(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .ping, data: Self.sign)), promise: nil)
        deadline = context.eventLoop.scheduleTask(in: Self.patience) { [promise] in promise.succeed() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard frame.opcode == .pong, frame.unmaskedData == Self.sign else { return context.fireChannelRead(data) }
        promise.succeed()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        promise.succeed()
    }
}

/// Tells the client that the server goes away (RFC 6455 §7.4.1, code 1001), and closes.
final class WebSocketFarewell: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent else { return context.fireUserInboundEventTriggered(event) }
        var data = context.channel.allocator.buffer(capacity: 2)
        data.write(webSocketErrorCode: .goingAway)
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
        context.close(promise: nil)
    }
}
