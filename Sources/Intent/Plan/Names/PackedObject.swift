internal import Addressing

/// What is kept of an object, with its name, in one piece of memory.
///
/// As values with texts and lists in them, 10,000 services with their endpoints would be some 200,000 allocations.
///
/// ```
///   key's length | namespace's length | namespace | name | value …
/// ```
/// Two are equal when they have one name, so that a set of them is a table. Lengths take one byte below 128 and have no limit.
struct PackedObject: Hashable, Sendable {
    let bytes: [UInt8]

    /// Without a value: what one is looked up with.
    init(_ namespace: String, _ name: String) {
        var key: [UInt8] = []
        key.reserveCapacity(namespace.utf8.count + name.utf8.count + 4)
        key.append(text: namespace)
        key.append(contentsOf: name.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(key.count + 2)
        bytes.append(count: key.count)
        bytes += key
        self.bytes = bytes
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var keyRange: Range<Int> {
        var reader = PackedReader(bytes, at: 0)
        return reader.range(reader.count())
    }

    var valueStart: Int { keyRange.upperBound }

    /// With other bytes in the place of these; no larger than it has to be.
    func replacing(_ range: Range<Int>, with new: [UInt8]) -> PackedObject {
        var changed: [UInt8] = []
        changed.reserveCapacity(bytes.count - range.count + new.count)
        changed += bytes[..<range.lowerBound]
        changed += new
        changed += bytes[range.upperBound...]
        return PackedObject(changed)
    }

    func with(_ value: [UInt8]) -> PackedObject { replacing(valueRange, with: value) }

    var valueRange: Range<Int> { valueStart..<bytes.count }
    var value: ArraySlice<UInt8> { bytes[valueRange] }
    /// Reads the value.
    var reader: PackedReader { PackedReader(bytes, at: valueStart) }

    var name: (namespace: String, name: String) {
        var reader = PackedReader(bytes, keyRange)
        let namespace = reader.text()
        return (namespace, reader.rest())
    }

    static func == (a: Self, b: Self) -> Bool { a.bytes[a.keyRange] == b.bytes[b.keyRange] }

    func hash(into hasher: inout Hasher) {
        let range = keyRange
        bytes.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
}

extension [UInt8] {
    mutating func append(count: Int) {
        var rest = count
        while rest > 127 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func append(text: String) {
        append(count: text.utf8.count)
        append(contentsOf: text.utf8)
    }

    mutating func append(number: UInt16) {
        append(UInt8(number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }

    /// Whose family stands elsewhere.
    mutating func append(address: IPAddress) {
        let (number, width) = (address.number, address.family.bitWidth)
        for shift in stride(from: width - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: number >> UInt128(shift)))
        }
    }

    /// Each with its family.
    mutating func append(addresses: [IPAddress]) {
        append(count: addresses.count)
        for address in addresses {
            append(address.family == .v4 ? 0 : 1)
            append(address: address)
        }
    }
}

/// Reads from left to right what was written by appending.
struct PackedReader {
    private let bytes: [UInt8]
    private(set) var position: Int
    private let end: Int

    /// - Parameter range: where to begin, and where it is at its end.
    init(_ bytes: [UInt8], _ range: Range<Int>) { (self.bytes, position, end) = (bytes, range.lowerBound, range.upperBound) }

    init(_ bytes: [UInt8], at position: Int) { self.init(bytes, position..<bytes.count) }

    var isAtEnd: Bool { position == end }

    mutating func byte() -> UInt8 {
        defer { position += 1 }
        return bytes[position]
    }

    mutating func count() -> Int {
        var (count, shift) = (0, 0)
        while true {
            let byte = byte()
            count |= Int(byte & 127) << shift
            if byte < 128 { return count }
            shift += 7
        }
    }

    /// Where so many bytes are, which are passed over.
    mutating func range(_ count: Int) -> Range<Int> {
        defer { position += count }
        return position..<(position + count)
    }

    mutating func text() -> String {
        let count = count()
        return String(decoding: bytes[range(count)], as: UTF8.self)
    }

    /// All that is left.
    mutating func rest() -> String { String(decoding: bytes[range(end - position)], as: UTF8.self) }

    mutating func number() -> UInt16 {
        let high = byte()
        return UInt16(high) << 8 | UInt16(byte())
    }

    mutating func address(_ family: IPFamily) -> IPAddress {
        var number: UInt128 = 0
        for _ in 0..<(family.bitWidth / 8) { number = number << 8 | UInt128(byte()) }
        return IPAddress(family: family, number: number)
    }

    mutating func addresses() -> [IPAddress] {
        (0..<count()).map { _ in
            let family: IPFamily = byte() == 0 ? .v4 : .v6
            return address(family)
        }
    }
}
