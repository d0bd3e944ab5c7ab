internal import Addressing
internal import CLinux
internal import Glibc

/// A bound socket. It is closed with the last who holds it: answers that come late still have it.
final class DatagramSocket: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }
}

extension clinux_place {
    init(_ address: IPAddress, port: UInt16) {
        self.init()
        self.port = port
        is_v6 = address.family == .v6 ? 1 : 0
        let bytes = address.bytes
        withUnsafeMutableBytes(of: &self.address) { $0.copyBytes(from: bytes) }
    }

    /// The address, without an array.
    var ip: IPAddress {
        withUnsafeBytes(of: address) { bytes in
            if is_v6 == 0 { return .v4(IPv4Address(rawValue: UInt32(bigEndian: bytes.load(as: UInt32.self)))) }
            return .v6(IPv6Address(rawValue: UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self))))
        }
    }
}
