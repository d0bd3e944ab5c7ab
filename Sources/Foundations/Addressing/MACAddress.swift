/// A 48-bit Ethernet address.
public struct MACAddress: Hashable, Sendable {
    /// The low 48 bits; the rest is zero.
    public let rawValue: UInt64

    /// The number's surplus high bits are cut.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & 0xFFFF_FFFF_FFFF
    }

    /// A stable unicast address made from a number such as a hash: locally administered (IEEE 802 §8.2), never multicast.
    public init(local seed: UInt64) {
        self.init(rawValue: seed & ~(0x03 << 40) | (0x02 << 40))
    }

    public static let zero = MACAddress(rawValue: 0)
    public static let broadcast = MACAddress(rawValue: 0xFFFF_FFFF_FFFF)

    /// Reads six bytes; `nil` for any other count.
    public init?(bytes: some Sequence<UInt8>) {
        var value: UInt64 = 0
        var count = 0
        for byte in bytes {
            count += 1
            if count > 6 { return nil }
            value = value << 8 | UInt64(byte)
        }
        guard count == 6 else { return nil }
        self.init(rawValue: value)
    }

    public var bytes: [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * $0)) }
    }
}

extension MACAddress: Comparable {
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension MACAddress: LosslessStringConvertible {
    /// Reads six groups of two hexadecimal digits between colons.
    public init?(_ description: String) {
        let groups = description.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard groups.count == 6 else { return nil }
        var value: UInt64 = 0
        for group in groups {
            let digits = group.compactMap(hexadecimalDigit)
            guard group.count == 2, digits.count == 2 else { return nil }
            value = value << 8 | UInt64(digits[0]) << 4 | UInt64(digits[1])
        }
        self.init(rawValue: value)
    }

    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
