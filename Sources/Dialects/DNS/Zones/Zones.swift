/// All zones of a server; a name belongs to the one with the longest apex that it is inside of.
///
/// A value like ``Zone``: threads answer from one while the next is made, and each query keeps the one it started with.
public struct Zones: Sendable {
    /// By the hash of the apex; there are few.
    private var holds: [UInt64: [Hold]] = [:]
    /// How many zones have an apex of so many labels, so that only those depths of a name are looked up.
    private var depths: [Int] = []

    /// A zone behind one reference: asking for it copies nothing.
    final class Hold: Sendable {
        let zone: Zone
        init(_ zone: Zone) { self.zone = zone }

        func matches(_ key: borrowing NameKey, from start: Int) -> Bool {
            key.matches(zone.apexKey, 0..<zone.apexKey.count, from: start)
        }
    }

    public init(_ zones: some Sequence<Zone> = []) {
        for zone in zones { set(zone) }
    }

    /// The zone with exactly this apex. Setting one of another apex is a mistake; `nil` removes it.
    public subscript(apex: DomainName) -> Zone? {
        get { holds[NameKey(apex).hash]?.first { $0.zone.apex == apex }?.zone }
        set {
            if let newValue {
                precondition(newValue.apex == apex, "a zone is kept under its own apex")
                set(newValue)
            } else {
                put(nil, apex)
            }
        }
    }

    /// Adds a zone, or puts it in the place of the one with its apex.
    public mutating func set(_ zone: Zone) { put(Hold(zone), zone.apex) }

    public var count: Int { holds.values.reduce(0) { $0 + $1.count } }

    /// All zones in the order of their names.
    public var all: [Zone] {
        holds.values.flatMap { $0.map(\.zone) }.sorted { $0.apex < $1.apex }
    }

    /// The zone that a name belongs to.
    public func zone(of name: DomainName) -> Zone? {
        let key = NameKey(name)
        var hash: UInt64 = 0
        return hold(key, &hash)?.zone
    }

    private mutating func put(_ hold: Hold?, _ apex: DomainName) {
        let (hash, depth) = (NameKey(apex).hash, apex.labelCount)
        let others = (holds[hash] ?? []).filter { $0.zone.apex != apex }
        while depths.count <= depth { depths.append(0) }
        depths[depth] += (hold == nil ? 0 : 1) - ((holds[hash]?.count ?? 0) - others.count)
        let all = others + (hold.map { [$0] } ?? [])
        holds[hash] = all.isEmpty ? nil : all
    }

    /// - Parameter hash: set to the hash of the whole name.
    @inline(__always)
    func hold(_ key: borrowing NameKey, _ hash: inout UInt64) -> Hold? {
        var found = depths.first ?? 0 > 0 ? hold(key, NameHash.empty, depth: 0) : nil
        hash = NameHash.empty
        for depth in 1..<(key.labels + 1) {
            hash = key.hash(extending: hash, depth: depth)
            if depth < depths.count, depths[depth] > 0, let zone = hold(key, hash, depth: depth) { found = zone }
        }
        return found
    }

    private func hold(_ key: borrowing NameKey, _ hash: UInt64, depth: Int) -> Hold? {
        let start = key.start(depth: depth)
        guard let all = holds[hash] else { return nil }
        for hold in all where hold.matches(key, from: start) { return hold }
        return nil
    }
}
