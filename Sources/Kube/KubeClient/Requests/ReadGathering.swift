internal import NIOCore

/// Leaves what comes in the socket for a while when one thing follows the other closely, so that one reading takes all of it.
///
/// ```
///   alone          ● read at once                                       ● read at once
///   one of many    ● read at once ●●●●●●●●●●● read a distance later ●●●●●●●●●●●● read a distance later
/// ```
/// What came long after the channel was ready for it came alone; so after a pause nothing is late. What fills a buffer is followed
/// at once by the rest, because nothing is won by leaving it there. It stands where bytes come out of the socket.
final class ReadGathering: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let distance: TimeAmount
    private var readySince: NIODeadline = .distantPast
    private var lastReading: NIODeadline = .distantPast
    private var size = 0
    private var isOneOfMany = false
    private var pause: Scheduled<Void>?

    private static let much = 32 << 10

    /// - Parameter distance: from one reading to the next.
    init(_ distance: TimeAmount) { self.distance = distance }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        size += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lastReading = context.eventLoop.now
        isOneOfMany = size < Self.much && lastReading < readySince + TimeAmount.nanoseconds(distance.nanoseconds / 2)
        size = 0
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        guard pause == nil else { return }
        guard isOneOfMany, context.eventLoop.now < lastReading + distance else { return makeReady(context) }
        pause = context.eventLoop.assumeIsolated().scheduleTask(deadline: lastReading + distance) {
            self.pause = nil
            self.makeReady(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func makeReady(_ context: ChannelHandlerContext) {
        readySince = context.eventLoop.now
        context.read()
    }

    private func stop() {
        pause?.cancel()
        pause = nil
    }
}
