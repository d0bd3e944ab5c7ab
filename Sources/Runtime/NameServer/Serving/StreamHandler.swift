internal import Addressing
internal import DNS
internal import NIOCore

/// One connection over TCP: queries one after the other without waiting, answers in the order in which they are found (RFC 7766).
///
/// It reads on only while it can write and not too many of its queries are under way, so a client that does not read what it asked
/// for makes us hold no more than the kernel's buffers and ours of fixed size, and is hung up on in the end.
final class StreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let client: IPAddress
    private let desk: Desk
    private let settings: NameServerSettings
    private let outside: (any OutsideNames)?
    private let inAll: UnderWay
    private var clerk: Clerk
    private var circumstances: Circumstances
    private var framing = StreamFraming()
    /// Queries that wait for the world outside.
    private var underWay = 0
    /// Writes that the kernel has not taken whole.
    private var unwritten = 0
    private var isReading = false
    /// Nothing more is read: it ends when all is answered and written.
    private var isEnding = false
    /// Something went on since the last look at the clock.
    private var hasMoved = true
    private var stillLooks = 0
    private var watch: RepeatedTask?

    init(
        _ client: IPAddress, _ desk: Desk, _ settings: NameServerSettings, outside: (any OutsideNames)?, _ inAll: UnderWay
    ) {
        (self.client, self.desk, self.settings, self.outside, self.inAll) = (client, desk, settings, outside, inAll)
        clerk = Clerk(outside)
        // There is no larger transport to come back by: what fits is better than nothing.
        circumstances = Circumstances(
            .tcp, udpSize: settings.udpSize, forwards: outside != nil, truncation: .records)
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let half = TimeAmount.nanoseconds(Int64(clamping: max(settings.streams.idle.wholeNanoseconds / 2, 1)))
        watch = context.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { _ in
            let (handler, context) = bound.value
            handler.look(context)
        }
        readOn(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        watch?.cancel()
        watch = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = false
        framing.append(unwrapInboundIn(data).readableBytesView)
        goOn(context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        readOn(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { goOn(context) }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent || event as? ChannelEvent == .inputClosed {
            isEnding = true
            goOn(context)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

// MARK: - The idle limit

extension StreamHandler {
    /// Twice in the idle time: closes where neither a whole query came nor an answer went for two looks in a row. Who waits for the
    /// world outside is not idle.
    private func look(_ context: ChannelHandlerContext) {
        let waits = underWay > 0 && unwritten == 0
        stillLooks = hasMoved || waits ? 0 : stillLooks + 1
        hasMoved = false
        if stillLooks >= 2 { context.close(promise: nil) }
    }
}

// MARK: - Queries and answers

extension StreamHandler {
    private var isBusy: Bool { underWay >= settings.streams.mostUnderWay }

    /// Answers what is there as far as it may, and reads on.
    private func goOn(_ context: ChannelHandlerContext) {
        var answers = ByteBuffer()
        var isWrong = false
        while !isBusy, context.channel.isWritable, answers.readableBytes < 64 << 10, let packet = framing.next() {
            hasMoved = true
            guard answer(packet, context, &answers) else {
                isWrong = true
                break
            }
        }
        if answers.readableBytes > 0 { write(answers, context) }
        // Whoever sends what is no query does not mean well, or has lost count of the bytes.
        if isWrong { return context.close(promise: nil) }
        readOn(context)
        endIfDone(context)
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard !isEnding, !isReading, !isBusy, context.channel.isWritable else { return }
        isReading = true
        context.read()
    }

    private func endIfDone(_ context: ChannelHandlerContext) {
        if isEnding, underWay == 0, unwritten == 0, !framing.holdsMessage { context.close(promise: nil) }
    }

    private func write(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        unwritten += 1
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(bytes)).whenComplete { _ in
            let (handler, context) = bound.value
            handler.unwritten -= 1
            handler.hasMoved = true
            // What was left when this was enough for once.
            handler.goOn(context)
        }
    }

    /// - Returns: false when the packet is no query.
    private func answer(_ packet: [UInt8], _ context: ChannelHandlerContext, _ answers: inout ByteBuffer) -> Bool {
        let start = settings.now()
        circumstances.rotation &+= 1
        return withUnsafeTemporaryAllocation(byteCount: Int(UInt16.max), alignment: 8) { memory in
            let turn = desk.open { open in
                circumstances.forwards = outside != nil && open.names.forwards
                let turn = clerk.answer(packet.span, from: client, &open, circumstances, into: memory)
                if case .silence = turn {
                    open.tally.silences += 1
                } else {
                    open.tally.asked(clerk.query?.type, bytes: packet.count)
                }
                return turn
            }
            switch turn {
            case .silence: return false
            case .answer(let count): put(memory[..<count], start, packet, &answers)
            case .errand(let errand):
                guard let refusal = inAll.begin(client) else {
                    run(errand, start, context)
                    break
                }
                desk.open { $0.tally.refused(refusal) }
                let count = clerk.refuse(errand, refusal, packet.span, into: memory)
                put(memory[..<count], start, packet, &answers)
            }
            return true
        }
    }

    private func put(
        _ answer: Slice<UnsafeMutableRawBufferPointer>, _ start: Duration, _ packet: [UInt8], _ answers: inout ByteBuffer
    ) {
        answers.writeInteger(UInt16(answer.count))
        answers.writeBytes(answer)
        settle(Array(answer), clerk.query, start, clerk.query?.question(in: packet.span))
    }

    /// Counts an answer, and reports it if that is wanted.
    private func settle(_ answer: [UInt8], _ query: Query?, _ start: Duration, _ question: Question?) {
        let took = settings.now() - start
        desk.sent(answer, query, after: took)
        guard let report = settings.report, let question else { return }
        let name = desk.open { open -> String?? in
            open.names.isLogged ? .some(open.names.clients?[client]?.name) : nil
        }
        guard let name else { return }
        report(
            QueryReport(
                client: client, clientName: name, transport: .tcp, question: question,
                code: answer.withUnsafeBytes { ResponseCode(inAnswer: $0, to: query) }, size: answer.count, duration: took))
    }

    private func run(_ errand: Errand, _ start: Duration, _ context: ChannelHandlerContext) {
        guard let outside else { return inAll.end(client) }
        underWay += 1
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let (loop, inAll, client) = (context.eventLoop, inAll, client)
        errand.run(outside, { [desk] in desk.open(\.names.zones) }) { bytes in
            inAll.end(client)
            loop.execute {
                let (handler, context) = bound.value
                handler.underWay -= 1
                guard context.channel.isActive else { return }
                handler.settle(bytes, errand.reply.query, start, errand.reply.question)
                var answer = ByteBuffer()
                answer.writeInteger(UInt16(bytes.count))
                answer.writeBytes(bytes)
                handler.write(answer, context)
            }
        }
    }
}
