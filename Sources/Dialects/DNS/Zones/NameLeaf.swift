/// Entries whose hashes end in the same bits, in one piece of memory.
///
/// ```
///   bits 4 | count 4 | first byte of each hash …, to a multiple of 8 | place of each entry 4 … | entry …
/// ```
/// Eight of the hashes' first bytes are compared at a time.
struct NameLeaf: Sendable {
    private let bytes: [UInt8]

    private static let tagStart = 8

    /// An empty one, for all hashes: all that an empty tree has.
    static let none = NameLeaf(bits: 0, [])

    /// - Parameter bits: in how many bits the hashes end alike.
    init(bits: Int, _ entries: [Packed]) {
        let places = Self.placeStart(entries.count)
        let start = places + 4 * entries.count
        let size = entries.reduce(start) { $0 + $1.end - $1.start }
        bytes = [UInt8](unsafeUninitializedCapacity: size) { memory, filled in
            let memory = UnsafeMutableRawBufferPointer(memory)
            memory.storeBytes(of: UInt32(bits).littleEndian, as: UInt32.self)
            memory.storeBytes(of: UInt32(entries.count).littleEndian, toByteOffset: 4, as: UInt32.self)
            memory[Self.tagStart..<places].initializeMemory(as: UInt8.self, repeating: 0)
            var end = start
            for (index, entry) in entries.enumerated() {
                memory[Self.tagStart + index] = Self.tag(entry.hash)
                memory.storeBytes(of: UInt32(end).littleEndian, toByteOffset: places + 4 * index, as: UInt32.self)
                entry.bytes.withUnsafeBytes { theirs in
                    let range = entry.start..<entry.end
                    memory[end..<(end + range.count)].copyBytes(from: theirs[range])
                    end += range.count
                }
            }
            filled = size
        }
    }

    @inline(__always) private static func tag(_ hash: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: hash >> 56) }
    @inline(__always) private static func placeStart(_ count: Int) -> Int { tagStart + (count + 7) & ~7 }

    var bits: Int { Int(bytes.load(0, as: UInt32.self)) }
    @inline(__always) var count: Int { Int(bytes.load(4, as: UInt32.self)) }

    var size: Int { bytes.count }

    @inline(__always) func entry(at place: Int) -> Packed { Packed(bytes, at: place) }

    var entries: [Packed] {
        let start = Self.placeStart(count)
        return (0..<count).map { entry(at: Int(bytes.load(start + 4 * $0, as: UInt32.self))) }
    }

    /// With an entry in place of the one with this key; without one, with none. `nil` when that changes nothing.
    func replacing(_ hash: UInt64, _ key: ArraySlice<UInt8>, with new: Packed?) -> NameLeaf? {
        var entries = entries
        if let index = entries.firstIndex(where: { $0.hash == hash && $0.key == key }) {
            if let new { entries[index] = new } else { entries.remove(at: index) }
        } else if let new {
            entries.append(new)
        } else {
            return nil
        }
        return NameLeaf(bits: bits, entries)
    }

    /// By the next bit, those without it first.
    func split() -> (NameLeaf, NameLeaf) {
        let (entries, bit) = (entries, UInt64(1) << UInt64(bits))
        return (
            NameLeaf(bits: bits + 1, entries.filter { $0.hash & bit == 0 }),
            NameLeaf(bits: bits + 1, entries.filter { $0.hash & bit != 0 })
        )
    }
}

// MARK: - Asking

extension NameLeaf {
    /// Where in a leaf the entries of a hash are, one after the other. It is given the leaf anew each time, so as not to count a
    /// reference to it.
    struct Candidates {
        private let hash: UInt64
        private let count: Int
        /// Of the eight tags that are looked at.
        private var first = -8
        private var found: UInt64 = 0

        @inline(__always)
        init(_ hash: UInt64, _ count: Int) { (self.hash, self.count) = (hash, count) }

        @inline(__always)
        mutating func next(_ leaf: borrowing NameLeaf) -> Int? {
            while true {
                while found == 0 {
                    first += 8
                    guard first < count else { return nil }
                    // The highest bit of each byte that is zero; of one above such a byte too, now and then.
                    let zeroes = leaf.bytes.load(tagStart + first, as: UInt64.self) ^ (Self.ones &* UInt64(tag(hash)))
                    found = (zeroes &- Self.ones) & ~zeroes & (Self.ones << 7)
                }
                let index = first + found.trailingZeroBitCount >> 3
                found &= found - 1
                // Behind the last tag there are zeroes.
                guard index < count else { continue }
                let place = Int(leaf.bytes.load(placeStart(count) + 4 * index, as: UInt32.self))
                if leaf.bytes.load(place, as: UInt64.self) == hash { return place }
            }
        }

        private static let ones: UInt64 = 0x0101_0101_0101_0101
    }

    @inline(__always)
    func candidates(_ hash: UInt64) -> Candidates { Candidates(hash, count) }
}
