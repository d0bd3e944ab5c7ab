/// The bytes of a key or a datum, as they lie in the kernel's registers: every field of a concatenation padded to four bytes.
///
/// A cluster has hundreds of thousands of these, so up to 32 bytes lie in the value itself; only longer ones allocate.
public struct Value: Hashable, Sendable {
    private var first: UInt128
    private var second: UInt128
    private var rest: [UInt8]
    public private(set) var count: Int

    /// At most 64 bytes: the kernel's sixteen registers.
    public init(_ bytes: some Sequence<UInt8>) {
        var (first, second, rest, count): (UInt128, UInt128, [UInt8], Int) = (0, 0, [], 0)
        for byte in bytes {
            switch count {
            case ..<16: first |= UInt128(byte) << UInt128(8 * (15 - count))
            case ..<32: second |= UInt128(byte) << UInt128(8 * (31 - count))
            default: rest.append(byte)
            }
            count += 1
        }
        precondition(count <= 64, "a value longer than the kernel's registers")
        (self.first, self.second, self.rest, self.count) = (first, second, rest, count)
    }

    /// No bytes yet, to be appended to.
    init() { (first, second, rest, count) = (0, 0, [], 0) }

    /// Nothing is allocated below 32 bytes.
    mutating func append(_ byte: UInt8) {
        switch count {
        case ..<16: first |= UInt128(byte) << UInt128(8 * (15 - count))
        case ..<32: second |= UInt128(byte) << UInt128(8 * (31 - count))
        default: rest.append(byte)
        }
        count += 1
    }

    /// This key with a number behind it, as a field of its own: four bytes in the host's order.
    public func appending(_ number: UInt32) -> Value {
        var value = self
        withUnsafeBytes(of: number) { for byte in $0 { value.append(byte) } }
        return value
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(first)
        hasher.combine(second)
        hasher.combine(count)
        if !rest.isEmpty { hasher.combine(rest) }
    }

    /// Calls `body` with the bytes in order; nothing is allocated for values of up to 32 bytes.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard rest.isEmpty else { return bytes.withUnsafeBytes(body) }
        return withUnsafeBytes(of: (first.bigEndian, second.bigEndian)) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    public var bytes: [UInt8] {
        let inline = withUnsafeBytes(of: (first.bigEndian, second.bigEndian)) { Array($0.prefix(count)) }
        return inline + rest
    }
}

extension Value: Comparable {
    /// In the order of the bytes; a value sorts before its own extensions.
    public static func < (a: Self, b: Self) -> Bool {
        if a.first != b.first { return a.first < b.first }
        if a.second != b.second { return a.second < b.second }
        if a.rest != b.rest { return a.rest.lexicographicallyPrecedes(b.rest) }
        return a.count < b.count
    }
}

extension Value: CustomStringConvertible {
    public var description: String {
        "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
