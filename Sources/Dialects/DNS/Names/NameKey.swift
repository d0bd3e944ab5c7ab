/// A name as it is looked up: in lower case, with the places of its labels, in fixed memory of its own, so that a question can be
/// taken from a packet without allocating. It is large, and read into again and again, so it cannot be copied.
///
/// The memory is allocated and not inline: the compiler copies inline arrays of a borrowed value whole before it reads a word.
struct NameKey: ~Copyable {
    /// The wire form in lower case, of 255 bytes at most, and what eight bytes read at its last one reach; then ``starts``.
    private let bytes: UnsafeMutableRawBufferPointer
    /// Where each label begins, from the left; there are 127 at most.
    private var starts: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: bytes[Self.room...]) }
    private static let room = 264
    /// Bytes, the root's included.
    private(set) var count = 0
    /// Labels without the root's.
    private(set) var labels = 0

    /// The root.
    init() {
        bytes = .allocate(byteCount: Self.room + 128, alignment: 8)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        count = 1
    }

    init(_ name: DomainName) {
        self.init()
        read(name.wire, at: 0)
    }

    deinit { bytes.deallocate() }

    /// Takes the uncompressed name at a place in a message; after an error it is no name.
    ///
    /// A question's name is the first in its message and has nothing to point to, so a pointer is an error.
    mutating func read(_ message: Span<UInt8>, at start: Int) throws(MessageError) {
        var position = start
        labels = 0
        while true {
            guard position < message.count else { throw MessageError(.end, at: position) }
            let length = Int(message[position])
            if length == 0 { break }
            guard length <= DomainName.longestLabel else {
                throw MessageError(length >= 0xC0 ? .pointer : .label, at: position)
            }
            guard position - start + length + 2 <= DomainName.longestName else { throw MessageError(.nameLength, at: start) }
            starts[labels] = UInt8(truncatingIfNeeded: position - start)
            labels += 1
            position += 1 + length
        }
        count = position - start + 1
        copy(message.bytes, at: start)
    }

    /// Takes the name at a place in data whose form is known to be right.
    mutating func read(_ wire: [UInt8], at start: Int) {
        var position = start
        labels = 0
        while wire[position] != 0 {
            starts[labels] = UInt8(truncatingIfNeeded: position - start)
            labels += 1
            position += 1 + Int(wire[position])
            precondition(position - start < DomainName.longestName, "data whose form is not right came so far")
        }
        count = position - start + 1
        copy(wire.span.bytes, at: start)
    }

    /// In lower case.
    @inline(__always)
    private func copy(_ wire: RawSpan, at start: Int) {
        var index = 0
        while index + 8 <= count {
            let word = wire.unsafeLoadUnaligned(fromByteOffset: start + index, as: UInt64.self)
            bytes.storeBytes(of: lowercased(eight: word), toByteOffset: index, as: UInt64.self)
            index += 8
        }
        while index < count {
            let byte = wire.unsafeLoad(fromByteOffset: start + index, as: UInt8.self)
            bytes.storeBytes(of: lowercased(byte), toByteOffset: index, as: UInt8.self)
            index += 1
        }
    }

    /// Where the last `depth` labels begin: all of them at 0, none of them at the root's byte.
    func start(depth: Int) -> Int { depth == 0 ? count - 1 : Int(starts[labels - depth]) }

    /// The bytes of the first label, for as long as the name is not read into anew; empty for the root.
    var firstLabel: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[1..<(1 + Int(bytes[0]))]) }

    /// Appends the whole name as a key.
    func append(to array: inout [UInt8]) { array.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<count])) }

    /// The name's last `depth` labels and the root as a key.
    func suffix(depth: Int) -> [UInt8] {
        let start = start(depth: depth)
        return [UInt8](unsafeUninitializedCapacity: count - start) { buffer, filled in
            for index in start..<count { buffer[index - start] = bytes[index] }
            filled = count - start
        }
    }
}

// MARK: - Hash

/// The hash of a name grows label by label from the right, so one pass over a name gives the hashes of all zones it may be in.
///
/// Keyed per process, as whoever may create names could otherwise choose those that fall together.
enum NameHash {
    static let empty = UInt64(bitPattern: Int64(Hasher().finalize())) | 1

    @inline(__always)
    static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low ^ empty
    }
}

extension NameKey {
    /// The hash of the last `depth` labels, from that of one label less.
    @inline(__always)
    func hash(extending hash: UInt64, depth: Int) -> UInt64 {
        var (position, hash) = (Int(starts[labels - depth]), hash)
        let end = position + 1 + Int(bytes[position])
        while position < end {
            // Eight bytes at a time; the memory is padded by more than that.
            let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let rest = end - position
            hash = NameHash.mixed(hash, rest >= 8 ? word : word & (1 << UInt64(rest * 8) - 1))
            position += 8
        }
        return hash
    }

    /// The hash of the whole name.
    var hash: UInt64 { hash(depth: labels) }

    /// The hash of the last `depth` labels.
    func hash(depth: Int) -> UInt64 {
        var hash = NameHash.empty
        for depth in 1..<(depth + 1) { hash = self.hash(extending: hash, depth: depth) }
        return hash
    }

    /// Whether the last bytes of the name, from this place on, are those in a range of others.
    @inline(__always)
    func matches(_ others: [UInt8], _ range: Range<Int>, from start: Int) -> Bool {
        let length = count - start
        guard range.count == length else { return false }
        let theirs = others.span.bytes
        var index = 0
        while index + 8 <= length {
            let left = bytes.loadUnaligned(fromByteOffset: start + index, as: UInt64.self)
            let right = theirs.unsafeLoadUnaligned(fromByteOffset: range.lowerBound + index, as: UInt64.self)
            guard left == right else { return false }
            index += 8
        }
        while index < length {
            guard bytes[start + index] == others[range.lowerBound + index] else { return false }
            index += 1
        }
        return true
    }

    /// Whether an entry's key are the last bytes of the name.
    @inline(__always)
    func matches(_ entry: Packed, from start: Int) -> Bool {
        matches(entry.bytes, entry.keyRange, from: start)
    }
}

extension NameKey {
    /// Whether the first of the last `depth` labels is a lone asterisk.
    func isWildcard(depth: Int) -> Bool {
        let start = start(depth: depth)
        return bytes[start] == 1 && bytes[start + 1] == UInt8(ascii: "*")
    }
}
