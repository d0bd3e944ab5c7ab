/// A tree of names that we answer for with authority, from its apex down.
///
/// A value: a copy is cheap, and a changed copy shares with the original all that did not change. What stands in it comes from
/// named sources, such as one for each service; replacing one source costs as much as that source has names, however large the
/// zone is.
public struct Zone: Sendable {
    public let apex: DomainName
    /// False until all sources have been heard: every name in the zone is answered with SERVFAIL, as nobody knows yet what exists.
    public var isComplete: Bool
    /// True when names that do not exist here, or have nothing of their own, may exist elsewhere: they are asked for outside and
    /// not denied.
    public var passesOn: Bool

    /// Every name that exists, by its key.
    var owners = NameTree()
    /// Where each source has something, by the source's name.
    private var given = NameTree()
    /// How many owners below the apex have NS records, and how many are wildcards: mostly none, and then nobody looks.
    private(set) var cuts = 0
    private(set) var wildcards = 0
    /// How many owners have dashed addresses below them.
    private(set) var dashed = 0
    /// The SOA record as it stands beside "there is no such thing" (RFC 2308 §3).
    private(set) var denial: RecordSet
    let apexLabels: Int
    /// The apex in lower case.
    let apexKey: [UInt8]

    /// - Parameters:
    ///   - ttl: of the SOA and NS records.
    ///   - nameServers: with at least one, as a zone has to have (RFC 1035 §3.3.11); their addresses come from a source.
    public init(
        _ apex: DomainName, authority: StartOfAuthority, nameServers: [DomainName], ttl: TimeToLive = 5, isComplete: Bool = true,
        passesOn: Bool = false
    ) {
        self.apex = apex
        self.isComplete = isComplete
        self.passesOn = passesOn
        apexLabels = apex.labelCount
        apexKey = apex.lowercase.wire
        denial = RecordSet(.soa, ttl: 0, [])
        setAuthority(authority, nameServers: nameServers, ttl: ttl)
    }

    /// The source under which the zone's own SOA and NS records stand; no other may have its name.
    private static let ownSource = ""
}

/// What one source has in a zone.
public struct ZoneContent: Hashable, Sendable, ExpressibleByArrayLiteral {
    public var records: [Record]
    /// Names below which every label that writes an address answers with that address: `192-0-2-1.default.pod.cluster.local`.
    /// The key is the name, the value the answer's TTL.
    public var dashedAddresses: [DomainName: TimeToLive]
    /// Names that exist, though they may have nothing: they answer "no data", not "no such name".
    public var emptyNames: Set<DomainName>

    public init(
        _ records: [Record], dashedAddresses: [DomainName: TimeToLive] = [:], emptyNames: Set<DomainName> = []
    ) {
        (self.records, self.dashedAddresses, self.emptyNames) = (records, dashedAddresses, emptyNames)
    }

    public init(dashedAddresses: [DomainName: TimeToLive]) { self.init([], dashedAddresses: dashedAddresses) }
    public init(arrayLiteral elements: Record...) { self.init(elements) }

    public var isEmpty: Bool { records.isEmpty && dashedAddresses.isEmpty && emptyNames.isEmpty }
}

// MARK: - Changing

extension Zone {
    /// Puts a source's content in place of what it had; empty content removes the source. The same content changes nothing.
    ///
    /// Records of several sources at one name and type make one set. Records that the zone cannot hold are left out: those of
    /// names outside the zone, of another class than IN, of types that are only asked for, and data beyond the wire form or without
    /// the form of its type.
    ///
    /// - Parameter source: any text but the empty one, of at most 65,535 bytes.
    /// - Returns: what was left out; dashed addresses of names outside the zone are left out too, and empty names there.
    @discardableResult
    public mutating func replace(_ source: String, with content: ZoneContent) -> [Record] {
        precondition(source.utf8.count <= Int(UInt16.max), "a source's name is a name")
        precondition(source != Self.ownSource, "the zone's own records stand under the empty name")
        return put(source, content)
    }

    public mutating func remove(_ source: String) { replace(source, with: []) }

