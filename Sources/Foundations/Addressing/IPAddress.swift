/// The two address families Kubernetes knows.
public enum IPFamily: Hashable, Sendable, CaseIterable, Comparable {
    case v4
    case v6

    /// The number of bits of an address: 32 or 128.
    public var bitWidth: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }

    /// Kubernetes' word for the family: `IPv4` or `IPv6`.
    public var name: String {
        switch self {
        case .v4: "IPv4"
        case .v6: "IPv6"
        }
    }
}

/// An address of either family.
///
/// An IPv4 address and its IPv4-mapped IPv6 form are different values: the kernel treats them as different too.
public enum IPAddress: Hashable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)
}

extension IPAddress {
    /// Reads 4 or 16 bytes in network order.
    public init?(bytes: some Collection<UInt8>) {
        if let address = IPv4Address(bytes: bytes) {
            self = .v4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// The address of a family with this number; the number's surplus high bits are cut.
    public init(family: IPFamily, number: UInt128) {
        switch family {
        case .v4: self = .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: number)))
        case .v6: self = .v6(IPv6Address(rawValue: number))
        }
    }

    public static func any(_ family: IPFamily) -> IPAddress { IPAddress(family: family, number: 0) }

    public var family: IPFamily {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// The address as a number of `family.bitWidth` bits.
    public var number: UInt128 {
        switch self {
        case .v4(let address): UInt128(address.rawValue)
        case .v6(let address): address.rawValue
        }
    }

    /// The 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let address): address.bytes
        }
    }

    /// The address `offset` further; wraps at the end of the family's space.
    public func advanced(by offset: UInt128) -> IPAddress {
        IPAddress(family: family, number: number &+ offset)
    }
}

extension IPAddress: Comparable {
    /// IPv4 sorts before IPv6, then by number.
    public static func < (a: Self, b: Self) -> Bool {
        a.family == b.family ? a.number < b.number : a.family < b.family
    }
}

extension IPAddress: LosslessStringConvertible {
    public init?(_ description: String) {
        if let address = IPv4Address(description) {
            self = .v4(address)
        } else if let address = IPv6Address(description) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}
