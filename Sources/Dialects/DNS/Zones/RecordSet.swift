/// All records of one name and type, as they are written into answers (RFC 2181 §5): no record twice, one TTL.
final class RecordSet: Sendable {
    let type: RecordType
    let ttl: TimeToLive
    /// How many records.
    let count: Int
    /// Each record's data with its length in two bytes before it, names in full.
    let data: [UInt8]
    /// The target names that are worth addresses beside the answer, each once.
    let targets: [Target]

    struct Target: Sendable {
        /// Where in `data` the name stands.
        let position: Int
        /// Which record it is in.
        let index: Int
    }

    /// - Parameter wires: the data of each record; the first of equal ones counts.
    init(_ type: RecordType, ttl: TimeToLive, _ wires: [[UInt8]]) {
        var seen: Set<[UInt8]> = []
        let distinct = wires.filter { seen.insert($0).inserted }
        self.type = type
        self.ttl = ttl
        count = distinct.count
        data = Array(distinct.map { [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }.joined())
        guard let before = Self.bytesBeforeTarget(type) else {
            targets = []
            return
        }
        var (targets, names, position): ([Target], Set<[UInt8]>, Int) = ([], [], 0)
        for (index, wire) in distinct.enumerated() {
            // The root as a target says that there is none.
            if wire.count > before + 1, names.insert(wire[before...].map(lowercased)).inserted {
                targets.append(Target(position: position + 2 + before, index: index))
            }
            position += 2 + wire.count
        }
        self.targets = targets
    }

    /// The sets of several sources as one: the least TTL holds for all (RFC 2181 §5.2).
    convenience init(merging sets: [RecordSet]) {
        self.init(sets[0].type, ttl: sets.map(\.ttl).min() ?? 0, sets.flatMap(\.wires))
    }

    /// The same records to be kept for another time.
    func kept(for ttl: TimeToLive) -> RecordSet { RecordSet(type, ttl: ttl, wires) }

    var wires: [[UInt8]] {
        var result: [[UInt8]] = []
        var position = 0
        while position < data.count {
            let end = position + 2 + length(at: position)
            result.append(Array(data[(position + 2)..<end]))
            position = end
        }
        return result
    }

    /// Bytes of the record whose length stands at this place.
    @inline(__always)
    func length(at position: Int) -> Int { Int(data[position]) << 8 | Int(data[position + 1]) }

    /// What a CNAME leads to.
    var aliasTarget: NameKey? {
        type == .cname ? NameKey(checked: data, 2) : nil
    }

    /// Where the name that begins at a place ends.
    @inline(__always)
    func endOfName(at start: Int) -> Int {
        var position = start
        while data[position] != 0 { position += 1 + Int(data[position]) }
        return position + 1
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

extension RecordSet: Equatable {
    static func == (a: RecordSet, b: RecordSet) -> Bool {
        a === b || (a.type == b.type && a.ttl == b.ttl && a.data == b.data)
    }
}
