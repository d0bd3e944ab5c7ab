/// Writes a message into memory of the caller, never past a limit, and takes back what did not fit.
///
/// One writer serves one message after the other: after the first few nothing is allocated. It is made for threads that hold
/// their own, so it cannot be copied.
public struct MessageWriter: ~Copyable {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var limit = 0
    /// Bytes written so far.
    private(set) var count = 0
    /// Something was left out for want of room since the last ``rollback(to:)``.
    private(set) var isFull = false
    private let compresses: Bool

    /// Where names written in full begin, by a hash of their bytes: 0 is no place, as a header stands there. A place is always
    /// compared before it is used, so one that was taken back does no harm.
    private var places: [UInt16] = []
    private var placeCount = 0
    private static let placeMask = 1023
    private static let mostPlaces = 768
    /// A pointer has fourteen bits.
    static let farthestPointer = 0x3FFF

    /// - Parameter compresses: false writes every name in full, as the data of unknown types must be.
    public init(compresses: Bool = true) {
        self.compresses = compresses
    }

    /// Begins a message in this memory, which must stay until the message is finished.
    ///
    /// - Parameter limit: bytes that the message may have, at most those of the memory and 65,535.
    mutating func start(_ memory: UnsafeMutableRawBufferPointer, limit: Int) {
        self.memory = memory
        self.limit = min(limit, memory.count, Int(UInt16.max))
        (count, isFull) = (0, false)
        if placeCount > 0 {
            for index in places.indices { places[index] = 0 }
            placeCount = 0
        }
    }

    /// Bytes that can still be written.
    var room: Int { limit - count }

    /// Keeps so many bytes free; a negative number gives them back.
    mutating func reserve(_ bytes: Int) { limit -= bytes }

    /// Takes back everything behind this count.
    mutating func rollback(to mark: Int) {
        count = mark
        isFull = false
    }
}

// MARK: - Fields

extension MessageWriter {
    @inline(__always)
    private mutating func hasRoom(_ bytes: Int) -> Bool {
        if count + bytes <= limit, !isFull { return true }
        isFull = true
        return false
    }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        guard hasRoom(1) else { return }
        memory[count] = value
        count += 1
    }

    @inline(__always)
    mutating func short(_ value: UInt16) {
        guard hasRoom(2) else { return }
        memory.storeBytes(of: value.bigEndian, toByteOffset: count, as: UInt16.self)
        count += 2
    }

    @inline(__always)
    mutating func long(_ value: UInt32) {
        guard hasRoom(4) else { return }
        memory.storeBytes(of: value.bigEndian, toByteOffset: count, as: UInt32.self)
        count += 4
    }

    @inline(__always)
    mutating func run(_ bytes: UnsafeRawBufferPointer) {
        guard hasRoom(bytes.count) else { return }
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    mutating func run(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { run($0) }
    }

    /// A string of at most 255 bytes with its length before it; what is longer cannot be said, and counts as not fitting.
    mutating func string(_ bytes: [UInt8]) {
        guard bytes.count <= 255 else {
            isFull = true
            return
        }
        byte(UInt8(bytes.count))
        run(bytes)
    }

    /// Two bytes at a place already written.
    @inline(__always)
    mutating func patch(_ value: UInt16, at offset: Int) {
        guard offset + 2 <= count else { return }
        memory.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    /// A pointer to a name at an offset, if it can be pointed to.
    @inline(__always)
    mutating func pointer(to offset: Int) {
        short(0xC000 | UInt16(offset))
    }

    /// What the message holds so far.
    func written<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
}

// MARK: - Names

extension MessageWriter {
    /// Writes a name, its tail as a pointer where the same bytes, in the same case, stand before.
    mutating func name(_ name: DomainName, mayPoint: Bool = true) {
        guard compresses, mayPoint else { return run(name.wire) }
        let wire = name.wire
        // Starts of labels, then hashes of the suffixes from the right.
        var starts: [Int] = []
        var position = 0
        while wire[position] != 0 {
            starts.append(position)
            position += 1 + Int(wire[position])
        }
        var hashes = [UInt32](repeating: 0, count: starts.count)
        var hash: UInt32 = 2_166_136_261
        for index in starts.indices.reversed() {
            let end = index + 1 < starts.count ? starts[index + 1] : wire.count - 1
            for byte in wire[starts[index]..<end] { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
            hashes[index] = hash
        }
        let begin = count
        for index in starts.indices {
            if let place = place(of: wire[starts[index]...], hashes[index]) {
                wire[..<starts[index]].withUnsafeBytes { run($0) }
                pointer(to: place)
                return remember(starts[..<index], hashes, from: begin)
            }
        }
        run(wire)
        remember(starts[...], hashes, from: begin)
    }

    private func place(of suffix: ArraySlice<UInt8>, _ hash: UInt32) -> Int? {
        guard placeCount > 0 else { return nil }
        var slot = Int(hash) & Self.placeMask
        while places[slot] != 0 {
            if holds(suffix, at: Int(places[slot])) { return Int(places[slot]) }
            slot = (slot + 1) & Self.placeMask
        }
        return nil
    }

    private mutating func remember(_ starts: ArraySlice<Int>, _ hashes: [UInt32], from begin: Int) {
        guard !isFull else { return }
        if places.isEmpty { places = Array(repeating: 0, count: Self.placeMask + 1) }
        for (index, start) in starts.enumerated() where begin + start <= Self.farthestPointer && placeCount < Self.mostPlaces {
            var slot = Int(hashes[index]) & Self.placeMask
            while places[slot] != 0 { slot = (slot + 1) & Self.placeMask }
            places[slot] = UInt16(begin + start)
            placeCount += 1
        }
    }

    /// Whether the name at an offset of the message has exactly these bytes.
    private func holds(_ suffix: ArraySlice<UInt8>, at offset: Int) -> Bool {
        var (place, position, pointers) = (offset, suffix.startIndex, 0)
        while place + 1 < count {
            let length = Int(memory[place])
            if length >= 0xC0 {
                let target = (length & 0x3F) << 8 | Int(memory[place + 1])
                pointers += 1
                guard target < place, pointers < Cursor.mostPointers else { return false }
                place = target
                continue
            }
            guard position + length < suffix.endIndex, place + length < count, suffix[position] == memory[place] else {
                return false
            }
            if length == 0 { return true }
            for index in 1...length where suffix[position + index] != memory[place + index] { return false }
            (place, position) = (place + 1 + length, position + 1 + length)
        }
        return place < count && memory[place] == 0 && suffix[position] == 0
    }
}
