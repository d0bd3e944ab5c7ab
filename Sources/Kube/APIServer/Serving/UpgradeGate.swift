import NIOCore
import NIOHTTP1

/// Lets only those requests for an upgrade reach NIO's upgrade handler that will be granted.
///
/// NIO's typed handler loses the head of a request whose upgrade nobody grants (2.101: it buffers the head only where there is
/// no `Upgrade` header), so the router would see a body without a head. Such a request goes on without its `Upgrade` header, as
/// the plain request that RFC 9110 §7.8 lets a server take it for; and as the last one of its connection, because the HTTP
/// decoder reads nothing behind a request that asked for an upgrade. Only a connection's first request can upgrade it, so the
/// gate leaves behind it.
final class UpgradeGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let grants: @Sendable (HTTPRequestHead) -> Bool

    init(grants: @escaping @Sendable (HTTPRequestHead) -> Bool) { self.grants = grants }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        if head.headers.contains(name: "Upgrade"), !grants(head) {
            head.headers.remove(name: "Upgrade")
            head.headers.replaceOrAdd(name: "Connection", value: "close")
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// A connection that begins with no HTTP at all has been answered, and would stay open: nothing behind the gate knows of it.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(error)
        if error is HTTPParserError { context.close(promise: nil) }
    }
}
