import Glibc
import Netlink

/// A connection with as little work of its own as possible, so that what is measured is the server: blocking, one request at a
/// time, and of an answer it understands the status and where it ends.
struct PlainConnection {
    let descriptor: CInt
    private var unread: [UInt8] = []

    struct Ended: Error {}

    /// Connects to a port of the loopback, from inside a namespace.
    init(_ namespace: NetworkNamespace, port: UInt16) throws {
        descriptor = try namespace.perform { () throws(KernelError) in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard withLoopback(port, { connect(descriptor, $0, $1) }) == 0 else {
                throw KernelError(Errno(rawValue: errno), "connect to port \(port)")
            }
            var one: CInt = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
            return descriptor
        }
    }

    func close() { Glibc.close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Ended() }
            sent += count
        }
    }

    func send(_ method: String, _ path: String, _ body: String = "") throws {
        try send(Array("\(method) \(path) HTTP/1.1\r\nHost: api\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
    }

    /// Sends, and returns the status and the length of the body when all of the answer is here.
    mutating func ask(_ method: String, _ path: String, _ body: String = "") throws -> (status: Int, length: Int) {
        try send(method, path, body)
        return try answer()
    }

    mutating func answer() throws -> (status: Int, length: Int) {
        let head = try head()
        var length = 0
        if let field = head.range(of: "content-length: ") {
            length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
        }
        _ = try take(length)
        return (Int(head.dropFirst(9).prefix(3)) ?? 0, length)
    }

    /// The head of an answer, in lower case.
    mutating func head() throws -> String {
        while true {
            if let end = unread.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: unread[..<end.lowerBound], as: UTF8.self).lowercased()
                unread.removeFirst(end.upperBound)
                return head
            }
            try receive()
        }
    }

    mutating func take(_ count: Int) throws -> [UInt8] {
        while unread.count < count { try receive() }
        defer { unread.removeFirst(count) }
        return Array(unread[..<count])
    }

    /// Reads what is there and says whether a piece of a streamed answer has ended with it.
    mutating func receiveLine() throws -> Bool {
        try receive()
        defer { unread.removeAll(keepingCapacity: true) }
        return unread.contains(UInt8(ascii: "}"))
    }

    private mutating func receive() throws {
        let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { unread.append(contentsOf: buffer[..<count]) }
            return count
        }
        guard count > 0 else { throw Ended() }
    }
}

extension String {
    fileprivate func range(of text: String) -> Range<String.Index>? { firstRange(of: text) }
}

/// A socket bound and listening on the loopback of a new namespace, and the namespace.
struct IsolatedSocket {
    let namespace: NetworkNamespace
    let descriptor: CInt
    let port: UInt16

    init() throws {
        namespace = try NetworkNamespace.new()
        (descriptor, port) = try namespace.perform { () throws(KernelError) in
            try bringLoopbackUp()
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard withLoopback(0, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 4096) == 0 else {
                throw KernelError(Errno(rawValue: errno), "listen on the loopback")
            }
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            return (descriptor, UInt16(bigEndian: address.sin_port))
        }
    }
}

private func bringLoopbackUp() throws(KernelError) {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    // struct ifreq: 16 bytes of name, then the flags, which for `lo` are IFF_UP alone.
    var request = [UInt8](repeating: 0, count: 40)
    request.replaceSubrange(0..<2, with: Array("lo".utf8))
    request[16] = UInt8(IFF_UP)
    guard ioctl(descriptor, UInt(SIOCSIFFLAGS), &request) == 0 else { throw KernelError(Errno(rawValue: errno), "set lo up") }
}

private func withLoopback(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}
