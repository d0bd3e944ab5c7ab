import Addressing
import Plan

/// What is sent to try a tunnel: an ICMP echo request, or a datagram to a port that nobody listens on, so that the other node's kernel
/// answers either by itself.
///
/// ```
/// virtio_net_hdr (10) │ Ethernet (14) │ IPv4 (20) or IPv6 (40) │ ICMP or UDP (8) │ filling
/// ```
struct ProbeFrame: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// Its checksum is whole.
        case echo
        /// Its checksum is left to the device (`CHECKSUM_PARTIAL`), as those of pods are.
        case datagram
    }

    var kind: Kind
    /// Of the packet, from its IP header on.
    var size: Int
    /// `id` of an echo, source port of a datagram.
    var mark: UInt16
    var sequence: UInt16

    /// The first of the ports that datagrams go to; one for each sequence number. Those of traceroute, and as closed.
    static let firstPort: UInt16 = 33434
    /// The smallest with all headers of either family.
    static let smallest = 64

    var port: UInt16 { Self.firstPort &+ sequence }

    /// - Parameter target: from where to where.
    func bytes(to target: TunnelTarget) -> [UInt8] {
        let isV4 = target.own.family == .v4
        let header = isV4 ? 20 : 40
        let packet = packet(from: target.own, to: target.other)
        var bytes: [UInt8] = []
        // flags (`VIRTIO_NET_HDR_F_NEEDS_CSUM`), gso_type; hdr_len, gso_size, csum_start, csum_offset in the machine's order.
        bytes += [kind == .datagram ? 1 : 0, 0]
        for number in [0, 0, kind == .datagram ? 14 + header : 0, kind == .datagram ? 6 : 0] {
            bytes += withUnsafeBytes(of: UInt16(number)) { Array($0) }
        }
        bytes += target.macs.other.bytes + target.macs.own.bytes
        return bytes + big(etherType(isV4)) + packet
    }

    func etherType(_ isV4: Bool) -> UInt16 { isV4 ? 0x0800 : 0x86DD }

    private func packet(from own: IPAddress, to other: IPAddress) -> [UInt8] {
        let isV4 = own.family == .v4
        let length = max(size, Self.smallest) - (isV4 ? 20 : 40)
        let proto: UInt8 = kind == .datagram ? 17 : isV4 ? 1 : 58
        // What the checksum is made over besides the message: of ICMP over IPv4 nothing.
        let pseudo = own.bytes + other.bytes + big(UInt16(0)) + big(UInt16(length)) + [0, 0, 0, proto]
        var message: [UInt8]
        switch kind {
        case .echo: message = [isV4 ? 8 : 128, 0, 0, 0] + big(mark) + big(sequence)
        case .datagram: message = big(mark) + big(port) + big(UInt16(length)) + [0, 0]
        }
        message += (0..<(length - 8)).map { UInt8(truncatingIfNeeded: $0) }
        switch kind {
        case .echo:
            let sum = ~checksum((isV4 ? [] : pseudo) + message)
            message.replaceSubrange(2..<4, with: big(sum))
        case .datagram: message.replaceSubrange(6..<8, with: big(checksum(pseudo)))
        }
        guard isV4 else {
            return [0x60, 0, 0, 0] + big(UInt16(length)) + [proto, 64] + own.bytes + other.bytes + message
        }
        // 0x4000: in one piece.
        var head = [0x45, 0] + big(UInt16(20 + length)) + big(sequence) + big(UInt16(0x4000)) + [64, proto, 0, 0]
        head += own.bytes + other.bytes
        head.replaceSubrange(10..<12, with: big(~checksum(head)))
        return head + message
    }

    private func big(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }

    /// The sum of ones' complements (RFC 1071), not complemented.
    private func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
        return UInt16(sum)
    }
}

/// The answer of a node's kernel to a ``ProbeFrame``.
struct ProbeAnswer: Hashable, Sendable {
    var kind: ProbeFrame.Kind
    var mark: UInt16
    var sequence: UInt16

    /// Reads what a raw ICMP socket got: over IPv4 with the IP header before it. `nil` for everything else.
    init?(_ bytes: [UInt8], _ family: IPFamily) {
        let start = family == .v4 ? Int(bytes.first ?? 0) & 0xF * 4 : 0
        guard bytes.count >= start + 8 else { return nil }
        let message = bytes[start...].map(\.self)
        func number(_ offset: Int) -> UInt16 { UInt16(message[offset]) << 8 | UInt16(message[offset + 1]) }
        switch (family, message[0]) {
        case (.v4, 0), (.v6, 129): (kind, mark, sequence) = (.echo, number(4), number(6))
        // Unreachable: behind eight bytes is the packet that it is about. A firewall's word (prohibited) is an answer too.
        case (.v4, 3) where message[1] != 4, (.v6, 1):
            let inner = family == .v4 ? 8 + Int(message.count > 8 ? message[8] : 0) & 0xF * 4 : 48
            let proto = family == .v4 ? 17 : 14
            guard message.count >= inner + 4, message[proto] == 17, number(inner + 2) >= ProbeFrame.firstPort else { return nil }
            (kind, mark, sequence) = (.datagram, number(inner), number(inner + 2) - ProbeFrame.firstPort)
        default: return nil
        }
    }
}
