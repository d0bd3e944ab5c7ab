/// An IPv6 address, without a zone.
///
/// Reads every form of RFC 4291 §2.2 (with `::`, with a trailing dotted quad), writes the canonical one of RFC 5952.
public struct IPv6Address: Hashable, Sendable {
    /// The address as a number: ::1 is 1.
    public var rawValue: UInt128

    public init(rawValue: UInt128) {
        self.rawValue = rawValue
    }

    public static let any = IPv6Address(rawValue: 0)
    public static let loopback = IPv6Address(rawValue: 1)

    /// fe80::/10.
    public var isLinkLocal: Bool { rawValue >> 118 == 0x3FA }
}

extension IPv6Address {
    /// Reads sixteen bytes in network order; `nil` for any other count.
    public init?(bytes: some Sequence<UInt8>) {
        var value: UInt128 = 0
        var count = 0
        for byte in bytes {
            count += 1
            if count > 16 { return nil }
            value = value << 8 | UInt128(byte)
        }
        guard count == 16 else { return nil }
        self.init(rawValue: value)
    }

    /// The sixteen bytes in network order.
    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: rawValue >> UInt128(120 - 8 * $0)) }
    }

    /// The eight groups, most significant first.
    var groups: [UInt16] {
        (0..<8).map { UInt16(truncatingIfNeeded: rawValue >> UInt128(112 - 16 * $0)) }
    }
}

extension IPv6Address: Comparable {
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IPv6Address: LosslessStringConvertible {
    public init?(_ description: String) {
        self.init(text: Array(description.utf8))
    }

    init?(text: [UInt8]) {
        var before: [UInt16] = []
        var after: [UInt16] = []
        var compressed = false
        var rest = text[...]
        if rest.starts(with: "::".utf8) {
            compressed = true
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let colon = rest.firstIndex(of: UInt8(ascii: ":"))
            let field = rest[..<(colon ?? rest.endIndex)]
            if colon == nil, field.contains(UInt8(ascii: ".")) {
                guard let quad = IPv4Address(text: field) else { return nil }
                let pair = [UInt16(quad.rawValue >> 16), UInt16(truncatingIfNeeded: quad.rawValue)]
                if compressed { after += pair } else { before += pair }
                break
            }
            guard let group = Self.group(field) else { return nil }
            if compressed { after.append(group) } else { before.append(group) }
            guard let colon else { break }
            rest = rest[(colon + 1)...]
            if rest.first == UInt8(ascii: ":") {
                guard !compressed else { return nil }
                compressed = true
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        let given = before.count + after.count
        guard compressed ? given <= 7 : given == 8 else { return nil }
        let groups = before + Array(repeating: 0, count: 8 - given) + after
        self.init(rawValue: groups.reduce(0) { $0 << 16 | UInt128($1) })
    }

    private static func group(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for character in text {
            guard let digit = hexadecimalDigit(character) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    public var description: String {
        // RFC 5952 §5: addresses known to carry an IPv4 address keep its dotted quad.
        if rawValue >> 32 == 0xFFFF {
            return "::ffff:\(IPv4Address(rawValue: UInt32(truncatingIfNeeded: rawValue)))"
        }
        let groups = groups
        guard let run = longestZeroRun(in: groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let head = groups[..<run.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let tail = groups[run.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return head + "::" + tail
    }
}

/// RFC 5952 §4.2: the first of the longest runs of two or more zero groups.
private func longestZeroRun(in groups: [UInt16]) -> Range<Int>? {
    var best: Range<Int>?
    var start = 0
    while start < groups.count {
        var end = start
        while end < groups.count, groups[end] == 0 { end += 1 }
        if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
        start = max(end, start + 1)
    }
    return best
}
