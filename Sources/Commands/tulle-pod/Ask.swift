import Glibc

/// The client of a pod: one question, one answer, and how long it took.
struct Ask {
    private(set) var isStream = true
    private var address = ""
    private var port: UInt16 = 0
    private var message = "hello"
    private var timeout: Int32 = 2000

    private static let refused: Int32 = 1
    private static let timedOut: Int32 = 2
    private static let unreachable: Int32 = 3

    /// - Parameter command: what a wrong word is told of.
    init(_ words: inout Words, as command: String = "ask") throws(Refusal) {
        var hasProtocol = false
        var places: [String] = []
        while let word = try words.next() {
            switch word {
            case "--tcp", "--udp":
                isStream = word == "--tcp"
                hasProtocol = true
            case "--message": message = try words.value(of: word)
            case "--timeout": timeout = try words.number(of: word, 1...3_600_000)
            case _ where word.hasPrefix("--"): throw .usage("\(command): “\(word)” is not understood")
            default: places.append(word)
            }
        }
        guard hasProtocol else { throw .usage("\(command): --tcp or --udp says how") }
        guard places.count == 2 else { throw .usage("\(command): an address and a port say whom") }
        guard let port = UInt16(places[1]), port > 0 else { throw .usage("\(command): “\(places[1])” is no port") }
        (address, self.port) = (places[0], port)
    }

    func run() throws(Refusal) -> Int32 {
        let begin = Self.now
        let descriptor = try connect()
        let answer = try question(descriptor, began: begin)
        let elapsed = Self.now - begin
        let figures = "rtt_us=\(elapsed) local=\(Endpoint(localOf: descriptor))\n"
        return write(Array(figures.utf8) + answer, to: STDOUT_FILENO) ? 0 : Self.refused
    }
}

extension Ask {
    /// A socket to the other end, over TCP a connection; the caller closes it.
    func connect() throws(Refusal) -> Int32 {
        let target = try Target(address, port)
        let deadline = Self.now + Int(timeout) * 1000
        let descriptor = socket(target.family, Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
        guard descriptor >= 0 else { throw .last("a socket for \(address)", status: Self.unreachable) }
        do throws(Refusal) {
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            if target.connect(descriptor) != 0 {
                guard errno == EINPROGRESS else { throw trouble(errno, "connecting to") }
                try wait(descriptor, POLLOUT, until: deadline, "connecting to")
                try check(descriptor, "connecting to")
            }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Sends the line, and waits for the answer.
    ///
    /// - Parameter began: when the time began to run, in microseconds; `nil`: now.
    func question(_ descriptor: Int32, began: Int? = nil) throws(Refusal) -> [UInt8] {
        try send(Array(message.utf8) + [UInt8(ascii: "\n")], descriptor)
        return try receive(descriptor, until: (began ?? Self.now) + Int(timeout) * 1000)
    }
}

extension Ask {
    private func send(_ bytes: [UInt8], _ descriptor: Int32) throws(Refusal) {
        // A line fits any socket's buffer, so a short write is a broken connection.
        let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == bytes.count else { throw trouble(sent < 0 ? errno : EMSGSIZE, "sending to") }
    }

    /// A datagram, or a line; a stream that ends before the end of a line ends the answer.
    private func receive(_ descriptor: Int32, until deadline: Int) throws(Refusal) -> [UInt8] {
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            try wait(descriptor, POLLIN, until: deadline, "waiting for the answer of")
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else { throw trouble(errno, "waiting for the answer of") }
            answer += buffer.prefix(count)
            if !isStream { return answer }
            if count == 0, answer.isEmpty {
                throw Refusal(status: Self.refused, description: "\(place) closed the connection without an answer")
            }
            if count == 0 || answer.last == UInt8(ascii: "\n") || answer.count > 1 << 20 { return answer }
        }
    }

    private func wait(_ descriptor: Int32, _ events: Int32, until deadline: Int, _ doing: String) throws(Refusal) {
        while true {
            let left = deadline - Self.now
            guard left > 0 else { throw trouble(ETIMEDOUT, doing) }
            var wait = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let ready = poll(&wait, 1, Int32((left + 999) / 1000))
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw trouble(errno, doing) }
        }
    }

    /// What came of a connection that was begun.
    private func check(_ descriptor: Int32, _ doing: String) throws(Refusal) {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 else { throw trouble(errno, doing) }
        if error != 0 { throw trouble(error, doing) }
    }

    private func trouble(_ error: Int32, _ doing: String) -> Refusal {
        let status =
            switch error {
            case ECONNREFUSED, ECONNRESET, EPIPE: Self.refused
            case ETIMEDOUT: Self.timedOut
            default: Self.unreachable
            }
        return .of(error, "\(doing) \(place)", status: status)
    }

    private var place: String { "\(address) port \(port) over \(isStream ? "TCP" : "UDP")" }

    /// Microseconds.
    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}

/// Where a question goes: an address of either family, `fe80::1%eth0` too.
struct Target {
    let family: Int32
    private var four = sockaddr_in()
    private var six = sockaddr_in6()

    init(_ address: String, _ port: UInt16) throws(Refusal) {
        let parts = address.split(separator: "%", maxSplits: 1)
        if inet_pton(AF_INET, address, &four.sin_addr) == 1 {
            family = AF_INET
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
        } else if let host = parts.first, inet_pton(AF_INET6, String(host), &six.sin6_addr) == 1 {
            family = AF_INET6
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = port.bigEndian
            if parts.count == 2 {
                six.sin6_scope_id = if_nametoindex(String(parts[1]))
                guard six.sin6_scope_id > 0 else { throw .last("the interface \(parts[1])", status: 3) }
            }
        } else {
            throw .usage("ask: “\(address)” is no address; names are not resolved here")
        }
    }

    func connect(_ descriptor: Int32) -> Int32 {
        family == AF_INET ? Self.connect(descriptor, four) : Self.connect(descriptor, six)
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: Address) -> Int32 {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}
