/// A domain name, absolute, in its wire form: labels with their lengths, ended by the empty label (RFC 1035 §3.1).
///
/// Two names are equal when they differ in the case of ASCII letters only (RFC 4343); the case itself is kept. A label holds 1 to
/// 63 bytes of any value, a name at most 255 bytes with all its lengths.
public struct DomainName: Sendable {
    /// The wire form, 1 to 255 bytes, without compression.
    public let wire: [UInt8]

    /// Labels in order, the root's empty one left out; `nil` when one is empty or longer than 63 bytes, or the whole is too long.
    public init?(labels: some Sequence<some Collection<UInt8>>) {
        var wire: [UInt8] = []
        for label in labels {
            guard (1...Self.longestLabel).contains(label.count) else { return nil }
            wire.append(UInt8(label.count))
            wire.append(contentsOf: label)
        }
        wire.append(0)
        guard wire.count <= Self.longestName else { return nil }
        self.wire = wire
    }

    /// Reads an uncompressed wire form that ends exactly with the bytes.
    public init?(wire: some Sequence<UInt8>) {
        let wire = Array(wire.prefix(Self.longestName + 1))
        guard wire.count <= Self.longestName else { return nil }
        var position = 0
        while position < wire.count, wire[position] != 0 {
            guard wire[position] <= Self.longestLabel else { return nil }
            position += Int(wire[position]) + 1
        }
        guard position == wire.count - 1 else { return nil }
        self.wire = wire
    }

    /// Whoever calls has checked the form.
    init(checked wire: [UInt8]) {
        self.wire = wire
    }

    /// The name above all others.
    public static let root = DomainName(checked: [0])

    static let longestLabel = 63
    static let longestName = 255
}

// MARK: - Family

extension DomainName {
    public var isRoot: Bool { wire.count == 1 }

    /// The labels from left to right, the root's left out.
    public var labels: [ArraySlice<UInt8>] {
        var result: [ArraySlice<UInt8>] = []
        var position = 0
        while wire[position] != 0 {
            let end = position + 1 + Int(wire[position])
            result.append(wire[(position + 1)..<end])
            position = end
        }
        return result
    }

    public var labelCount: Int {
        var count = 0
        var position = 0
        while wire[position] != 0 {
            position += 1 + Int(wire[position])
            count += 1
        }
        return count
    }

    /// The name without its first label; `nil` for the root.
    public var parent: DomainName? {
        isRoot ? nil : DomainName(checked: Array(wire[(1 + Int(wire[0]))...]))
    }

    /// The name with one more label before it; `nil` when the label or the name would be too long.
    public func child(_ label: some Collection<UInt8>) -> DomainName? {
        guard (1...Self.longestLabel).contains(label.count), wire.count + label.count + 1 <= Self.longestName else { return nil }
        var child: [UInt8] = []
        child.reserveCapacity(1 + label.count + wire.count)
        child.append(UInt8(label.count))
        child.append(contentsOf: label)
        child.append(contentsOf: wire)
        return DomainName(checked: child)
    }

    /// The name with one more label before it: the text's bytes as they are, without escapes.
    public func child(_ label: String) -> DomainName? { child(Array(label.utf8)) }

    /// True for the name itself and for all names under it.
    public func isInside(_ other: DomainName) -> Bool {
        guard wire.count >= other.wire.count else { return false }
        var position = 0
        while wire.count - position > other.wire.count { position += 1 + Int(wire[position]) }
        return wire.count - position == other.wire.count
            && zip(wire[position...], other.wire).allSatisfy { lowercased($0) == lowercased($1) }
    }

    /// True when the first label is a lone asterisk (RFC 4592 §2.1.1).
    public var isWildcard: Bool { wire.starts(with: [1, UInt8(ascii: "*")]) }

    /// The same name with its ASCII letters in lower case: what keys are made of.
    public var lowercase: DomainName { DomainName(checked: wire.map(lowercased)) }
}

// MARK: - Equality and order

extension DomainName: Hashable {
    // A length byte is at most 63 and no letter, so lengths may be folded with the rest.
    public static func == (a: Self, b: Self) -> Bool {
        if a.wire == b.wire { return true }
        return a.wire.count == b.wire.count && zip(a.wire, b.wire).allSatisfy { lowercased($0) == lowercased($1) }
    }

    public func hash(into hasher: inout Hasher) {
        wire.map(lowercased).withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension DomainName: Comparable {
    /// The canonical order of RFC 4034 §6.1: by labels from the right, a parent before its children.
    public static func < (a: Self, b: Self) -> Bool {
        let (left, right) = (a.labels.reversed(), b.labels.reversed())
        for (one, other) in zip(left, right) {
            let (one, other) = (one.map(lowercased), other.map(lowercased))
            if one != other { return one.lexicographicallyPrecedes(other) }
        }
        return left.count < right.count
    }
}

/// ASCII only (RFC 4343 §3): no locale, and bytes above 127 are as they are.
@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
}

/// Eight bytes at once: in each that is a capital letter the bit that makes it small.
@inline(__always)
func lowercased(eight word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let low = word & (0x7F &* ones)
    // The highest bit of a byte, by adding, when it is at least "A" and not above "Z"; bytes above 127 are no letters.
    let isCapital = (low &+ (0x80 - 65) &* ones) & ~(low &+ (0x80 - 91) &* ones) & ~word & (0x80 &* ones)
    return word | isCapital >> 2
}
