import CLinux
import Glibc

/// An address and a port as people write them: `192.0.2.1:80`, `[2001:db8::1]:80`.
struct Endpoint: CustomStringConvertible {
    let description: String

    /// A server for both families sees IPv4 addresses mapped into IPv6 (RFC 4291 §2.5.5.2); here they are what they were.
    init(_ address: in6_addr, port: in_port_t) {
        let bytes = withUnsafeBytes(of: address) { Array($0) }
        let number = UInt16(bigEndian: port)
        if bytes.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) {
            description = "\(bytes.suffix(4).map { String($0) }.joined(separator: ".")):\(number)"
        } else {
            var address = address
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
            description = "[\(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))]:\(number)"
        }
    }

    init(_ socket: sockaddr_in6) { self.init(socket.sin6_addr, port: socket.sin6_port) }

    /// The own end of a socket, of either family.
    init(localOf descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        self = withUnsafeBytes(of: storage) { bytes in
            guard storage.ss_family == sa_family_t(AF_INET) else { return Endpoint(bytes.load(as: sockaddr_in6.self)) }
            let four = bytes.load(as: sockaddr_in.self)
            var mapped = in6_addr()
            withUnsafeMutableBytes(of: &mapped) { out in
                out[10] = 0xFF
                out[11] = 0xFF
                out.baseAddress?.storeBytes(of: four.sin_addr.s_addr, toByteOffset: 12, as: UInt32.self)
            }
            return Endpoint(mapped, port: four.sin_port)
        }
    }

    var port: String { description.split(separator: ":").last.map(String.init) ?? "" }
}
