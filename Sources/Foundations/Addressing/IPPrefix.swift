/// A set of addresses that share their first bits, in CIDR notation (RFC 4632, RFC 4291 §2.3).
///
/// Always canonical: the bits behind the length are zero. An address that keeps its host bits beside a length is an
/// ``InterfaceAddress``.
public struct IPPrefix: Hashable, Sendable {
    /// The first address.
    public let address: IPAddress
    /// 0…32 or 0…128.
    public let length: Int

    /// The prefix of this length that holds the address. The length must fit the family.
    public init(_ address: IPAddress, length: Int) {
        precondition((0...address.family.bitWidth).contains(length), "a prefix length outside its family")
        self.address = IPAddress(family: address.family, number: address.number & Self.mask(address.family, length))
        self.length = length
    }

    /// The prefix that holds just this address: /32 or /128.
    public init(host address: IPAddress) {
        self.init(address, length: address.family.bitWidth)
    }

    /// 0.0.0.0/0 or ::/0.
    public static func all(_ family: IPFamily) -> IPPrefix { IPPrefix(.any(family), length: 0) }

    static func mask(_ family: IPFamily, _ length: Int) -> UInt128 {
        let all: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        let host = family.bitWidth - length
        return host == 128 ? 0 : (all >> UInt128(host)) << UInt128(host)
    }
}

extension IPPrefix {
    public var family: IPFamily { address.family }

    /// The last address.
    public var last: IPAddress {
        let all: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        return IPAddress(family: family, number: address.number | (all & ~Self.mask(family, length)))
    }

    /// How many addresses there are; `nil` for ::/0, whose count is one more than a 128-bit number holds.
    public var count: UInt128? {
        let host = family.bitWidth - length
        return host == 128 ? nil : UInt128(1) << UInt128(host)
    }

    public func contains(_ other: IPAddress) -> Bool {
        other.family == family && other.number & Self.mask(family, length) == address.number
    }

    public func contains(_ other: IPPrefix) -> Bool {
        other.length >= length && contains(other.address)
    }

    public func overlaps(_ other: IPPrefix) -> Bool {
        contains(other) || other.contains(self)
    }

    /// The IPv4 prefix that an IPv4-mapped one stands for (RFC 4291 §2.5.5.2): `192.0.2.0/24` of `::ffff:192.0.2.0/120`. Every other
    /// one is itself.
    public var unmapped: IPPrefix {
        guard family == .v6, length >= 96, address.number >> 32 == 0xFFFF else { return self }
        return IPPrefix(IPAddress(family: .v4, number: address.number & UInt128(UInt32.max)), length: length - 96)
    }

    /// The address at a position, counted from the first; `nil` past the end.
    public func address(at offset: UInt128) -> IPAddress? {
        if let count, offset >= count { return nil }
        return address.advanced(by: offset)
    }
}

extension IPPrefix: Comparable {
    /// By address, then the shorter prefix first.
    public static func < (a: Self, b: Self) -> Bool {
        a.address == b.address ? a.length < b.length : a.address < b.address
    }
}

extension IPPrefix: LosslessStringConvertible {
    /// Reads `address/length`. Host bits must be zero: `10.0.0.1/8` is a mistake more often than a wish.
    public init?(_ description: String) {
        guard let parsed = InterfaceAddress(description) else { return nil }
        self.init(parsed.address, length: parsed.length)
        guard address == parsed.address else { return nil }
    }

    public var description: String { "\(address)/\(length)" }
}

/// An address as it stands on an interface: with the length of the prefix it is on, host bits kept.
public struct InterfaceAddress: Hashable, Sendable {
    public let address: IPAddress
    public let length: Int

    /// The length must fit the family.
    public init(_ address: IPAddress, length: Int) {
        precondition((0...address.family.bitWidth).contains(length), "a prefix length outside its family")
        self.address = address
        self.length = length
    }

    /// /32 or /128.
    public init(host address: IPAddress) {
        self.init(address, length: address.family.bitWidth)
    }

    public var prefix: IPPrefix { IPPrefix(address, length: length) }
}

extension InterfaceAddress: Comparable {
    public static func < (a: Self, b: Self) -> Bool {
        a.address == b.address ? a.length < b.length : a.address < b.address
    }
}

extension InterfaceAddress: LosslessStringConvertible {
    public init?(_ description: String) {
        let parts = description.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])),
            let length = decimal(parts[1].utf8, upTo: address.family.bitWidth)
        else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}

/// A decimal number without sign or leading zeros, at most `limit`.
func decimal(_ text: some Collection<UInt8>, upTo limit: Int) -> Int? {
    guard let first = text.first, first != UInt8(ascii: "0") || text.count == 1 else { return nil }
    var value = 0
    for character in text {
        guard let digit = decimalDigit(character) else { return nil }
        value = value * 10 + Int(digit)
        guard value <= limit else { return nil }
    }
    return value
}
