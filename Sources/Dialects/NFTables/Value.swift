/// The bytes of a key or a datum, as they lie in the kernel's registers: every field of a concatenation padded to four bytes.
///
/// A cluster has hundreds of thousands of these, so up to 32 bytes lie in the value itself; only longer ones allocate.
public struct Value: Hashable, Sendable {
    private var first: UInt128 = 0
    private var second: UInt128 = 0
    private var rest: [UInt8] = []
    public private(set) var count = 0

    /// No bytes yet, to be appended to.
    init() {}

    /// At most 64 bytes: the kernel's sixteen registers.
    public init(_ bytes: some Sequence<UInt8>) { for byte in bytes { append(byte) } }

    /// These bytes behind its own, 64 in all at most.
    public func appending(_ bytes: UnsafeRawBufferPointer) -> Value {
        var longer = self
        for index in 0..<bytes.count { longer.append(bytes[index]) }
        return longer
    }

    /// Nothing is allocated below 32 bytes.
    mutating func append(_ byte: UInt8) {
        precondition(count < 64, "a value longer than the kernel's registers")
        switch count {
        case ..<16: first |= UInt128(byte) << UInt128(8 * (15 - count))
        case ..<32: second |= UInt128(byte) << UInt128(8 * (31 - count))
        default: rest.append(byte)
        }
        count += 1
    }

    /// This key with a number behind it, as a field of its own: four bytes in the host's order.
    public func appending(_ number: UInt32) -> Value {
        withUnsafeBytes(of: number) { appending($0) }
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
