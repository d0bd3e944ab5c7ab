/// All records of one name and type, as they are written into answers (RFC 2181 §5): no record twice, one TTL.
///
/// The records stand in bytes that they may share with other names': each record's data with its length in two bytes before it, names in full;
/// then the target names that are worth addresses beside the answer, each once, as position and index of the record.
struct RecordSet: Sendable {
    let type: RecordType
    let ttl: TimeToLive
    /// How many records.
    let count: Int
    let data: [UInt8]
    /// Where the records stand in `data`.
    let start: Int
    let end: Int
    let targetCount: Int

    /// - Parameter wires: the data of each record; the first of equal ones counts.
    init(_ type: RecordType, ttl: TimeToLive, _ wires: [[UInt8]]) {
        var packed: [UInt8] = []
        packed.reserveCapacity(wires.reduce(0) { $0 + 2 + $1.count })
        let before = Self.bytesBeforeTarget(type)
        var targets: [UInt32] = []
        // Of a few it is quicker to look at each.
        let isMany = wires.count > 8
        var (seen, names): (Set<[UInt8]>, Set<[UInt8]>) = ([], [])
        var kept: [[UInt8]] = []
        func isNew(_ bytes: [UInt8], among few: [[UInt8]], _ many: inout Set<[UInt8]>) -> Bool {
            isMany ? many.insert(bytes).inserted : !few.contains(bytes)
        }
        for wire in wires where wires.count == 1 || isNew(wire, among: kept, &seen) {
            // The root as a target says that there is none.
            if let before, wire.count > before + 1 {
                let name = wire[before...].map(lowercased)
                let isKnown = !isMany && kept.contains { $0.dropFirst(before).lazy.map(lowercased).elementsEqual(name) }
                if isMany ? names.insert(name).inserted : !isKnown {
                    targets += [UInt32(packed.count + 2 + before), UInt32(kept.count)]
                }
            }
            packed += [UInt8(wire.count >> 8), UInt8(wire.count & 255)]
            packed += wire
            kept.append(wire)
        }
        (self.type, self.ttl, count) = (type, ttl, kept.count)
        (start, end, targetCount) = (0, packed.count, targets.count / 2)
        for number in targets { withUnsafeBytes(of: number.littleEndian) { packed.append(contentsOf: $0) } }
        data = packed
    }

    /// The sets of several sources as one: the least TTL holds for all (RFC 2181 §5.2).
    init(merging sets: [RecordSet]) {
        self.init(sets[0].type, ttl: sets.map(\.ttl).min() ?? 0, sets.flatMap(\.wires))
    }

    /// Fields in front of the name whose addresses a client will want next (RFC 2782, RFC 1035 §3.3.9 and §3.3.11).
    private static func bytesBeforeTarget(_ type: RecordType) -> Int? {
        switch type {
        case .ns: 0
        case .mx: 2
        case .srv: 6
        default: nil
        }
    }
}

// MARK: - Records

extension RecordSet {
    var wires: [[UInt8]] {
        var result: [[UInt8]] = []
        var position = start
        while position < end {
            let next = position + 2 + length(at: position)
            result.append(Array(data[(position + 2)..<next]))
            position = next
        }
        return result
    }

    /// The same records in the same order.
    func isSame(as other: RecordSet) -> Bool {
        type == other.type && ttl == other.ttl && count == other.count && data[start..<end] == other.data[other.start..<other.end]
    }

    /// Bytes of the record whose length stands at this place.
    @inline(__always)
    func length(at position: Int) -> Int { Int(data[position]) << 8 | Int(data[position + 1]) }

    /// A target: where in `data` its name stands, and which record it is in.
    func target(_ number: Int) -> (position: Int, index: Int) {
        let place = end + 8 * number
        return (start + Int(data.load(place, as: UInt32.self)), Int(data.load(place + 4, as: UInt32.self)))
    }

    /// Where the name that begins at a place ends.
    @inline(__always)
    func endOfName(at start: Int) -> Int {
        var position = start
        while data[position] != 0 { position += 1 + Int(data[position]) }
        return position + 1
    }
}

// MARK: - Packed

extension RecordSet {
    /// Type, TTL, count, bytes of the records, count of targets; then the records and targets.
    static let headSize = 18

    func pack(into packed: inout PackedWriter) {
        packed.append(type.rawValue)
        packed.append(ttl.seconds)
        packed.append(UInt32(count))
        packed.append(UInt32(end - start))
        packed.append(UInt32(targetCount))
        packed.append(data[start..<(end + 8 * targetCount)])
    }

    /// Writes the head of a set without targets; its records come next.
    ///
    /// - Parameter size: bytes of the records, each with its length in two bytes before it.
    static func packHead(_ type: RecordType, ttl: TimeToLive, count: Int, size: Int, into bytes: inout [UInt8]) {
        withUnsafeBytes(of: type.rawValue.littleEndian) { bytes.append(contentsOf: $0) }
        for number in [ttl.seconds, UInt32(count), UInt32(size), 0] {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
    }

    /// The set that is packed at a place of these bytes, which it shares.
    @inline(__always)
    init(packedIn bytes: [UInt8], at place: Int) {
        type = RecordType(rawValue: bytes.load(place, as: UInt16.self))
        ttl = TimeToLive(seconds: bytes.load(place + 2, as: UInt32.self))
        count = Int(bytes.load(place + 6, as: UInt32.self))
        start = place + Self.headSize
        end = start + Int(bytes.load(place + 10, as: UInt32.self))
        targetCount = Int(bytes.load(place + 14, as: UInt32.self))
        data = bytes
    }

    /// The type of the set that is packed at a place.
    @inline(__always)
    static func type(packedIn bytes: [UInt8], at place: Int) -> RecordType {
        RecordType(rawValue: bytes.load(place, as: UInt16.self))
    }

    /// Where the set that is packed at a place ends.
    @inline(__always)
    static func end(packedIn bytes: [UInt8], at place: Int) -> Int {
        place + headSize + Int(bytes.load(place + 10, as: UInt32.self)) + 8 * Int(bytes.load(place + 14, as: UInt32.self))
    }
}
