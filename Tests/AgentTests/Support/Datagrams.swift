import Addressing
import CLinux
import Glibc
import Netlink

/// A UDP socket over IPv6 in a namespace.
final class Datagrams: Sendable {
    let socket: Descriptor
    private let scope: UInt32

    /// - Parameters:
    ///   - own: the namespace must have it on a link.
    ///   - link: the one that link-local addresses are on, the socket's own and those it sends to.
    init(in namespace: NetworkNamespace, at own: IPAddress, port: UInt16 = 0, link: String = "") throws {
        (socket, scope) = try namespace.perform { () throws(KernelError) in
            let number = Glibc.socket(AF_INET6, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            return (Descriptor(owning: number), link.isEmpty ? 0 : if_nametoindex(link))
        }
        let code = Self.with(own, port, scope: scope) { bind(socket.rawValue, $0, $1) }
        guard code == 0 else { throw Broken("bind [\(own)]:\(port): errno \(errno)") }
    }

    func send(_ text: String, to peer: IPAddress, port: UInt16) throws {
        let bytes = Array(text.utf8)
        let count = Self.with(peer, port, scope: scope) { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
        guard count == bytes.count else { throw Broken("send to [\(peer)]:\(port): errno \(errno)") }
    }

    /// The next datagram: where it came from and what it says. It must come; a test that hangs has failed.
    func receive() throws -> (source: IPAddress, text: String) {
        var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 20_000) == 1 else { throw Broken("no datagram came") }
        var bytes = [UInt8](repeating: 0, count: 2048)
        var peer = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let count = withUnsafeMutablePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket.rawValue, &bytes, bytes.count, 0, $0, &length)
            }
        }
        guard count >= 0, let source = withUnsafeBytes(of: peer.sin6_addr, { IPAddress(bytes: Array($0)) }) else {
            throw Broken("receive: errno \(errno)")
        }
        return (source, String(decoding: bytes.prefix(count), as: UTF8.self))
    }

    /// Whether nothing came by now.
    var isEmpty: Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 0
    }

    static func with<Result>(
        _ address: IPAddress, _ port: UInt16, scope: UInt32 = 0, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        six.sin6_scope_id = scope
        withUnsafeMutableBytes(of: &six.sin6_addr) { $0.copyBytes(from: address.bytes) }
        return withUnsafePointer(to: &six) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
        }
    }
}