    /// What a source has in the zone, its names in lower case.
    public func content(_ source: String) -> ZoneContent? {
        guard source != Self.ownSource, let given = namesGiven(by: source) else { return nil }
        var content: ZoneContent = []
        for entry in Set(given.hashes).sorted().flatMap(owners.entries) {
            guard let share = PackedOwner(entry).share(source) else { continue }
            let name = DomainName(checked: Array(entry.key))
            for set in share.sets {
                content.records += set.wires.map { Record(name, RecordData(set.type, wire: $0), ttl: set.ttl) }
            }
            content.dashedAddresses[name] = share.dashedAddresses
            if share.sets.isEmpty, share.dashedAddresses == nil { content.emptyNames.insert(name) }
        }
        return content
    }

    /// Whether a source has anything in the zone.
    public func has(_ source: String) -> Bool { namesGiven(by: source) != nil }

    private func namesGiven(by source: String) -> GivenNames? {
        given.entry(GivenNames.hash(source), Array(source.utf8)).map(GivenNames.init)
    }

    /// Replaces the zone's own records, for example for another serial number.
    public mutating func setAuthority(_ authority: StartOfAuthority, nameServers: [DomainName], ttl: TimeToLive = 5) {
        let records = [Record(apex, .soa(authority), ttl: ttl)] + nameServers.map { Record(apex, .ns($0), ttl: ttl) }
        put(Self.ownSource, ZoneContent(records))
        // RFC 2308 §3: no longer than the lesser of both.
        denial = RecordSet(.soa, ttl: min(ttl, TimeToLive(seconds: authority.minimum)), [RecordData.soa(authority).wire ?? []])
    }

    @discardableResult
    private mutating func put(_ source: String, _ content: ZoneContent) -> [Record] {
        let (given, leftOut) = pieces(content)
        var key = NameKey()
        var hashes: [UInt64] = []
        var isNew = false
        var parents = Parents()
        for (name, hash, share) in given.shares(source) {
            hashes.append(hash)
            key.read(name.wire, at: 0)
            let there = owners.entry(hash, key, from: 0).map(PackedOwner.init)
            let old = there?.share(source)
            if let old, old.isSame(as: share) { continue }
            isNew = isNew || old == nil
            change(key, depth: key.labels, &parents) { $0.put(share) }
        }
        let before = namesGiven(by: source)?.hashes ?? []
        // Of two names with one hash, one may have gone and the other come.
        let hasOthers = isNew || before != hashes
        if hasOthers { removeRest(of: source, before, Set(hashes), given, &parents) }
        settle(&parents)
        guard hasOthers else { return leftOut }
        let after = GivenNames(hashes, by: source)
        if hashes.isEmpty { self.given.remove(after.packed.hash, Array(source.utf8)) } else { self.given.set(after.packed) }
        return leftOut
    }

    /// Takes away what a source had at names of which it says nothing any more.
    private mutating func removeRest(
        of source: String, _ before: [UInt64], _ after: Set<UInt64>, _ given: [ContentPiece], _ parents: inout Parents
    ) {
        for hash in before {
            let entries = owners.entries(hash)
            if entries.count == 1, after.contains(hash) { continue }
            for entry in entries where PackedOwner(entry).share(source) != nil {
                let name = DomainName(checked: Array(entry.key))
                if after.contains(hash), given.contains(where: { $0.name == name }) { continue }
                let key = NameKey(name)
                change(key, depth: key.labels, &parents) { $0.put(Owner.Share(source: source, sets: [], dashedAddresses: nil)) }
            }
        }
    }

