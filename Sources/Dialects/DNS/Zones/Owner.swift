/// A name that exists: what stands at it, from whom, and how many names exist right below it. This is the form in which it is
/// changed; ``PackedOwner`` is the one in which it is kept and answered from.
///
/// A name exists also with nothing at it, as long as names exist below it: it answers "no data", not "no such name" (RFC 8020).
struct Owner {
    /// What one source has at this name.
    struct Share {
        let source: String
        let sets: [RecordSet]
        /// Set when labels right below that write an address answer with that address.
        let dashedAddresses: TimeToLive?
        /// The source says that the name exists. Only asked for when the share comes: one that is there has its reason.
        var isNamed = false

        var isEmpty: Bool { sets.isEmpty && dashedAddresses == nil && !isNamed }

        /// Whether both have the same at a name.
        func isSame(as other: Share) -> Bool {
            dashedAddresses == other.dashedAddresses && sets.elementsEqual(other.sets) { $0.isSame(as: $1) }
        }
    }

    /// In order of the sources' names.
    var shares: [Share] = []
    /// How many names exist one label below.
    var children = 0

    var isNeeded: Bool { !shares.isEmpty || children > 0 }

    mutating func put(_ share: Share) {
        shares.removeAll { $0.source.utf8.elementsEqual(share.source.utf8) }
        if !share.isEmpty { shares.insert(share, at: shares.firstIndex { $0.source > share.source } ?? shares.endIndex) }
    }

    /// One set for each type, in order of the types' numbers.
    ///
    /// RFC 2181 §10.1: beside a CNAME there is no other data. Where sources disagree the data wins, and of several CNAMEs the first
    /// source's first, so that the answer does not depend on the order of events.
    var sets: [RecordSet] {
        var byType: [RecordType: [RecordSet]] = [:]
        for set in shares.flatMap(\.sets) { byType[set.type, default: []].append(set) }
        if byType.count > 1 { byType[.cname] = nil }
        if let first = byType[.cname]?.first { byType[.cname] = [RecordSet(.cname, ttl: first.ttl, [first.wires[0]])] }
        return byType.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { $0.value.count == 1 ? $0.value[0] : RecordSet(merging: $0.value) }
    }
}

// MARK: - Packed

/// An owner as it is kept.
///
/// ```
///   children 4 | TTL of dashed addresses + 1, or 0: 4 | sets 2 | set … | shares 4 | share …
///   share: source's length 2 | source … | TTL + 1 | sets 2, or all ones when they are the owner's | set …
/// ```
struct PackedOwner {
    let packed: Packed
    private let place: Int

    private static let same = UInt16.max

    @inline(__always)
    init(_ packed: Packed) {
        self.packed = packed
        place = packed.valueStart
    }

    init(_ owner: Owner, _ hash: UInt64, key: [UInt8]) {
        var packed = PackedWriter(hash, key: key)
        let sets = owner.sets
        packed.append(UInt32(owner.children))
        packed.append(Self.number(owner.shares.compactMap(\.dashedAddresses).min()))
        packed.append(UInt16(sets.count))
        for set in sets { set.pack(into: &packed) }
        packed.append(UInt32(owner.shares.count))
        for share in owner.shares {
            packed.append(UInt16(share.source.utf8.count))
            packed.append(share.source.utf8)
            packed.append(Self.number(share.dashedAddresses))
            // A lone source without a CNAME that would not count: what it gave is what stands here.
            let isSame = owner.shares.count == 1 && !share.sets.contains { $0.type == .cname }
            packed.append(isSame ? Self.same : UInt16(share.sets.count))
            if !isSame { for set in share.sets { set.pack(into: &packed) } }
        }
        self.init(packed.finished())
    }

    private static func number(_ ttl: TimeToLive?) -> UInt32 { ttl.map { $0.seconds + 1 } ?? 0 }
    private static func ttl(_ number: Int) -> TimeToLive? { number == 0 ? nil : TimeToLive(seconds: UInt32(number - 1)) }

    var dashedAddresses: TimeToLive? { Self.ttl(Int(packed.load(place + 4, as: UInt32.self))) }

    private var setCount: Int { Int(packed.load(place + 8, as: UInt16.self)) }

    @inline(__always)
    func set(_ type: RecordType) -> RecordSet? {
        var at = place + 10
        for _ in 0..<setCount {
            if RecordSet.type(packedIn: packed.bytes, at: at) == type { return RecordSet(packedIn: packed.bytes, at: at) }
            at = RecordSet.end(packedIn: packed.bytes, at: at)
        }
        return nil
    }

    var sets: [RecordSet] {
        var at = place + 10
        return Self.sets(setCount, packed.bytes, &at)
    }

    private static func sets(_ count: Int, _ bytes: [UInt8], _ place: inout Int) -> [RecordSet] {
        var sets: [RecordSet] = []
        for _ in 0..<count {
            sets.append(RecordSet(packedIn: bytes, at: place))
            place = RecordSet.end(packedIn: bytes, at: place)
        }
        return sets
    }

    /// What a source has here.
    func share(_ source: String) -> Owner.Share? {
        var reader = shareReader
        for _ in 0..<reader.number(UInt32.self) {
            let name = reader.range(reader.number(UInt16.self))
            if packed.bytes[name].elementsEqual(source.utf8) { return share(&reader, source) }
            _ = reader.number(UInt32.self)
            let count = reader.number(UInt16.self)
            if count == Int(Self.same) { continue }
            for _ in 0..<count { reader.position = RecordSet.end(packedIn: packed.bytes, at: reader.position) }
        }
        return nil
    }

    /// The form in which it can be changed.
    var owner: Owner {
        var reader = shareReader
        var owner = Owner(children: Int(packed.load(place, as: UInt32.self)))
        for _ in 0..<reader.number(UInt32.self) {
            let source = String(decoding: packed.bytes[reader.range(reader.number(UInt16.self))], as: UTF8.self)
            owner.shares.append(share(&reader, source))
        }
        return owner
    }

    /// Stands where the number of shares is.
    private var shareReader: PackedReader {
        var at = place + 10
        for _ in 0..<setCount { at = RecordSet.end(packedIn: packed.bytes, at: at) }
        return PackedReader(bytes: packed.bytes, position: at)
    }

    /// - Parameter reader: behind the source's name.
    private func share(_ reader: inout PackedReader, _ source: String) -> Owner.Share {
        let ttl = Self.ttl(reader.number(UInt32.self))
        let count = reader.number(UInt16.self)
        let sets = count == Int(Self.same) ? sets : Self.sets(count, packed.bytes, &reader.position)
        return Owner.Share(source: source, sets: sets, dashedAddresses: ttl)
    }
}
