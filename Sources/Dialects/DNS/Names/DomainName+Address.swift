public import Addressing

/// Addresses as names: the reverse trees (RFC 1035 §3.5, RFC 3596 §2.5) and the dashed labels that clusters use.
extension DomainName {
    /// The name under `in-addr.arpa` or `ip6.arpa` at which an address' PTR records stand.
    public init(reversing address: IPAddress) {
        self = Self.reverse(address, digits: address.family.bitWidth / Self.bitsPerLabel(address.family))
    }

    /// The address whose reverse name this is; `nil` for other names, also for those above an address.
    public var reversedAddress: IPAddress? {
        for family in IPFamily.allCases where isInside(Self.reverseRoot(family)) {
            let labels = Array(labels.dropLast(2))
            guard labels.count == family.bitWidth / Self.bitsPerLabel(family) else { return nil }
            var number: UInt128 = 0
            for label in labels.reversed() {
                guard let digit = Self.digit(label, family) else { return nil }
                number = number << UInt128(Self.bitsPerLabel(family)) | UInt128(digit)
            }
            return IPAddress(family: family, number: number)
        }
        return nil
    }

    /// The zones that hold the reverse names of exactly a prefix's addresses, in order: labels are 8 or 4 bits wide, so a prefix
    /// whose length lies between needs up to 128 or 8 of them.
    ///
    /// `10.96.0.0/15` gives `96.10.in-addr.arpa.` and `97.10.in-addr.arpa.`.
    public static func reverseZones(of prefix: IPPrefix) -> [DomainName] {
        let width = bitsPerLabel(prefix.family)
        let digits = (prefix.length + width - 1) / width
        let step = UInt128(1) << UInt128(prefix.family.bitWidth - digits * width)
        let count = 1 << (digits * width - prefix.length)
        return (0..<count).map { reverse(prefix.address.advanced(by: step * UInt128($0)), digits: digits) }
    }

    private static func bitsPerLabel(_ family: IPFamily) -> Int { family == .v4 ? 8 : 4 }

    private static func reverseRoot(_ family: IPFamily) -> DomainName {
        switch family {
        case .v4: DomainName(checked: [7] + "in-addr".utf8 + [4] + "arpa".utf8 + [0])
        case .v6: DomainName(checked: [3] + "ip6".utf8 + [4] + "arpa".utf8 + [0])
        }
    }

    /// The first so many digits of an address, reversed: at most 74 bytes, so never too long.
    private static func reverse(_ address: IPAddress, digits: Int) -> DomainName {
        let (width, root) = (bitsPerLabel(address.family), reverseRoot(address.family).wire)
        let mask = UInt128(1) << UInt128(width) - 1
        var wire: [UInt8] = []
        wire.reserveCapacity(digits * (address.family == .v4 ? 4 : 2) + root.count)
        for index in (0..<digits).reversed() {
            let digit = UInt8(address.number >> UInt128(address.family.bitWidth - (index + 1) * width) & mask)
            let start = wire.count
            wire.append(0)
            switch address.family {
            case .v4: wire.append(decimal: digit)
            case .v6: wire.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
            wire[start] = UInt8(wire.count - start - 1)
        }
        return DomainName(checked: wire + root)
    }

    /// One label as a digit: decimal up to 255 without leading zeros, or one hexadecimal character.
    private static func digit(_ label: ArraySlice<UInt8>, _ family: IPFamily) -> UInt8? {
        let text = String(decoding: label, as: UTF8.self)
        switch family {
        case .v4:
            guard let digit = UInt8(text), String(digit) == text else { return nil }
            return digit
        case .v6:
            guard label.count == 1, label.first != UInt8(ascii: "+"), label.first != UInt8(ascii: "-") else { return nil }
            return UInt8(text, radix: 16)
        }
    }
}

// MARK: - Dashed

/// An address written as one label, `172-0-0-2` or `5678-abcd--1`: its text with dashes for dots and colons.
public enum DashedAddress {
    /// The label of an address.
    public static func label(_ address: IPAddress) -> String { String(decoding: bytes(address), as: UTF8.self) }

    /// The same as it stands in a name. An IPv6 address is written in groups only, as a quad's dots could not be told from colons.
    public static func bytes(_ address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let address):
            var label: [UInt8] = []
            label.reserveCapacity(15)
            for shift: UInt32 in [24, 16, 8, 0] {
                if shift < 24 { label.append(dash) }
                label.append(decimal: UInt8(truncatingIfNeeded: address.rawValue >> shift))
            }
            return label
        case .v6(let address):
            if address.rawValue >> 32 == 0xFFFF {
                let (high, low) = (address.rawValue >> 16 & 0xFFFF, address.rawValue & 0xFFFF)
                return Array("--ffff-\(String(high, radix: 16))-\(String(low, radix: 16))".utf8)
            }
            return address.description.utf8.map { $0 == UInt8(ascii: ":") ? dash : $0 }
        }
    }

    /// The address that a label writes, in either case; `nil` when it writes none.
    public static func address(_ label: some Collection<UInt8>) -> IPAddress? {
        // The shortest is `--`, the longest eight groups of four.
        // Most labels are none, and are seen to be at their first letters.
        guard (2...39).contains(label.count),
            label.allSatisfy({ $0 == dash || hexDigits.contains($0 | 0x20) || decimalDigit($0) != nil })
        else { return nil }
        func text(_ separator: Unicode.Scalar) -> String {
            String(decoding: label.map { $0 == dash ? UInt8(ascii: separator) : $0 }, as: UTF8.self)
        }
        if let address = IPv4Address(text(".")) { return .v4(address) }
        return IPv6Address(text(":")).map(IPAddress.v6)
    }

    private static let dash = UInt8(ascii: "-")
    private static let hexDigits = UInt8(ascii: "a")...UInt8(ascii: "f")
}

extension [UInt8] {
    fileprivate mutating func append(decimal number: UInt8) {
        let zero = UInt8(ascii: "0")
        if number >= 100 { append(zero + number / 100) }
        if number >= 10 { append(zero + number / 10 % 10) }
        append(zero + number % 10)
    }
}
