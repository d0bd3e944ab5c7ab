internal import Addressing
internal import CLinux
internal import DNS
internal import Glibc
internal import Logging
internal import Synchronization

/// One thread that serves one UDP socket: takes all queries that are there with one call into the kernel, and sends all answers
/// with another.
///
/// It waits in the kernel for the first of them: a socket shut for reading wakes it. Several threads serve one address by sockets
/// of their own, among which the kernel spreads the clients (SO_REUSEPORT).
final class DatagramServing: Sendable {
    private let socket: DatagramSocket
    private let desk: Desk
    private let settings: NameServerSettings
    private let outside: (any OutsideNames)?
    private let underWay: UnderWay
    private let logger: Logger
    private let isStopped = Atomic(false)

    /// Datagrams at a time: more would not fit the processor's nearest cache.
    private static let batch = 32
    /// Queries are short; what is longer is read so far.
    private static let longestQuery = 2048

    init(
        _ socket: DatagramSocket, _ desk: Desk, _ settings: NameServerSettings, outside: (any OutsideNames)?,
        _ underWay: UnderWay,
        logger: Logger
    ) {
        (self.socket, self.desk, self.settings, self.outside) = (socket, desk, settings, outside)
        (self.underWay, self.logger) = (underWay, logger)
    }

    /// No more queries come to the socket; those that came are answered, and ``run()`` returns.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        // A socket with a peer gets nothing that is from others: the sockets of whoever serves the address next get it.
        clinux_leave_group(socket.descriptor)
        clinux_wake_receivers(socket.descriptor)
    }

    /// Serves until ``stop()``. The thread's whole life.
    func run() {
        clinux_name_thread("names")
        guard let batch = clinux_batch_make(Int32(Self.batch), Self.longestQuery, Int(settings.udpSize)) else {
            return logger.error("no memory for a thread that serves names")
        }
        defer { clinux_batch_free(batch) }
        var clerk = Clerk(outside)
        var circumstances = Circumstances(.udp, udpSize: settings.udpSize, forwards: outside != nil)
        while true {
            let isStopped = isStopped.load(ordering: .acquiring)
            let count = clinux_batch_receive(batch, socket.descriptor, isStopped ? 0 : 1)
            if count > 0 {
                serve(batch, Int(count), &clerk, &circumstances)
            } else if isStopped {
                return
            } else if count < 0, !Self.passes(errno) {
                return logger.error("a thread that serves names cannot receive", metadata: ["errno": "\(errno)"])
            }
        }
    }

    /// Errors after which one goes on.
    private static func passes(_ code: Int32) -> Bool { code != EBADF && code != ENOTSOCK && code != EFAULT && code != EINVAL }
}

// MARK: - One batch

extension DatagramServing {
    /// What is done after the answers were sent, as it would hold them up.
    private struct Later {
        var errands: [(errand: Errand, way: clinux_return, client: IPAddress)] = []
        var reports: [QueryReport] = []
        var isEmpty: Bool { errands.isEmpty && reports.isEmpty }
    }

    private func serve(
        _ batch: OpaquePointer, _ count: Int, _ clerk: inout Clerk, _ circumstances: inout Circumstances
    ) {
        let start = settings.now()
        var later = Later()
        desk.open { open in
            circumstances.forwards = outside != nil && open.names.forwards
            for index in 0..<count {
                circumstances.rotation &+= 1
                answer(batch, Int32(index), &clerk, circumstances, start, &open, &later)
            }
        }
        let unsent = send(batch)
        let took = settings.now() - start
        let sent = Int(clinux_batch_answers(batch))
        desk.open { open in
            open.tally.took(took.wholeNanoseconds, times: sent)
            open.tally.unsent += UInt64(unsent)
        }
        if later.isEmpty { return }
        for (errand, way, client) in later.errands { run(errand, way, client, start) }
        for var report in later.reports {
            report.duration = took
            settings.report?(report)
        }
    }

