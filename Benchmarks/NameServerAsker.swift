import CLinux
import DNS
import Glibc

/// Asks at a rate, from one thread that never waits, and tells how long answers took.
///
/// A generator of two threads on one processor measures how the kernel lets them take turns: some milliseconds for one in a hundred
/// answers, whoever answers. Here the time ends when the kernel takes in the answer, stamped by itself (`SO_TIMESTAMPNS`), so what
/// the asker does meanwhile is not in it. A question that came to its turn late by more than a millisecond, because the machine was
/// elsewhere, is left out.
struct NameServerAsker {
    /// How long answers took, in microseconds.
    struct Report: CustomStringConvertible {
        var asked = 0
        var unanswered = 0
        /// Left out, as the machine was elsewhere.
        var skipped = 0
        var median = 0.0
        var p99 = 0.0
        var p999 = 0.0

        /// One line, which ``init(_:)`` reads again.
        var description: String { "\(asked) \(unanswered) \(skipped) \(median) \(p99) \(p999)" }
    }

    private let sockets: [Int32]
    private var packets: [[UInt8]] = []

    /// As many clients as dnsperf is told to be.
    private static let clients = 8
    /// The C name is `SO_TIMESTAMPNS`.
    private static let timestamps: Int32 = 35

    init(port: Int, questions path: String) throws {
        var (own, server) = (clinux_place(), clinux_place())
        (own.address.0, own.address.3) = (127, 1)
        (server.address.0, server.address.3, server.port) = (127, 1, UInt16(port))
        sockets = try (0..<Self.clients).map { _ in
            let socket = clinux_asking_socket(&own, &server)
            var on: Int32 = 1
            guard socket >= 0, setsockopt(socket, SOL_SOCKET, Self.timestamps, &on, socklen_t(MemoryLayout<Int32>.size)) == 0
            else { throw NameServerStage.Trouble(description: "no socket to ask by: errno \(errno)") }
            return socket
        }
        for line in try NameServerStage.read(path).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 2, let name = DomainName(words[0]), let type = RecordType(words[1]) else {
                throw NameServerStage.Trouble(description: "\(line) is no question")
            }
            packets.append(Message.query(Question(name, type), id: 0, edns: EDNS(udpSize: 1232)).bytes())
        }
    }

    func ask(rate: Int, seconds: Int) -> Report {
        var sent = [Int64](repeating: 0, count: Self.clients << 16)
        var times: [Int64] = []
        times.reserveCapacity(rate * seconds)
        var report = Report()
        let (start, pause) = (clinux_clock(CLOCK_REALTIME), Int64(1_000_000_000 / rate))
        var next = start
        let end = start + Int64(seconds) * 1_000_000_000
        while true {
            let now = clinux_clock(CLOCK_REALTIME)
            // What was asked last may take its time.
            if now > end + 500_000_000 { break }
            if now >= next, next < end {
                if now - next > 1_000_000 {
                    report.skipped += Int((now - next) / pause)
                    next = now
                }
                let (client, id) = (report.asked % Self.clients, report.asked / Self.clients & 0xFFFF)
                var packet = packets[report.asked % packets.count]
                (packet[0], packet[1]) = (UInt8(id >> 8), UInt8(id & 255))
                sent[client << 16 | id] = clinux_clock(CLOCK_REALTIME)
                send(sockets[client], packet, packet.count, 0)
                report.asked += 1
                next += pause
            }
            for client in 0..<Self.clients { receive(client, &sent, &times) }
        }
        report.unanswered = report.asked - times.count
        times.sort()
        func part(_ share: Double) -> Double {
            times.isEmpty ? 0 : Double(times[min(times.count - 1, Int(Double(times.count) * share))]) / 1000
        }
        (report.median, report.p99, report.p999) = (part(0.5), part(0.99), part(0.999))
        return report
    }

    /// One answer, if there is one.
    private func receive(_ client: Int, _ sent: inout [Int64], _ times: inout [Int64]) {
        withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 16) { memory in
            let control = UnsafeMutableRawBufferPointer(rebasing: memory[1536...])
            var part = iovec(iov_base: memory.baseAddress, iov_len: 1536)
            let (count, stamp) = withUnsafeMutablePointer(to: &part) { part -> (Int, Int64) in
                var header = msghdr()
                (header.msg_iov, header.msg_iovlen) = (part, 1)
                (header.msg_control, header.msg_controllen) = (control.baseAddress, control.count)
                let count = recvmsg(sockets[client], &header, Int32(MSG_DONTWAIT))
                // struct cmsghdr has 16 bytes, then comes a struct timespec.
                guard count >= 2, header.msg_controllen >= 32 else { return (0, 0) }
                let seconds = control.loadUnaligned(fromByteOffset: 16, as: Int64.self)
                return (count, seconds * 1_000_000_000 + control.loadUnaligned(fromByteOffset: 24, as: Int64.self))
            }
            guard count >= 2 else { return }
            let place = client << 16 | Int(memory[0]) << 8 | Int(memory[1])
            guard sent[place] != 0 else { return }
            times.append(stamp - sent[place])
            sent[place] = 0
        }
    }
}

extension NameServerAsker.Report {
    init?(_ line: String) {
        let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        guard numbers.count == 6 else { return nil }
        (asked, unanswered, skipped) = (Int(numbers[0]), Int(numbers[1]), Int(numbers[2]))
        (median, p99, p999) = (numbers[3], numbers[4], numbers[5])
    }
}
