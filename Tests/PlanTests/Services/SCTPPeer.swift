import Addressing
import Glibc
import Netlink

/// A packet of SCTP with one chunk (RFC 9260 §3).
struct SCTPPacket: Hashable {
    var source: UInt16
    var destination: UInt16
    /// The verification tag; zero in an INIT.
    var tag: UInt32
    /// The type of its chunk.
    var kind: Kind
    /// The tag that answers are to carry, in INIT and INIT ACK.
    var initiateTag: UInt32

    enum Kind: UInt8 {
        case initiate = 1
        case initiateAcknowledgement = 2
    }

    init(_ kind: Kind, from source: UInt16, to destination: UInt16, tag: UInt32, initiateTag: UInt32) {
        (self.kind, self.source, self.destination, self.tag, self.initiateTag) = (kind, source, destination, tag, initiateTag)
    }

    /// The kernel tracks, and translates, only what has its checksum right.
    var bytes: [UInt8] {
        var packet = Self.bytes(source) + Self.bytes(destination) + Self.bytes(tag) + [0, 0, 0, 0]
        // The chunk: type, flags, length; tag, window, streams out and in, first number.
        packet += [kind.rawValue, 0, 0, 20] + Self.bytes(initiateTag) + Self.bytes(65_536 as UInt32)
        packet += Self.bytes(1 as UInt16) + Self.bytes(1 as UInt16) + Self.bytes(7 as UInt32)
        let sum = Self.checksum(packet)
        packet.replaceSubrange(8..<12, with: [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: sum >> $0) })
        return packet
    }

    /// `nil`: no such packet, or its checksum is wrong.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 32, let kind = Kind(rawValue: bytes[12]) else { return nil }
        var blank = bytes
        blank.replaceSubrange(8..<12, with: [0, 0, 0, 0])
        let sum = Self.checksum(blank)
        guard Array(bytes[8..<12]) == [0, 8, 16, 24].map({ UInt8(truncatingIfNeeded: sum >> $0) }) else { return nil }
        func number(_ range: Range<Int>) -> UInt32 { bytes[range].reduce(0) { $0 << 8 | UInt32($1) } }
        self.init(
            kind, from: UInt16(number(0..<2)), to: UInt16(number(2..<4)), tag: number(4..<8), initiateTag: number(16..<20))
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    /// CRC32c (RFC 9260 appendix A).
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
        }
    }
}

/// Somebody who speaks SCTP by raw packets: kernels without SCTP's own sockets translate and track it all the same.
final class SCTPPeer {
    private let socket: Descriptor
    private let family: IPFamily

    /// - Parameter own: the only address it is spoken to at, and speaks from; `nil`: any.
    init(in namespace: NetworkNamespace, _ family: IPFamily, at own: IPAddress? = nil) throws {
        self.family = family
        socket = try namespace.perform { () throws(KernelError) in
            let descriptor = Glibc.socket(
                family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue),
                Int32(TransportProtocol.sctp.number))
            guard descriptor >= 0 else { throw KernelError(Errno(rawValue: errno), "open a raw socket") }
            return Descriptor(owning: descriptor)
        }
        guard let own else { return }
        let code = withName(of: SocketAddress(own, 0)) { bind(socket.rawValue, $0, $1) }
        guard code == 0 else { throw KernelError(Errno(rawValue: errno), "bind \(own)") }
    }

    func send(_ packet: SCTPPacket, to address: IPAddress) throws {
        let bytes = packet.bytes
        let count = withName(of: SocketAddress(address, 0)) { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
        guard count == bytes.count else { throw KernelError(Errno(rawValue: errno), "send SCTP to \(address)") }
    }

    /// The next packet, and where it came from; `nil` when none comes within ten seconds.
    func receive() -> (packet: SCTPPacket, source: IPAddress)? {
        while true {
            guard isReadable(10_000) else { return nil }
            var peer = sockaddr_storage()
            var bytes = [UInt8](repeating: 0, count: 2048)
            let count = withPeer(&peer) { recvfrom(socket.rawValue, &bytes, bytes.count, 0, $0, $1) }
            guard count > 0 else { return nil }
            // IPv4 gives the packet with its header, IPv6 without.
            let start = family == .v4 ? Int(bytes[0] & 15) * 4 : 0
            if let packet = SCTPPacket(Array(bytes[start..<count])) { return (packet, peer.address) }
        }
    }

    /// Connected, a raw socket is told of ICMP errors; `nil` when none comes within ten seconds.
    func refusal(of packet: SCTPPacket, to address: IPAddress) throws -> Int32? {
        _ = withName(of: SocketAddress(address, 0)) { connect(socket.rawValue, $0, $1) }
        let bytes = packet.bytes
        guard Glibc.send(socket.rawValue, bytes, bytes.count, 0) == bytes.count else { return errno }
        guard isReadable(10_000) else { return nil }
        var byte: UInt8 = 0
        return recv(socket.rawValue, &byte, 1, Int32(MSG_DONTWAIT)) < 0 ? errno : nil
    }

    func isReadable(_ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// Which of them has a packet waiting, after at most ten seconds.
    static func ready(_ peers: [String: SCTPPeer]) -> String? {
        let names = peers.keys.sorted()
        var entries = names.map { pollfd(fd: peers[$0]?.socket.rawValue ?? -1, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), 10_000) > 0 else { return nil }
        return zip(names, entries).first { $1.revents != 0 }?.0
    }
}