    /// What content comes to, and what of it the zone cannot hold.
    private func pieces(_ content: ZoneContent) -> ([ContentPiece], leftOut: [Record]) {
        var key = NameKey()
        var (pieces, leftOut): ([ContentPiece], [Record]) = ([], [])
        pieces.reserveCapacity(content.records.count)
        func piece(_ name: DomainName, _ kind: ContentPiece.Kind) {
            // Mostly several records in a row have one name.
            var hash = pieces.last.flatMap { $0.name.wire == name.wire ? $0.hash : nil }
            if hash == nil {
                key.read(name.wire, at: 0)
                hash = key.hash
            }
            pieces.append(ContentPiece(name: name, hash: hash ?? 0, kind: kind))
        }
        for record in content.records {
            if record.recordClass == .internet, !record.type.isMeta, record.name.isInside(apex),
                let wire = record.data.checkedWire
            {
                piece(record.name, .record(record.type, record.ttl, wire))
            } else {
                leftOut.append(record)
            }
        }
        for (name, ttl) in content.dashedAddresses where name.isInside(apex) { piece(name, .dashedAddresses(ttl)) }
        for name in content.emptyNames where name.isInside(apex) { piece(name, .emptyName) }
        return (pieces, leftOut)
    }

    /// How many children more or less names have: by their depth, then by their key. Kept until all is changed, as most are in the
    /// end neither: an endpoint goes, and another comes.
    private struct Parents {
        var changes: [[[UInt8]: Int]] = []

        mutating func note(_ key: [UInt8], depth: Int, _ change: Int) {
            while changes.count <= depth { changes.append([:]) }
            changes[depth][key, default: 0] += change
        }
    }

    /// Changes what stands at the last `depth` labels of a name; that its parent has one child more or less is noted.
    private mutating func change(
        _ key: borrowing NameKey, depth: Int, _ parents: inout Parents, _ body: (inout Owner) -> Void
    ) {
        let (hash, bytes) = (key.hash(depth: depth), key.suffix(depth: depth))
        let old = owners.entry(hash, bytes).map(PackedOwner.init)
        var owner = old?.owner ?? Owner()
        body(&owner)
        let new = owner.isNeeded ? PackedOwner(owner, hash, key: bytes) : nil
        if let new { owners.set(new.packed) } else { owners.remove(hash, bytes) }
        dashed += (new?.dashedAddresses == nil ? 0 : 1) - (old?.dashedAddresses == nil ? 0 : 1)
        guard depth > apexLabels else { return }
        cuts += (new?.set(.ns) == nil ? 0 : 1) - (old?.set(.ns) == nil ? 0 : 1)
        let change = (new == nil ? 0 : 1) - (old == nil ? 0 : 1)
        if change == 0 { return }
        if key.isWildcard(depth: depth) { wildcards += change }
        parents.note(key.suffix(depth: depth - 1), depth: depth - 1, change)
    }

    /// Lets parents come and go with their children, the deepest first.
    private mutating func settle(_ parents: inout Parents) {
        var key = NameKey()
        while let level = parents.changes.popLast() {
            for (name, change) in level where change != 0 {
                key.read(name, at: 0)
                self.change(key, depth: key.labels, &parents) { $0.children += change }
            }
        }
    }
}

// MARK: - Looking

extension Zone {
    /// How many names exist in the zone, empty ones between others included.
    public var nameCount: Int { owners.count }

    /// Every record of the zone, each set in order, sorted by name and type.
    public var records: [Record] {
        var result: [Record] = []
        owners.forEach { entry in
            let name = DomainName(checked: Array(entry.key))
            for set in PackedOwner(entry).sets {
                result += set.wires.map { Record(name, RecordData(set.type, wire: $0), ttl: set.ttl) }
            }
        }
        return result.enumerated().sorted { a, b in
            let (one, other) = (a.element, b.element)
            if one.name != other.name { return one.name < other.name }
            return (one.type.rawValue, a.offset) < (other.type.rawValue, b.offset)
        }.map(\.element)
    }
}

extension RecordData {
    /// The wire form; `nil` also for opaque data without the form of its type, where answers rely on that form.
    fileprivate var checkedWire: [UInt8]? {
        guard case .opaque(let type, let bytes) = self else { return wire }
        let data = RecordData(type, wire: bytes)
        if case .opaque = data, [.a, .aaaa, .ns, .cname, .ptr, .soa, .mx, .srv].contains(type) { return nil }
        return data.wire
    }
}
