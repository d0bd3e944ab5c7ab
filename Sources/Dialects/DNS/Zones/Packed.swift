/// Bytes of one entry of a zone: its hash, its key, and behind them what it says.
///
/// A zone of 10,000 services has 100,000 entries. As objects each would be ten allocations, and a look-up ten places in memory that
/// no cache holds; packed it is one.
///
/// ```
///   hash 8 | key's length 2 | key … | value …
/// ```
struct Packed: Sendable {
    var bytes: [UInt8] = []

    static let keyStart = 10

    init(_ hash: UInt64, key: [UInt8]) {
        bytes.reserveCapacity(Self.keyStart + key.count)
        append(hash)
        append(UInt16(key.count))
        bytes += key
    }

    @inline(__always) var hash: UInt64 { load(0, as: UInt64.self) }
    @inline(__always) var keyCount: Int { Int(load(8, as: UInt16.self)) }
    @inline(__always) var valueStart: Int { Self.keyStart + keyCount }
    var key: ArraySlice<UInt8> { bytes[Self.keyStart..<valueStart] }

    /// The same without the room that is left from growing.
    var fitted: Packed {
        var copy = self
        copy.bytes = bytes.withUnsafeBytes { Array($0) }
        return copy
    }

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    @inline(__always)
    func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value {
        bytes.load(offset, as: type)
    }
}

extension [UInt8] {
    /// A number in the order in which ``Packed`` keeps it; an offset outside the bytes is a mistake of ours and stops here.
    @inline(__always)
    func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value {
        Value(littleEndian: span.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }
}

/// Reads a packed value from left to right.
struct PackedReader {
    let bytes: [UInt8]
    var position: Int

    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> Int {
        defer { position += MemoryLayout<Value>.size }
        return Int(bytes.load(position, as: type))
    }

    mutating func run(_ count: Int) -> [UInt8] {
        defer { position += count }
        return Array(bytes[position..<(position + count)])
    }
}
