import Addressing
import CLinux
import DNS
import Glibc
import NIOPosix
import NameServer
import Synchronization

/// A name server on loopback that does what a test says, over UDP and TCP on one port, one query at a time.
final class FakeUpstream: Sendable {
    enum Deed: Sendable {
        case send(Message)
        case bytes([UInt8])
        /// From another port than the one that was asked.
        case elsewhere(Message)
        /// TCP: the first half of a message, then the end.
        case half(Message)
        /// TCP: the end. UDP: nothing.
        case hangUp
    }

    struct Heard: Sendable {
        var query: Message
        var isTCP: Bool
        var port: UInt16
    }

    let port: UInt16
    private let heardSoFar = Mutex<[Heard]>([])
    private let answer: @Sendable (Heard, Int) -> [Deed]
    private let probed: @Sendable (Question) -> Void
    private let isOver = Mutex(false)
    private let datagrams: CInt
    private let stream: CInt
    private let threads = NIOThreadPool(numberOfThreads: 1)

    /// - Parameters:
    ///   - port: 0 for any.
    ///   - isStream: false: nobody listens over TCP.
    ///   - probed: called with probes for loops, which get no other answer than that there is no such name.
    ///   - answer: called with each query that is no probe, and how many came before it.
    init(
        port: UInt16 = 0, isStream: Bool = true, probed: @escaping @Sendable (Question) -> Void = { _ in },
        _ answer: @escaping @Sendable (Heard, Int) -> [Deed]
    ) throws {
        (self.answer, self.probed) = (answer, probed)
        var (found, udp, tcp): (UInt16, CInt, CInt) = (0, -1, -1)
        // The port of the one may be taken for the other.
        for _ in 0..<20 where udp < 0 {
            udp = Self.open(SOCK_DGRAM, port)
            guard udp >= 0 else { continue }
            found = Self.port(of: udp)
            guard isStream else { break }
            tcp = Self.open(SOCK_STREAM, found)
            if tcp < 0 || listen(tcp, 8) != 0 {
                close(udp)
                udp = -1
            }
        }
        guard udp >= 0 else { throw Unavailable() }
        (self.port, datagrams, stream) = (found, udp, tcp)
        threads.start()
        threads.submit { [self] _ in serve() }
    }

    struct Unavailable: Error {}

    /// A server that gives every name this answer.
    static func always(_ change: @escaping @Sendable (inout Message) -> Void) throws -> FakeUpstream {
        try FakeUpstream { heard, _ in
            var message = heard.query.reply
            change(&message)
            return [.send(message)]
        }
    }

    var upstream: Upstream { Upstream(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port)) }
    /// Queries in the order in which they came, without the probes for loops.
    var heard: [Heard] { heardSoFar.withLock(\.self) }

    /// The sockets are closed: from then on the kernel says that nobody is there.
    func stop() async {
        guard
            isOver.withLock({ over in
                defer { over = true }; return !over
            })
        else { return }
        let wake = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        var address = Self.loopback(port)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(wake, [0], 1, 0, $0, Self.addressSize) }
        }
        close(wake)
        try? await threads.shutdownGracefully()
    }
}

// MARK: - Serving

extension FakeUpstream {
    private func serve() {
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            var waits = [
                pollfd(fd: datagrams, events: Int16(POLLIN), revents: 0), pollfd(fd: stream, events: Int16(POLLIN), revents: 0),
            ]
            poll(&waits, stream < 0 ? 1 : 2, -1)
            if isOver.withLock(\.self) { break }
            if waits[0].revents != 0 { serveDatagram(&bytes) }
            if waits[1].revents != 0, stream >= 0 { serveConnection(&bytes) }
        }
        close(datagrams)
        if stream >= 0 { close(stream) }
    }

    private func serveDatagram(_ bytes: inout [UInt8]) {
        var peer = sockaddr_in()
        var size = Self.addressSize
        let count = withUnsafeMutablePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(datagrams, &bytes, bytes.count, 0, $0, &size) }
        }
        guard count > 0, let query = try? Message(Array(bytes[..<count])) else { return }
        for deed in deeds(query, isTCP: false, UInt16(bigEndian: peer.sin_port)) {
            switch deed {
            case .send(let message): send(message.bytes(), to: peer, by: datagrams)
            case .bytes(let bytes): send(bytes, to: peer, by: datagrams)
            case .elsewhere(let message):
                let other = Self.open(SOCK_DGRAM, 0)
                send(message.bytes(), to: peer, by: other)
                close(other)
            case .half, .hangUp: break
            }
        }
    }

    private func serveConnection(_ bytes: inout [UInt8]) {
        let peer = accept(stream, nil, nil)
        guard peer >= 0 else { return }
        _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
        defer { close(peer) }
        var framing = StreamFraming()
        while true {
            let count = recv(peer, &bytes, bytes.count, 0)
            guard count > 0 else { return }
            framing.append(bytes[..<count])
            guard let piece = framing.next() else { continue }
            guard let query = try? Message(piece) else { return }
            for deed in deeds(query, isTCP: true, 0) {
                switch deed {
                case .send(let message), .elsewhere(let message): write(StreamFraming.framed(message.bytes()) ?? [], to: peer)
                case .bytes(let bytes): write(StreamFraming.framed(bytes) ?? [], to: peer)
                case .half(let message):
                    let framed = StreamFraming.framed(message.bytes()) ?? []
                    return write(Array(framed.prefix(framed.count / 2)), to: peer)
                case .hangUp: return
                }
            }
        }
    }

    private func deeds(_ query: Message, isTCP: Bool, _ port: UInt16) -> [Deed] {
        if let question = query.questions.first, question.type == .hinfo {
            probed(question)
            var refusal = query.reply
            refusal.responseCode = .nameError
            return [.send(refusal)]
        }
        let heard = Heard(query: query, isTCP: isTCP, port: port)
        let before = heardSoFar.withLock { all in
            all.append(heard)
            return all.count - 1
        }
        return answer(heard, before)
    }

    private func write(_ bytes: [UInt8], to peer: CInt) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.send(peer, Array(rest), rest.count, CInt(MSG_NOSIGNAL))
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private func send(_ bytes: [UInt8], to peer: sockaddr_in, by socket: CInt) {
        var peer = peer
        _ = withUnsafePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(socket, bytes, bytes.count, 0, $0, Self.addressSize) }
        }
    }
}

// MARK: - Sockets

extension FakeUpstream {
    private static let addressSize = socklen_t(MemoryLayout<sockaddr_in>.size)

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func open(_ type: __socket_type, _ port: UInt16) -> CInt {
        // Programs that other tests start would keep it open otherwise, and then nobody hears that it is closed.
        let descriptor = socket(AF_INET, CInt(type.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var (address, one): (sockaddr_in, CInt) = (loopback(port), 1)
        if type == SOCK_STREAM {
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, addressSize) }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return -1
    }

    private static func port(of descriptor: CInt) -> UInt16 {
        var (address, size) = (sockaddr_in(), addressSize)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}

extension Message {
    /// An empty answer to this query, without EDNS.
    var reply: Message {
        var header = Header(id: header.id)
        header.isResponse = true
        header.isRecursionDesired = self.header.isRecursionDesired
        header.isRecursionAvailable = true
        return Message(header, questions: questions)
    }

    /// The same with an address of the question's name.
    func reply(_ last: UInt8, ttl: TimeToLive = 60) -> Message {
        var message = reply
        message.answers = questions.map { Record($0.name, .a(IPv4Address(192, 0, 2, last)), ttl: ttl) }
        return message
    }
}
