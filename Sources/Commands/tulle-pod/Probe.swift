import CLinux
import Glibc

/// A kubelet's probe over the network, from the network namespace of a node: exits 0 when it succeeds, and else 1 with the reason.
struct Probe {
    private var target: pid_t?
    private var address = ""
    private var port: UInt16 = 0
    private var path: String?
    private var headers: [String] = []
    private var timeout: Int32 = 1000

    init(_ words: inout Words) throws(Refusal) {
        var places: [String] = []
        while let word = try words.next() {
            switch word {
            case "--join": target = try words.number(of: word, 1...pid_t.max)
            case "--http": path = try words.value(of: word)
            case "--tcp": path = nil
            case "--header": headers.append(try words.value(of: word))
            case "--timeout": timeout = try words.number(of: word, 1...3_600_000)
            case _ where word.hasPrefix("--"): throw .usage("probe: “\(word)” is not understood")
            default: places.append(word)
            }
        }
        guard places.count == 2, let port = UInt16(places[1]), port > 0 else {
            throw .usage("probe: an address and a port say whom")
        }
        (address, self.port) = (places[0], port)
    }

    func run() throws(Refusal) -> Int32 {
        if let target { try Namespaces.network.join(target) }
        let outcome = try ProbeConnection(address, port, milliseconds: timeout).outcome(of: request)
        guard path != nil else { return 0 }
        let words = outcome.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let code = Int(words[1].prefix(3)) else {
            throw Refusal(status: 1, description: "no HTTP answer from \(address) port \(port)")
        }
        guard (200..<400).contains(code) else {
            throw Refusal(status: 1, description: "HTTP probe failed with statuscode: \(code)")
        }
        return 0
    }

    /// `nil`: to connect is enough.
    private var request: [UInt8]? {
        guard let path else { return nil }
        let host = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
        let names = headers.map { $0.prefix { $0 != ":" }.lowercased() }
        var lines = ["GET \(path.hasPrefix("/") ? path : "/" + path) HTTP/1.1"]
        if !names.contains("host") { lines.append("Host: \(host)") }
        if !names.contains("user-agent") { lines.append("User-Agent: kube-probe/tulle") }
        return Array(((lines + headers + ["Connection: close"]).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}

/// One connection of a probe: connects, asks, reads the first line.
private struct ProbeConnection {
    private let address: String
    private let port: UInt16
    private let deadline: Int

    init(_ address: String, _ port: UInt16, milliseconds: Int32) {
        (self.address, self.port) = (address, port)
        deadline = Self.now + Int(milliseconds)
    }

    func outcome(of request: [UInt8]?) throws(Refusal) -> String {
        let target = try Target(address, port)
        let descriptor = socket(target.family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw .last("a socket for \(address)") }
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        if target.connect(descriptor) != 0 {
            guard errno == EINPROGRESS else { throw trouble("connect") }
            try wait(descriptor, POLLOUT, "connect")
            var error: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
            guard error == 0 else { throw .of(error, "dial tcp \(place): connect") }
        }
        guard let request else { return "" }
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { throw trouble("write") }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !answer.contains(UInt8(ascii: "\n")), answer.count < 16 << 10 {
            try wait(descriptor, POLLIN, "read")
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            guard count > 0 else { break }
            answer += buffer.prefix(count)
        }
        return String(decoding: answer.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private func wait(_ descriptor: Int32, _ events: Int32, _ doing: String) throws(Refusal) {
        while true {
            let left = deadline - Self.now
            guard left > 0 else { throw .of(ETIMEDOUT, "dial tcp \(place): \(doing)") }
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            if poll(&entry, 1, Int32(left)) > 0 { return }
        }
    }

    private func trouble(_ doing: String) -> Refusal { .last("dial tcp \(place): \(doing)") }
    private var place: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }

    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
