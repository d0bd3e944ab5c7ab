import CLinux
import Glibc

/// ICMP echo to many addresses of both families by one process, from the network namespace of another process.
struct Ping {
    private var target: pid_t?
    private var count = 3
    private var timeout: Int32 = 1000
    private var interval: Int32 = 200
    private var addresses: [String] = []

    init(_ words: inout Words) throws(Refusal) {
        while let word = try words.next() {
            switch word {
            case "--join": target = try words.number(of: word, 1...pid_t.max)
            case "--count": count = try words.number(of: word, 1...1000)
            case "--timeout": timeout = try words.number(of: word, 1...60_000)
            case "--interval": interval = try words.number(of: word, 1...60_000)
            case _ where word.hasPrefix("--"): throw .usage("ping: “\(word)” is not understood")
            default: addresses.append(word)
            }
        }
        guard !addresses.isEmpty else { throw .usage("ping: addresses say whom") }
    }

    func run() throws(Refusal) -> Int32 {
        var echoes = try addresses.map { address throws(Refusal) in try Echoed(address) }
        if let target { try Namespaces.network.join(target) }
        let sockets = try EchoSockets(isNeeded: { family in echoes.contains { $0.family == family } })
        for round in 0..<count {
            for index in echoes.indices {
                let sent = sockets.send(to: echoes[index], index: index, round: round)
                echoes[index].sent.append(sent)
                // One after the other, so that none waits behind another; but not long for one that is slow.
                gather(&echoes, from: sockets, until: EchoSockets.now() + 3_000_000) { $0[index].missing == 0 }
            }
            let isLast = round == count - 1
            gather(&echoes, from: sockets, until: EchoSockets.now() + Int64(isLast ? timeout : interval) * 1_000_000) { echoes in
                echoes.allSatisfy { $0.missing == 0 }
            }
        }
        for echo in echoes { _ = say(echo.line + "\n") }
        return echoes.allSatisfy { $0.missing == 0 } ? 0 : 1
    }

    /// Takes what comes back until it is enough, at most until that time.
    private func gather(
        _ echoes: inout [Echoed], from sockets: EchoSockets, until end: Int64, _ isEnough: ([Echoed]) -> Bool
    ) {
        while !isEnough(echoes) {
            let left = (end - EchoSockets.now()) / 1_000_000
            guard left > 0, sockets.hasNews(within: Int32(clamping: left)) else { return }
            while let answer = sockets.receive() {
                guard echoes.indices.contains(answer.index) else { continue }
                echoes[answer.index].take(answer)
            }
        }
    }
}

/// What was sent to one address, and what came back.
struct Echoed {
    let address: String
    let family: Int32
    let bytes: [UInt8]
    /// Nanoseconds, by round; `nil`: the kernel did not take it.
    var sent: [Int64?] = []
    private var trips: [Int: Int64] = [:]

    init(_ text: String) throws(Refusal) {
        address = text
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            (family, self.bytes) = (AF_INET, Array(bytes.prefix(4)))
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            (family, self.bytes) = (AF_INET6, bytes)
        } else {
            throw .usage("ping: “\(text)” is no address")
        }
    }

    var missing: Int { sent.count - trips.count }

    mutating func take(_ answer: EchoSockets.Answer) {
        guard answer.source == bytes, sent.indices.contains(answer.round), let start = sent[answer.round] else { return }
        if trips[answer.round] == nil { trips[answer.round] = answer.time - start }
    }

    var line: String {
        let sorted = trips.values.sorted().map { $0 / 1000 }
        let (shortest, median) = (sorted.first ?? 0, sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2])
        return "\(address) sent=\(sent.count) received=\(trips.count) min_us=\(shortest) median_us=\(median)"
    }
}

/// A raw socket for each family that is asked.
struct EchoSockets {
    struct Answer {
        var source: [UInt8]
        var index: Int
        var round: Int
        var time: Int64
    }

    private var sockets: [Int32: Int32] = [:]
    private let identifier = UInt16(truncatingIfNeeded: getpid())

