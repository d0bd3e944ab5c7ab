internal import Addressing

/// What a zone has to say to a question.
enum Finding {
    case answer(RecordSet)
    /// The name is another one's alias.
    case alias(RecordSet)
    /// An address that the name itself writes.
    case dashed(IPAddress, TimeToLive)
    /// The name exists, and has nothing of the type.
    case noData
    case nameError
    /// The name belongs to another zone, whose NS records these are; the depth is that of the cut.
    case referral(RecordSet, depth: Int)
}

// Of the hold and not of the zone: the compiler takes a copy of the whole zone, with a count for each of its references, for a
// method of a value that stands in an object.
extension Zones.Hold {
    /// Answers for a name in this zone (RFC 1034 §4.3.2, RFC 4592 §3.3).
    ///
    /// - Parameter hash: the name's.
    func find(_ key: borrowing NameKey, _ hash: UInt64, _ type: RecordType) -> Finding {
        if zone.cuts == 0 {
            if let owner = owner(key, hash, depth: key.labels) { return say(owner, type) }
            // Nothing but a wildcard or an address that the name writes could still give it being.
            if zone.wildcards == 0, zone.dashed == 0 || address(in: key) == nil { return .nameError }
        }
        return descend(key, type)
    }

    /// The address that a name's first label writes.
    private func address(in key: borrowing NameKey) -> IPAddress? {
        guard key.labels > zone.apexLabels else { return nil }
        return DashedAddress.address(key.firstLabel)
    }

    /// The addresses at a name, whatever lies above it: what stands beside an answer, and glue below a cut.
    func addresses(_ key: borrowing NameKey, _ hash: UInt64) -> (RecordSet?, RecordSet?) {
        guard let owner = owner(key, hash, depth: key.labels) else { return (nil, nil) }
        return (owner.set(.a), owner.set(.aaaa))
    }

    /// What stands at exactly this name.
    func owner(_ key: borrowing NameKey, _ hash: UInt64) -> PackedOwner? { owner(key, hash, depth: key.labels) }

    @inline(__always)
    private func owner(_ key: borrowing NameKey, _ hash: UInt64, depth: Int) -> PackedOwner? {
        let start = key.start(depth: depth)
        guard let entry = zone.owners.entry(hash, key, from: start) else { return nil }
        return PackedOwner(entry)
    }

    private func say(_ owner: PackedOwner, _ type: RecordType) -> Finding {
        if let set = owner.set(type) { return .answer(set) }
        // RFC 8482 §4.1: one set is answer enough.
        if type == .any { return owner.sets.first.map(Finding.answer) ?? .noData }
        if let alias = owner.set(.cname) { return .alias(alias) }
        // An empty name between ours and the apex is no word of ours: who has the name for his own may have something there.
        if zone.passesOn, owner.sets.isEmpty { return .nameError }
        return .noData
    }

    /// From the apex down to the name: a cut on the way is where our knowledge ends; the last name that exists is the closest
    /// encloser, which decides what a name that does not exist gets.
    private func descend(_ key: borrowing NameKey, _ type: RecordType) -> Finding {
        var hash = key.hash(depth: zone.apexLabels)
        guard var encloser = owner(key, hash, depth: zone.apexLabels) else { return .nameError }
        for depth in (zone.apexLabels + 1)..<(key.labels + 1) {
            let below = key.hash(extending: hash, depth: depth)
            guard let owner = owner(key, below, depth: depth) else {
                return enclosed(key, by: encloser, hash, depth: depth - 1, type)
            }
            // A DS record belongs to the parent's side of the cut (RFC 4035 §3.1.4.1).
            if let servers = owner.set(.ns), depth < key.labels || type != .ds { return .referral(servers, depth: depth) }
            (encloser, hash) = (owner, below)
        }
        return say(encloser, type)
    }

    private func enclosed(
        _ key: borrowing NameKey, by encloser: PackedOwner, _ hash: UInt64, depth: Int, _ type: RecordType
    ) -> Finding {
        if let ttl = encloser.dashedAddresses, key.labels == depth + 1, let address = address(in: key) {
            let own: RecordType = address.family == .v4 ? .a : .aaaa
            return type == own || type == .any ? .dashed(address, ttl) : .noData
        }
        guard zone.wildcards > 0 else { return .nameError }
        let wildcard = NameKey(DomainName(checked: [1, UInt8(ascii: "*")] + key.suffix(depth: depth)))
        guard let owner = owner(wildcard, wildcard.hash, depth: wildcard.labels) else { return .nameError }
        return say(owner, type)
    }
}

extension Zone {
    /// Who gave what stands at a name, in order; empty when nothing does.
    public func sources(of name: DomainName) -> [String] {
        let key = NameKey(name)
        guard name.isInside(apex), let entry = owners.entry(key.hash, key, from: key.start(depth: key.labels)) else { return [] }
        return PackedOwner(entry).owner.shares.map(\.source).filter { !$0.isEmpty }
    }
}
