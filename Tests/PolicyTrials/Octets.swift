/// An address as its bytes: 4 or 16 of them. This module's own, as ``Tree`` is.
public struct Octets: Hashable, Sendable {
    public var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    public init?(_ text: String) {
        guard let bytes = text.contains(":") ? Self.six(text) : Self.four(text[...]) else { return nil }
        self.bytes = bytes
    }

    public var isIPv4: Bool { bytes.count == 4 }

    private static func four(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part -> UInt8? in
            guard part.allSatisfy({ ("0"..."9").contains($0) }), part == "0" || part.first != "0" else { return nil }
            return UInt8(part)
        }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }

    private static func six(_ text: String) -> [UInt8]? {
        let halves = text.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false).map(groups)
        guard let first = halves[0] else { return nil }
        guard halves.count == 2 else { return first.count == 16 ? first : nil }
        guard let second = halves[1], first.count + second.count <= 14 else { return nil }
        return first + [UInt8](repeating: 0, count: 16 - first.count - second.count) + second
    }

    private static func groups(_ text: Substring) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        var bytes: [UInt8] = []
        for group in text.split(separator: ":", omittingEmptySubsequences: false) {
            guard (1...4).contains(group.count), let number = UInt16(group, radix: 16), !group.hasPrefix("+") else { return nil }
            bytes += [UInt8(number >> 8), UInt8(number & 255)]
        }
        return bytes
    }
}

extension Octets: CustomStringConvertible {
    /// IPv6 with all its groups.
    public var description: String {
        if isIPv4 { return bytes.map(String.init).joined(separator: ".") }
        return stride(from: 0, to: bytes.count, by: 2)
            .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
    }
}

extension Octets {
    func bit(_ position: Int) -> Bool { bytes[position / 8] & (0x80 >> UInt8(position % 8)) != 0 }

    /// The first bits alone, the others zero.
    func masked(to length: Int) -> Octets {
        Octets(
            bytes.indices.map { index in
                let kept = min(max(length - index * 8, 0), 8)
                return kept == 0 ? 0 : bytes[index] & (0xFF << UInt8(8 - kept))
            })
    }
}

/// A range of addresses as it is written: the address may have bits beyond the length.
struct Block: Hashable {
    var address: Octets
    var length: Int

    init(_ address: Octets, _ length: Int) { (self.address, self.length) = (address, length) }

    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = Octets(String(parts[0])), let length = Int(parts[1]), String(length) == parts[1],
            (0...address.bytes.count * 8).contains(length)
        else { return nil }
        self.init(address, length)
    }

    private static let mappedPrefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]

    /// An IPv4 range as an IPv6 one.
    var mapped: Block { Block(Octets(Self.mappedPrefix + address.bytes), length + 96) }

    /// The IPv4 range that an IPv4-mapped one stands for.
    var unmapped: Block {
        guard length >= 96, Array(address.bytes.prefix(12)) == Self.mappedPrefix else { return self }
        return Block(Octets(Array(address.bytes.dropFirst(12))), length - 96)
    }

    var hasHostBits: Bool { address.masked(to: length) != address }

    func contains(_ other: Octets) -> Bool {
        other.bytes.count == address.bytes.count && (0..<length).allSatisfy { other.bit($0) == address.bit($0) }
    }
}
