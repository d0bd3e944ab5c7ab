/// All zones of a server; a name belongs to the one with the longest apex that it is inside of.
///
/// A value like ``Zone``: threads answer from one while the next is made, and each query keeps the one it started with.
public struct Zones: Sendable {
    /// In order of how many labels the apex has, then of its hash.
    private var holds: [Hold] = []
    /// The hash of each one's apex.
    private var hashes: [UInt64] = []
    /// Where the holds of each depth begin, and behind the last where it ends. A query looks only at depths that some apex has.
    private var starts: [Int] = [0]
    /// Apexes of the zones that pass nothing on, in order.
    public private(set) var closedApexes: [DomainName] = []
    /// Single names beside the zones. In a zone that passes on they stand beside what it has; in one that does not they mean nothing:
    /// there they are to be records of it (``enclosedHosts``).
    public var hosts = Hosts()

    /// A zone behind one reference: asking for it copies nothing.
    final class Hold: Sendable {
        let zone: Zone
        fileprivate let hash: UInt64

        init(_ zone: Zone) {
            self.zone = zone
            hash = NameKey(zone.apex).hash
        }

        func matches(_ key: borrowing NameKey, from start: Int) -> Bool {
            key.matches(zone.apexKey, 0..<zone.apexKey.count, from: start)
        }
    }

    public init(_ zones: some Sequence<Zone> = []) { set(zones) }

    /// The zone with exactly this apex. Setting one of another apex is a mistake; `nil` removes it.
    public subscript(apex: DomainName) -> Zone? {
        get {
            let key = NameKey(apex)
            return index(key, key.hash, depth: key.labels).map { holds[$0].zone }
        }
        set {
            if let newValue {
                precondition(newValue.apex == apex, "a zone is kept under its own apex")
                set(newValue)
            } else {
                remove(apex)
            }
        }
    }

    /// Adds a zone, or puts it in the place of the one with its apex.
    public mutating func set(_ zone: Zone) {
        let key = NameKey(zone.apex)
        let hold = Hold(zone)
        if let index = index(key, hold.hash, depth: key.labels) {
            if holds[index].zone.passesOn != zone.passesOn { close(zone.apex, !zone.passesOn) }
            holds[index] = hold
            return
        }
        while starts.count < key.labels + 2 { starts.append(holds.count) }
        let index = place(hold.hash, depth: key.labels)
        holds.insert(hold, at: index)
        hashes.insert(hold.hash, at: index)
        for depth in (key.labels + 1)..<starts.count { starts[depth] += 1 }
        close(zone.apex, !zone.passesOn)
    }

    /// The same for many: of a list that names one apex twice the last counts.
    public mutating func set(_ zones: some Sequence<Zone>) {
        var new: [DomainName: Hold] = [:]
        for zone in zones { new[zone.apex] = Hold(zone) }
        become(holds.filter { new[$0.zone.apex] == nil } + new.values)
    }

    public mutating func remove(_ apexes: Set<DomainName>) {
        if !apexes.isEmpty { become(holds.filter { !apexes.contains($0.zone.apex) }) }
    }

    private mutating func remove(_ apex: DomainName) {
        let key = NameKey(apex)
        guard let index = index(key, key.hash, depth: key.labels) else { return }
        holds.remove(at: index)
        hashes.remove(at: index)
        for depth in (key.labels + 1)..<starts.count { starts[depth] -= 1 }
        close(apex, false)
    }

    private mutating func become(_ all: [Hold]) {
        holds = all.sorted { ($0.zone.apexLabels, $0.hash) < ($1.zone.apexLabels, $1.hash) }
        hashes = holds.map(\.hash)
        starts = [0]
        for (index, hold) in holds.enumerated() {
            while starts.count <= hold.zone.apexLabels { starts.append(index) }
        }
        starts.append(holds.count)
        closedApexes = holds.filter { !$0.zone.passesOn }.map(\.zone.apex).sorted()
    }

    private mutating func close(_ apex: DomainName, _ isClosed: Bool) {
        closedApexes.removeAll { $0 == apex }
        if isClosed { closedApexes.insert(apex, at: closedApexes.firstIndex { apex < $0 } ?? closedApexes.endIndex) }
    }

    public var count: Int { holds.count }

    /// How many names exist, hosts included.
    public var nameCount: Int { holds.reduce(hosts.count) { $0 + $1.zone.nameCount } }

    /// All zones in no order.
    public var unordered: some Sequence<Zone> { holds.lazy.map(\.zone) }

    /// All zones in the order of their names.
    public var all: [Zone] { holds.map(\.zone).sorted { $0.apex < $1.apex } }

    /// The zone that a name belongs to.
    public func zone(of name: DomainName) -> Zone? {
        let key = NameKey(name)
        var hash: UInt64 = 0
        return hold(key, &hash)?.zone
    }

    /// Whether a name is answered for here, or could be.
    public func covers(_ name: DomainName) -> Bool { zone(of: name) != nil || hosts.has(NameKey(name)) }

    /// Who gave what stands at a name, in order; empty when nothing does.
    public func sources(of name: DomainName) -> [String] {
        let zone = zone(of: name)
        let sources = zone?.sources(of: name) ?? []
        guard zone?.passesOn ?? true, hosts.has(NameKey(name)), !sources.contains(Hosts.source) else { return sources }
        return (sources + [Hosts.source]).sorted()
    }

    /// Records of the hosts that are in zones that pass nothing on, by the zones' apexes.
    public var enclosedHosts: [DomainName: [Record]] {
        var records: [DomainName: [Record]] = [:]
        guard !closedApexes.isEmpty else { return records }
        var key = NameKey()
        hosts.forEach { name, host in
            key.read(name.wire, at: 0)
            var hash: UInt64 = 0
            guard let zone = hold(key, &hash)?.zone, !zone.passesOn else { return }
            records[zone.apex, default: []] += Hosts.records(name, host)
        }
        return records
    }

    /// - Parameter hash: set to the hash of the whole name.
    @inline(__always)
    func hold(_ key: borrowing NameKey, _ hash: inout UInt64) -> Hold? {
        var found: Int?
        hash = NameHash.empty
        for depth in 0..<(key.labels + 1) {
            if depth > 0 { hash = key.hash(extending: hash, depth: depth) }
            if depth + 1 < starts.count, starts[depth] < starts[depth + 1], let index = index(key, hash, depth: depth) {
                found = index
            }
        }
        return found.map { holds[$0] }
    }

    private func index(_ key: borrowing NameKey, _ hash: UInt64, depth: Int) -> Int? {
        guard depth + 1 < starts.count else { return nil }
        var index = place(hash, depth: depth)
        let start = key.start(depth: depth)
        while index < starts[depth + 1], hashes[index] == hash {
            if holds[index].matches(key, from: start) { return index }
            index += 1
        }
        return nil
    }

    /// The first place of a depth whose hash is not less.
    private func place(_ hash: UInt64, depth: Int) -> Int {
        var (low, high) = (starts[depth], starts[depth + 1])
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