    init(isNeeded: (Int32) -> Bool) throws(Refusal) {
        for (family, proto) in [(AF_INET, IPPROTO_ICMP), (AF_INET6, IPPROTO_ICMPV6)] where isNeeded(family) {
            let descriptor = socket(family, Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Int32(proto))
            guard descriptor >= 0 else {
                throw .last(errno == EPERM ? "a raw socket needs root (CAP_NET_RAW)" : "a raw socket")
            }
            var room: Int32 = 1 << 20
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
            sockets[family] = descriptor
        }
    }

    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// When it went; `nil` when there is no way there.
    func send(to echo: Echoed, index: Int, round: Int) -> Int64? {
        guard let descriptor = sockets[echo.family] else { return nil }
        // Type, code, checksum, identifier, sequence (RFC 792, RFC 4443 §4.1); then what is ours: which address and which round.
        var packet: [UInt8] = [echo.family == AF_INET ? 8 : 128, 0, 0, 0]
        packet += [UInt8(identifier >> 8), UInt8(identifier & 0xFF), UInt8(index >> 8 & 0xFF), UInt8(index & 0xFF)]
        packet += (0..<4).map { UInt8(truncatingIfNeeded: index >> (24 - 8 * $0)) }
        packet += (0..<4).map { UInt8(truncatingIfNeeded: round >> (24 - 8 * $0)) }
        packet += [UInt8](repeating: 0x74, count: 40)
        if echo.family == AF_INET {
            // Over IPv6 the kernel writes the checksum, which holds the addresses too.
            let sum = Self.checksum(packet)
            (packet[2], packet[3]) = (UInt8(sum >> 8), UInt8(sum & 0xFF))
        }
        let time = Self.now()
        let sent: Int
        if echo.family == AF_INET {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: echo.bytes) }
            sent = Self.send(descriptor, packet, &address)
        } else {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: echo.bytes) }
            sent = Self.send(descriptor, packet, &address)
        }
        return sent == packet.count ? time : nil
    }

    private static func send<Address>(_ descriptor: Int32, _ packet: [UInt8], _ address: inout Address) -> Int {
        let length = socklen_t(MemoryLayout<Address>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(descriptor, packet, packet.count, 0, $0, length) }
        }
    }

    /// False when nothing came.
    func hasNews(within milliseconds: Int32) -> Bool {
        var waits = sockets.values.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        return poll(&waits, nfds_t(waits.count), milliseconds) > 0
    }

    /// The next answer to us that has come; `nil` when there is none.
    func receive() -> Answer? {
        for (family, descriptor) in sockets {
            while let answer = receive(family, descriptor) { if answer.index >= 0 { return answer } }
        }
        return nil
    }

    /// An index of -1: not for us.
    private func receive(_ family: Int32, _ descriptor: Int32) -> Answer? {
        var packet = [UInt8](repeating: 0, count: 2048)
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &packet, packet.count, 0, $0, &length)
            }
        }
        guard count > 0 else { return nil }
        let time = Self.now()
        // Over IPv4 a raw socket sees the IP header too.
        let start = family == AF_INET ? Int(packet[0] & 0xF) * 4 : 0
        let message = packet[..<count].dropFirst(start)
        let nobody = Answer(source: [], index: -1, round: 0, time: 0)
        guard message.count >= 16, message[start] == (family == AF_INET ? 0 : 129) else { return nobody }
        func number(_ offset: Int, _ bytes: Int) -> Int {
            message[(start + offset)..<(start + offset + bytes)].reduce(0) { $0 << 8 | Int($1) }
        }
        guard number(4, 2) == Int(identifier) else { return nobody }
        let source = withUnsafeBytes(of: &address) { bytes in
            // sin_addr stands at 4, sin6_addr at 8.
            Array(family == AF_INET ? bytes[4..<8] : bytes[8..<24])
        }
        return Answer(source: source, index: number(8, 4), round: number(12, 4), time: time)
    }

    /// RFC 1071.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for offset in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[offset]) << 8 | (offset + 1 < bytes.count ? UInt32(bytes[offset + 1]) : 0)
        }
        while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(sum)
    }
}
