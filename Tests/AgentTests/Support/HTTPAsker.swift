import Addressing
import CLinux
import Glibc
import Netlink

/// What came back over HTTP.
struct HTTPReply: Equatable, CustomStringConvertible {
    var status: Int
    /// By their names in lower case.
    var headers: [String: String]
    var body: String

    var description: String { "\(status) \(headers) \(body)" }
}

extension NetworkNamespace {
    /// GET, by a connection of its own; `nil` when nobody listens there.
    func get(_ path: String, at target: SocketAddress) throws -> HTTPReply? {
        let socket = try perform { () throws(KernelError) -> Descriptor in
            let family = target.address.family == .v4 ? AF_INET : AF_INET6
            return Descriptor(owning: Glibc.socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard target.withName({ connect(socket.rawValue, $0, $1) }) == 0 else {
            if errno == ECONNREFUSED || errno == ECONNRESET { return nil }
            throw Broken("connect to \(target): errno \(errno)")
        }
        let request = Array("GET \(path) HTTP/1.1\r\nhost: \(target)\r\nconnection: close\r\n\r\n".utf8)
        _ = send(socket.rawValue, request, request.count, Int32(MSG_NOSIGNAL))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(socket.rawValue, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        // Hung up on without a word.
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Broken("no status: \(text)")
        }
        let headers = lines.dropFirst().compactMap { line -> (String, String)? in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts.count == 2 ? (parts[0].lowercased(), String(parts[1].drop { $0 == " " })) : nil
        }
        return HTTPReply(
            status: status, headers: Dictionary(headers) { first, _ in first }, body: String(text[end.upperBound...]))
    }
}

extension SocketAddress {
    func withName<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch address {
        case .v4(let address):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = address.rawValue.bigEndian
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
        case .v6(let address):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
            }
        }
    }
}
