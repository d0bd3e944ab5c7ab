/// A packet of SCTP with one chunk (RFC 9260 §3): kernels without SCTP's own sockets translate, track and judge what is sent by raw ones.
public struct SCTPPacket: Hashable, Sendable {
    public var source: UInt16
    public var destination: UInt16
    /// The verification tag; zero in an INIT.
    public var tag: UInt32
    /// The type of its chunk.
    public var kind: Kind
    /// The tag that answers are to carry, in INIT and INIT ACK.
    public var initiateTag: UInt32

    public enum Kind: UInt8, Sendable {
        case initiate = 1
        case initiateAcknowledgement = 2
    }

    public init(_ kind: Kind, from source: UInt16, to destination: UInt16, tag: UInt32, initiateTag: UInt32) {
        (self.kind, self.source, self.destination, self.tag, self.initiateTag) = (kind, source, destination, tag, initiateTag)
    }

    /// The kernel tracks, and translates, only what has its checksum right.
    public var bytes: [UInt8] {
        var packet = Self.bytes(source) + Self.bytes(destination) + Self.bytes(tag) + [0, 0, 0, 0]
        // The chunk: type, flags, length; tag, window, streams out and in, first number.
        packet += [kind.rawValue, 0, 0, 20] + Self.bytes(initiateTag) + Self.bytes(65_536 as UInt32)
        packet += Self.bytes(1 as UInt16) + Self.bytes(1 as UInt16) + Self.bytes(7 as UInt32)
        let sum = Self.checksum(packet)
        packet.replaceSubrange(8..<12, with: [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: sum >> $0) })
        return packet
    }

    /// `nil`: no such packet, or its checksum is wrong.
    public init?(_ bytes: [UInt8]) {
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
