import Addressing
import Glibc
import Netlink
import Synchronization
import Testing

struct Unexpected: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// What became of a question.
enum Outcome: Hashable, CustomStringConvertible {
    /// By whom, and whom it saw.
    case answered(String, sees: String)
    case refused
    case unreachable(Int32)
    case silence

    var description: String {
        switch self {
        case .answered(let name, let source): "\(name) sees \(source)"
        case .refused: "refused"
        case .unreachable(let code): "errno \(code)"
        case .silence: "silence"
        }
    }

    var name: String? { if case .answered(let name, _) = self { name } else { nil } }
}

/// Answers with its name and the address it was asked from, on a thread of its own.
final class Echo: Sendable {
    private let name: String
    private let socket: Descriptor
    private let transport: TransportProtocol

    init(_ name: String, in namespace: NetworkNamespace, _ transport: TransportProtocol, _ own: SocketAddress) throws {
        self.name = name
        self.transport = transport
        socket = try openSocket(in: namespace, transport, own.address.family)
        guard withName(of: own, { bind(socket.rawValue, $0, $1) }) == 0 else { throw Unexpected("bind \(own): errno \(errno)") }
        if transport == .tcp {
            guard listen(socket.rawValue, 64) == 0 else { throw Unexpected("listen at \(own): errno \(errno)") }
        }
        var thread = pthread_t()
        // Safe: the one reference is taken back by the thread.
        let handle = Unmanaged.passRetained(self).toOpaque()
        guard pthread_create(&thread, nil, { Echo.run($0) }, handle) == 0 else { throw Unexpected("no thread for \(own)") }
        pthread_detach(thread)
    }

    func stop() { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }

    private static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        // Safe: the pointer is the one that init retained for this thread, and nobody else takes it back.
        let echo = Unmanaged<Echo>.fromOpaque(pointer).takeRetainedValue()
        while echo.transport == .tcp ? echo.accept() : echo.receive() {}
        return nil
    }

    private func accept() -> Bool {
        var peer = sockaddr_storage()
        let accepted = withPeer(&peer) { Glibc.accept(socket.rawValue, $0, $1) }
        guard accepted >= 0 else { return errno == EINTR || errno == ECONNABORTED }
        let text = Array("\(name) \(peer.address)".utf8)
        send(accepted, text, text.count, Int32(MSG_NOSIGNAL))
        close(accepted)
        return true
    }

    private func receive() -> Bool {
        var peer = sockaddr_storage()
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = withPeer(&peer) { recvfrom(socket.rawValue, &bytes, bytes.count, 0, $0, $1) }
        // A socket that was shut down reads nothing; every question has a byte.
        guard count > 0 else { return count < 0 && errno != EBADF && errno != ENOTCONN }
        let text = Array("\(name) \(peer.address)".utf8)
        _ = withUnsafePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket.rawValue, text, text.count, 0, $0, socklen_t(MemoryLayout<sockaddr_storage>.size))
            }
        }
        return true
    }
}

/// One socket of somebody who asks.
final class Client {
    private let socket: Descriptor
    private let transport: TransportProtocol

    /// - Parameter own: the port to ask from; `nil`: one that nobody had.
    init(
        in namespace: NetworkNamespace, _ transport: TransportProtocol, _ family: IPFamily, from own: UInt16? = nil
    ) throws {
        self.transport = transport
        socket = try openSocket(in: namespace, transport, family)
        _ = fcntl(socket.rawValue, F_SETFL, O_NONBLOCK)
        guard transport == .udp || own != nil else { return }
        // A datagram from a port that another client had before belongs to that one's connection, and goes where it went: a port
        // by chance is the same again now and then.
        let port =
            own
            ?? Self.nextPort.withLock { port -> UInt16 in
                port = port == 59_999 ? 20_000 : port + 1
                return port
            }
        let code = withName(of: SocketAddress(.any(family), port)) { bind(socket.rawValue, $0, $1) }
        guard code == 0 else { throw KernelError(Errno(rawValue: errno), "bind port \(port)") }
    }

    private static let nextPort = Mutex<UInt16>(20_000)

    func begin(_ target: SocketAddress) {
        _ = withName(of: target) { connect(socket.rawValue, $0, $1) }
        if transport == .udp { _ = Glibc.send(socket.rawValue, [1 as UInt8], 1, 0) }
    }

    func ask(_ target: SocketAddress) -> Outcome {
        if withName(of: target, { connect(socket.rawValue, $0, $1) }) != 0, errno != EINPROGRESS { return Self.outcome(errno) }
        guard transport == .udp else { return read() }
        return askAgain()
    }

    /// Over the same socket, from the same port (UDP).
    func askAgain() -> Outcome {
        guard Glibc.send(socket.rawValue, [1 as UInt8], 1, 0) == 1 else { return Self.outcome(errno) }
        return read()
    }

    /// Takes out of the way what came for earlier questions.
    func forget() {
        var bytes = [UInt8](repeating: 0, count: 256)
        while recv(socket.rawValue, &bytes, bytes.count, 0) >= 0 {}
    }

    /// What comes back.
    func read() -> Outcome {
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) == 1 else { return .silence }
            let count = recv(socket.rawValue, &bytes, bytes.count, 0)
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { return count == 0 ? .refused : Self.outcome(errno) }
            let words = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ").map(String.init)
            return words.count == 2 ? .answered(words[0], sees: words[1]) : .silence
        }
    }

    func hasSomething(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    var hasNothing: Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 0
    }

    /// What the node's own programs send and is refused does not get out of `send`: EPERM.
    private static func outcome(_ code: Int32) -> Outcome {
        [ECONNREFUSED, ECONNRESET, EPERM].contains(code) ? .refused : .unreachable(code)
    }
}

// MARK: - Sockets

private func openSocket(
    in namespace: NetworkNamespace, _ transport: TransportProtocol, _ family: IPFamily
) throws -> Descriptor {
    try namespace.perform { () throws(KernelError) in
        let kind = transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let descriptor = socket(family == .v4 ? AF_INET : AF_INET6, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        return Descriptor(owning: descriptor)
    }
}

func withName<Result>(of target: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    switch target.address {
    case .v4(let address):
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = target.port.bigEndian
        name.sin_addr.s_addr = address.rawValue.bigEndian
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    case .v6(let address):
        var name = sockaddr_in6()
        name.sin6_family = sa_family_t(AF_INET6)
        name.sin6_port = target.port.bigEndian
        withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
        }
    }
}

func withPeer<Result>(
    _ peer: inout sockaddr_storage, _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
) -> Result {
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &peer) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
    }
}

extension sockaddr_storage {
    var address: IPAddress {
        withUnsafeBytes(of: self) { bytes in
            let (start, count) = ss_family == sa_family_t(AF_INET) ? (4, 4) : (8, 16)
            return IPAddress(bytes: Array(bytes[start..<start + count])) ?? .any(.v4)
        }
    }
}
