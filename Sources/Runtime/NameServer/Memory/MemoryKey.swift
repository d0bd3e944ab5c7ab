internal import DNS
internal import Glibc

/// What an entry is found by, in fixed memory, so that it is taken from a packet without allocating.
///
/// ```
///   the name in lower case, wire form | type 2 | class 2 | DO and CD 1
/// ```
struct MemoryKey: ~Copyable {
    private var bytes = InlineArray<264, UInt8>(repeating: 0)
    private(set) var count = 0
    /// Bytes of the name.
    private(set) var nameCount = 0

    /// Bytes behind the name.
    static let tail = 5
    private static let longestName = 255

    /// Takes the key from a packet that ``Query`` was read from.
    ///
    /// - Returns: `nil` when the packet is another.
    init?(_ query: Query, _ packet: Span<UInt8>) {
        var position = Header.size
        while true {
            guard position < packet.count else { return nil }
            let length = Int(packet[position])
            let end = position + 1 + length
            guard length < 64, end <= packet.count, end - Header.size <= Self.longestName else { return nil }
            for index in position..<end { bytes[index - Header.size] = lowercased(packet[index]) }
            position = end
            if length == 0 { break }
        }
        finish(
            position - Header.size, query.type, query.recordClass, isDNSSECWanted: query.edns?.isDNSSECWanted ?? false,
            isCheckingDisabled: query.header.isCheckingDisabled)
    }

    init(_ wish: OutsideWish) {
        let wire = wish.question.name.wire
        for index in wire.indices { bytes[index] = lowercased(wire[index]) }
        finish(
            wire.count, wish.question.type, wish.question.recordClass, isDNSSECWanted: wish.isDNSSECWanted,
            isCheckingDisabled: wish.isCheckingDisabled)
    }

    private mutating func finish(
        _ nameCount: Int, _ type: RecordType, _ recordClass: RecordClass, isDNSSECWanted: Bool, isCheckingDisabled: Bool
    ) {
        self.nameCount = nameCount
        bytes[nameCount] = UInt8(type.rawValue >> 8)
        bytes[nameCount + 1] = UInt8(truncatingIfNeeded: type.rawValue)
        bytes[nameCount + 2] = UInt8(recordClass.rawValue >> 8)
        bytes[nameCount + 3] = UInt8(truncatingIfNeeded: recordClass.rawValue)
        bytes[nameCount + 4] = (isDNSSECWanted ? 1 : 0) | (isCheckingDisabled ? 2 : 0)
        count = nameCount + Self.tail
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.span.bytes.extracting(0..<count).withUnsafeBytes(body)
    }

    /// Keyed per process, as whoever may ask could otherwise choose names that fall together.
    var hash: UInt64 {
        withBytes { bytes in
            var hasher = Hasher()
            hasher.combine(bytes: bytes)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
    }

    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard other.count == count, let there = other.baseAddress else { return false }
        return withBytes { here in here.baseAddress.map { memcmp($0, there, here.count) == 0 } ?? false }
    }
}

/// ASCII only (RFC 4343 §3).
@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
}
