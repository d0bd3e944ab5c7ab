/// A name that exists: what stands at it, from whom, and how many names exist right below it.
///
/// A name exists also with nothing at it, as long as names exist below it: it answers "no data", not "no such name" (RFC 8020).
final class Owner: Sendable {
    /// What one source has at this name.
    struct Share: Sendable {
        let source: String
        let sets: [RecordSet]
        /// Set when labels right below that write an address answer with that address.
        let dashedAddresses: TimeToLive?

        var isEmpty: Bool { sets.isEmpty && dashedAddresses == nil }
    }

    let shares: [Share]
    /// How many names exist one label below.
    let children: Int
    /// One set for each type, in order of the types' numbers.
    let sets: [RecordSet]
    let dashedAddresses: TimeToLive?
    /// The CNAME, which stands alone when it counts.
    let alias: RecordSet?

    init(shares: [Share], children: Int) {
        self.shares = shares
        self.children = children
        dashedAddresses = shares.compactMap(\.dashedAddresses).min()
        var byType: [RecordType: [RecordSet]] = [:]
        for set in shares.flatMap(\.sets) { byType[set.type, default: []].append(set) }
        // RFC 2181 §10.1: beside a CNAME there is no other data. Where sources disagree the data wins, and of several CNAMEs
        // the first source's, so that the answer does not depend on the order of events.
        if byType.count > 1 { byType[.cname] = nil }
        if let aliases = byType[.cname], let first = aliases.first {
            byType[.cname] = [first.count == 1 ? first : RecordSet(.cname, ttl: first.ttl, [first.wires[0]])]
        }
        sets = byType.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { $0.value.count == 1 ? $0.value[0] : RecordSet(merging: $0.value) }
        alias = sets.first { $0.type == .cname }
    }

    var isNeeded: Bool { !shares.isEmpty || children > 0 }

    @inline(__always)
    func set(_ type: RecordType) -> RecordSet? {
        for set in sets where set.type == type { return set }
        return nil
    }

    /// The same owner with another share of one source; sources stay in order of their names.
    func with(_ share: Share) -> Owner {
        var others = shares.filter { $0.source != share.source }
        if !share.isEmpty { others.insert(share, at: others.firstIndex { $0.source > share.source } ?? others.endIndex) }
        return Owner(shares: others, children: children)
    }

    func withChildren(_ change: Int) -> Owner { Owner(shares: shares, children: children + change) }
}
