/// Single names with their addresses, and the names of those addresses, as `/etc/hosts` has them: all of them in one table.
///
/// Each name stands for itself: what is above, beside or below it is not said. So no tree is needed, and 100,000 names take some
/// megabytes. A table is never changed: another one is made (``HostsWriter``) and put in its place, and whatever else changes does
/// not touch it. A copy costs one reference.
///
/// ```
///   slots   hash 4, place 4  ──►  key's length 1 | key … | sets 1 | set …     (sets as RecordSet packs them)
/// ```
/// A slot of zero is empty; a name stands in the slot that its hash leads to, or in the first empty one behind it.
public struct Hosts: Sendable {
    private let table: Table

    private final class Table: Sendable {
        /// Begins with a byte of no meaning, so that no entry has the place 0.
        let bytes: [UInt8]
        let slots: [UInt64]
        let count: Int

        init(_ bytes: [UInt8], _ slots: [UInt64], _ count: Int) { (self.bytes, self.slots, self.count) = (bytes, slots, count) }
    }

    private static let none = Table([0], [], 0)

    /// None.
    public init() { table = Self.none }

    /// - Parameter names: the hash and place of each entry; no two entries have the same key.
    init(_ bytes: [UInt8], _ names: [(hash: UInt64, place: Int)]) {
        // A third of the slots is empty, so few are looked at.
        var slots = [UInt64](repeating: 0, count: names.isEmpty ? 0 : names.count + names.count / 2 + 1)
        for (hash, place) in names {
            var index = Self.slot(hash, of: slots.count)
            while slots[index] != 0 { index = index + 1 == slots.count ? 0 : index + 1 }
            slots[index] = hash << 32 | UInt64(place)
        }
        table = Table(bytes, slots, names.count)
    }

    /// By the upper half of a hash; the lower one stands in the slot.
    @inline(__always)
    private static func slot(_ hash: UInt64, of count: Int) -> Int { Int(((hash >> 32) &* UInt64(count)) >> 32) }

    /// How many names there are, those of addresses in the reverse trees included.
    public var count: Int { table.count }

    public var isEmpty: Bool { table.count == 0 }

    /// Who gives what stands at their names, as a zone's sources do.
    public static let source = "names.yaml"
}

extension Hosts: Hashable {
    public static func == (a: Self, b: Self) -> Bool { a.table === b.table || a.table.bytes == b.table.bytes }

    public func hash(into hasher: inout Hasher) { hasher.combine(table.bytes.count) }
}

// MARK: - Asking

extension Hosts {
    /// What stands at one name.
    struct Host {
        fileprivate let bytes: [UInt8]
        /// Where the number of sets is.
        fileprivate let place: Int
    }

    /// - Parameter hash: the name's.
    @inline(__always)
    func host(_ key: borrowing NameKey, _ hash: UInt64) -> Host? {
        let table = table
        guard table.count > 0 else { return nil }
        var index = Self.slot(hash, of: table.slots.count)
        while true {
            let slot = table.slots[index]
            if slot == 0 { return nil }
            if slot >> 32 == hash & 0xFFFF_FFFF {
                let start = Int(slot & 0xFFFF_FFFF)
                let end = start + 1 + Int(table.bytes[start])
                if key.matches(table.bytes, (start + 1)..<end, from: 0) { return Host(bytes: table.bytes, place: end) }
            }
            index = index + 1 == table.slots.count ? 0 : index + 1
        }
    }

    func has(_ key: borrowing NameKey) -> Bool { !isEmpty && host(key, key.hash) != nil }
}

extension Hosts.Host {
    func set(_ type: RecordType) -> RecordSet? {
        var at = place + 1
        for _ in 0..<bytes[place] {
            if RecordSet.type(packedIn: bytes, at: at) == type { return RecordSet(packedIn: bytes, at: at) }
            at = RecordSet.end(packedIn: bytes, at: at)
        }
        return nil
    }

    /// In order of the types' numbers.
    var sets: [RecordSet] {
        var (sets, at): ([RecordSet], Int) = ([], place + 1)
        for _ in 0..<bytes[place] {
            sets.append(RecordSet(packedIn: bytes, at: at))
            at = RecordSet.end(packedIn: bytes, at: at)
        }
        return sets
    }

    /// The same beside what a zone has at the name: one set of both (RFC 2181 §5.2). A CNAME does not count beside data (§10.1).
    func set(_ type: RecordType, beside owner: PackedOwner?) -> RecordSet? {
        guard let owner else { return set(type) ?? (type == .any ? sets.first : nil) }
        if type == .any { return set(.a, beside: owner) ?? sets.first }
        let sets = [type == .cname ? nil : owner.set(type), set(type)].compactMap(\.self)
        return sets.count > 1 ? RecordSet(merging: sets) : sets.first
    }

    /// What its zone has at its apex where nobody has given it anything: a name that is in no zone is one of its own.
    func zoneSet(_ type: RecordType, _ key: borrowing NameKey) -> RecordSet? {
        switch type {
        case .soa: authority(key, ttl)
        case .ns: RecordSet(.ns, ttl: ttl, [key.suffix(depth: key.labels)])
        default: nil
        }
    }

    /// The SOA record as it stands beside "nothing of this type".
    func denial(_ key: borrowing NameKey) -> RecordSet {
        authority(key, min(ttl, TimeToLive(seconds: StartOfAuthority.usualMinimum)))
    }

    private func authority(_ key: borrowing NameKey, _ ttl: TimeToLive) -> RecordSet {
        let name = key.suffix(depth: key.labels)
        let mailbox = Self.mailbox.count + name.count <= DomainName.longestName ? Self.mailbox : []
        return RecordSet(.soa, ttl: ttl, [name + mailbox + name + Self.numbers])
    }

    /// Half of all questions are for a type that a host does not have: of its SOA record, the usual one, only the name is written anew.
    private static let numbers = Array((RecordData.soa(StartOfAuthority(usualOf: .root)).wire ?? []).suffix(20))
    private static let mailbox = Array(StartOfAuthority(usualOf: .root).mailbox.wire.dropLast())

    private var ttl: TimeToLive { RecordSet(packedIn: bytes, at: place + 1).ttl }

    fileprivate var end: Int {
        var at = place + 1
        for _ in 0..<bytes[place] { at = RecordSet.end(packedIn: bytes, at: at) }
        return at
    }
}

// MARK: - Looking

extension Hosts {
    /// Every record, in the order in which the names came.
    public var records: [Record] {
        var records: [Record] = []
        forEach { name, host in records += Self.records(name, host) }
        return records
    }

    static func records(_ name: DomainName, _ host: Host) -> [Record] {
        host.sets.flatMap { set in set.wires.map { Record(name, RecordData(set.type, wire: $0), ttl: set.ttl) } }
    }

    /// Every name in lower case, in the order in which they came.
    func forEach(_ body: (DomainName, Host) -> Void) {
        var place = 1
        while place < table.bytes.count {
            let end = place + 1 + Int(table.bytes[place])
            let host = Host(bytes: table.bytes, place: end)
            body(DomainName(checked: Array(table.bytes[(place + 1)..<end])), host)
            place = host.end
        }
    }
}
