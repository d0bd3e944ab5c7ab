/// A tree of names that we answer for with authority, from its apex down.
///
/// A value: a copy is cheap, and a changed copy shares with the original all that did not change. What stands in it comes from
/// named sources, such as one for each service; replacing one source costs as much as that source has names, however large the
/// zone is.
public struct Zone: Sendable {
    public let apex: DomainName
    /// False until all sources have been heard: every name in the zone is answered with SERVFAIL, as nobody knows yet what exists.
    public var isComplete: Bool
    /// True when names that do not exist here may exist elsewhere: they are asked for outside and not denied.
    public var passesOn: Bool

    /// Every name that exists, by its key.
    var owners = HashTree<Owner>()
    /// What each source gave, by the source's name.
    private var given = HashTree<ZoneContent>()
    /// How many owners below the apex have NS records, and how many are wildcards: mostly none, and then nobody looks.
    private(set) var cuts = 0
    private(set) var wildcards = 0
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

    public init(_ records: [Record], dashedAddresses: [DomainName: TimeToLive] = [:]) {
        (self.records, self.dashedAddresses) = (records, dashedAddresses)
    }

    public init(dashedAddresses: [DomainName: TimeToLive]) { self.init([], dashedAddresses: dashedAddresses) }
    public init(arrayLiteral elements: Record...) { self.init(elements) }

    public var isEmpty: Bool { records.isEmpty && dashedAddresses.isEmpty }
}

// MARK: - Changing

extension Zone {
    /// Puts a source's content in place of what it had; empty content removes the source. The same content changes nothing.
    ///
    /// Records of several sources at one name and type make one set. Records that the zone cannot hold are left out: those of
    /// names outside the zone, of another class than IN, of types that are only asked for, and data beyond the wire form.
    ///
    /// - Parameter source: any text but the empty one.
    /// - Returns: what was left out.
    @discardableResult
    public mutating func replace(_ source: String, with content: ZoneContent) -> [Record] {
        precondition(source != Self.ownSource, "the zone's own records stand under the empty name")
        return put(source, content)
    }

    public mutating func remove(_ source: String) { replace(source, with: []) }

    /// What a source has; what was left out is still in it.
    public func content(_ source: String) -> ZoneContent? {
        source == Self.ownSource ? nil : given.value(Self.hash(source), Array(source.utf8))
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
        let (hash, key) = (Self.hash(source), Array(source.utf8))
        let before = given.value(hash, key)
        if before == content { return before.map(leftOut) ?? [] }
        given.set(content.isEmpty ? nil : content, hash, key)

        var records: [DomainName: [Record]] = [:]
        for record in content.records where canHold(record) { records[record.name, default: []].append(record) }
        var names = Set(before?.records.map(\.name) ?? []).union(before?.dashedAddresses.keys.map(\.self) ?? [])
        names = names.filter { $0.isInside(apex) }.union(records.keys)
        names.formUnion(content.dashedAddresses.keys.filter { $0.isInside(apex) })
        for name in names {
            let sets = Self.sets(records[name] ?? [])
            change(NameKey(name), Owner.Share(source: source, sets: sets, dashedAddresses: content.dashedAddresses[name]))
        }
        return leftOut(content)
    }

    private func leftOut(_ content: ZoneContent) -> [Record] { content.records.filter { !canHold($0) } }

    private static func hash(_ source: String) -> UInt64 { UInt64(bitPattern: Int64(source.hashValue)) }

    private func canHold(_ record: Record) -> Bool {
        record.recordClass == .internet && !record.type.isMeta && record.name.isInside(apex) && record.data.wire != nil
    }

    private static func sets(_ records: [Record]) -> [RecordSet] {
        var byType: [RecordType: [Record]] = [:]
        for record in records { byType[record.type, default: []].append(record) }
        return byType.map { type, records in
            RecordSet(type, ttl: records.map(\.ttl).min() ?? 0, records.compactMap(\.data.wire))
        }
    }

    private mutating func change(_ key: NameKey, _ share: Owner.Share) {
        let (hash, bytes) = (key.hash, key.suffix(depth: key.labels))
        let old = owners.value(hash, bytes)
        let new = (old ?? Owner(shares: [], children: 0)).with(share)
        place(new.isNeeded ? new : nil, insteadOf: old, key, depth: key.labels)
    }

    /// Puts an owner in its place, and lets its parents come and go with it.
    private mutating func place(_ new: Owner?, insteadOf old: Owner?, _ key: NameKey, depth: Int) {
        var hash = NameHash.empty
        for depth in 0..<depth { hash = key.hash(extending: hash, depth: depth + 1) }
        owners.set(new, hash, key.suffix(depth: depth))
        if depth > apexLabels {
            cuts += (new?.set(.ns) == nil ? 0 : 1) - (old?.set(.ns) == nil ? 0 : 1)
        }
        let isWildcard = key.isWildcard(depth: depth)
        if isWildcard { wildcards += (new == nil ? 0 : 1) - (old == nil ? 0 : 1) }
        guard depth > apexLabels, (new == nil) != (old == nil) else { return }
        let bytes = key.suffix(depth: depth - 1)
        var above = NameHash.empty
        for depth in 0..<(depth - 1) { above = key.hash(extending: above, depth: depth + 1) }
        let parent = owners.value(above, bytes)
        let changed = (parent ?? Owner(shares: [], children: 0)).withChildren(new == nil ? -1 : 1)
        place(changed.isNeeded ? changed : nil, insteadOf: parent, key, depth: depth - 1)
    }
}

// MARK: - Looking

extension Zone {
    /// How many names exist in the zone, empty ones between others included.
    public var nameCount: Int { owners.count }

    /// Every record of the zone, each set in order, sorted by name and type.
    public var records: [Record] {
        var result: [Record] = []
        owners.forEach { key, owner in
            guard let name = DomainName(wire: key) else { return }
            for set in owner.sets {
                for wire in set.wires {
                    var cursor = Cursor(position: 0, end: wire.count)
                    guard let data = try? RecordData(set.type, &cursor, wire.span) else { continue }
                    result.append(Record(name, data, ttl: set.ttl))
                }
            }
        }
        return result.enumerated().sorted { a, b in
            let (one, other) = (a.element, b.element)
            if one.name != other.name { return one.name < other.name }
            return (one.type.rawValue, a.offset) < (other.type.rawValue, b.offset)
        }.map(\.element)
    }
}
