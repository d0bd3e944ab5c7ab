/// One entry of a zone: its hash, its key, and behind them what it says, in bytes that it may share with other entries.
///
/// A zone of 10,000 services has 100,000 entries. As objects each would be ten allocations, and a look-up ten places in memory that
/// no cache holds; packed it is a part of one.
///
/// ```
///   hash 8 | length 4 | key's length 2 | key … | value …
/// ```
/// The length is that of the whole entry.
struct Packed: Sendable {
    let bytes: [UInt8]
    /// Where the entry begins.
    let start: Int

    static let keyStart = 14

    /// An entry that stands in these bytes.
    @inline(__always)
    init(_ bytes: [UInt8], at start: Int) { (self.bytes, self.start) = (bytes, start) }

    @inline(__always) var hash: UInt64 { load(start, as: UInt64.self) }
    @inline(__always) var end: Int { start + Int(load(start + 8, as: UInt32.self)) }
    @inline(__always) var keyRange: Range<Int> {
        (start + Self.keyStart)..<(start + Self.keyStart + Int(load(start + 12, as: UInt16.self)))
    }
    @inline(__always) var valueStart: Int { keyRange.upperBound }
    var key: ArraySlice<UInt8> { bytes[keyRange] }

    @inline(__always)
    func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value {
        bytes.load(offset, as: type)
    }
}

/// Writes an entry: its value is appended piece by piece.
struct PackedWriter {
    private var bytes: [UInt8] = []

    init(_ hash: UInt64, key: [UInt8]) {
        bytes.reserveCapacity(128 + key.count)
        append(hash)
        append(UInt32(0))
        append(UInt16(key.count))
        append(key)
    }

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ value: some Collection<UInt8>) { bytes += value }

    consuming func finished() -> Packed {
        withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { bytes.replaceSubrange(8..<12, with: $0) }
        return Packed(bytes, at: 0)
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

    /// Where so many bytes are, which are passed over.
    mutating func range(_ count: Int) -> Range<Int> {
        defer { position += count }
        return position..<(position + count)
    }
}