    @inline(__always)
    private func answer(
        _ batch: OpaquePointer, _ index: Int32, _ clerk: inout Clerk, _ circumstances: Circumstances, _ start: Duration,
        _ open: inout Desk.Open, _ later: inout Later
    ) {
        var (size, isCut) = (0, Int32(0))
        guard let bytes = clinux_batch_received(batch, index, &size, &isCut) else { return }
        let packet = UnsafeBufferPointer(start: bytes, count: size).span
        let memory = UnsafeMutableRawBufferPointer(start: clinux_batch_room(batch), count: Int(settings.udpSize))
        var verdict = ResponseLimiter.Verdict.send
        if open.limiter != nil {
            verdict =
                open.limiter?.verdict(on: Self.client(batch, index), at: UInt32(truncatingIfNeeded: start.components.seconds))
                ?? .send
        }
        let turn: Clerk.Turn
        switch verdict {
        case .send: turn = clerk.answer(packet, from: Self.client(batch, index), &open, circumstances, into: memory)
        case .putOff:
            open.tally.slipped += 1
            turn = clerk.putOff(packet, circumstances, into: memory)
        case .keep:
            open.tally.kept += 1
            return
        }
        let written: Int
        switch turn {
        case .silence:
            open.tally.silences += 1
            return
        case .answer(let count): written = count
        case .errand(let errand):
            open.tally.asked(clerk.query?.type, bytes: size)
            let client = Self.client(batch, index)
            guard let refusal = underWay.begin(client) else {
                var way = clinux_return()
                clinux_batch_return(batch, index, &way)
                later.errands.append((errand, way, client))
                return
            }
            open.tally.refused(refusal)
            written = clerk.refuse(errand, refusal, packet, into: memory)
        }
        if case .answer = turn { open.tally.asked(clerk.query?.type, bytes: size) }
        let code = ResponseCode(inAnswer: UnsafeRawBufferPointer(memory), to: clerk.query)
        open.tally.answered(code, bytes: written)
        clinux_batch_answer(batch, index, written)
        guard open.names.isLogged, settings.report != nil, let query = clerk.query else { return }
        let client = Self.client(batch, index)
        later.reports.append(
            QueryReport(
                client: client, clientName: open.names.clients?[client]?.name, transport: .udp,
                question: query.question(in: packet), code: code, size: written, duration: .zero))
    }

    private static func client(_ batch: OpaquePointer, _ index: Int32) -> IPAddress {
        var place = clinux_place()
        clinux_batch_peer(batch, index, &place)
        return place.ip
    }

    /// - Returns: how many answers the kernel did not take.
    private func send(_ batch: OpaquePointer) -> Int {
        let count = clinux_batch_answers(batch)
        var (next, unsent) = (Int32(0), 0)
        while next < count {
            let sent = clinux_batch_send(batch, socket.descriptor, next)
            if sent > 0 {
                next += sent
            } else if errno != EINTR {
                // This one did not go: its client has no route, a filter refuses it.
                (next, unsent) = (next + 1, unsent + 1)
            }
        }
        return unsent
    }

    private func run(_ errand: Errand, _ way: clinux_return, _ client: IPAddress, _ start: Duration) {
        guard let outside else { return underWay.end(client) }
        errand.run(outside, { [desk] in desk.open(\.names.zones) }) { [socket, desk, underWay, settings] bytes in
            var way = way
            let sent = bytes.withUnsafeBytes { clinux_send_back(socket.descriptor, $0.baseAddress, $0.count, &way) }
            underWay.end(client)
            let took = settings.now() - start
            desk.sent(bytes, errand.reply.query, after: took)
            let name = desk.open { open -> String?? in
                if sent < 0 { open.tally.unsent += 1 }
                return open.names.isLogged ? .some(open.names.clients?[client]?.name) : nil
            }
            guard let name, let report = settings.report else { return }
            let code = bytes.withUnsafeBytes { ResponseCode(inAnswer: $0, to: errand.reply.query) }
            report(
                QueryReport(
                    client: client, clientName: name, transport: .udp, question: errand.reply.question, code: code,
                    size: bytes.count, duration: took))
        }
    }
}
