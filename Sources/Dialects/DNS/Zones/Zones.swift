/// All zones of a server; a name belongs to the one with the longest apex that it is inside of.
///
/// A value like ``Zone``: threads answer from one while the next is made, and each query keeps the one it started with.
public struct Zones: Sendable {
    private var tree = HashTree<Hold>()
    /// How many zones have an apex of so many labels, so that only those depths of a name are looked up.
    private var depths: [Int] = []

    /// A zone behind one reference: asking for it copies nothing.
    final class Hold: Sendable {
        let zone: Zone
        init(_ zone: Zone) { self.zone = zone }
    }

    public init(_ zones: some Sequence<Zone> = []) {
        for zone in zones { set(zone) }
    }

    /// The zone with exactly this apex. Setting one of another apex is a mistake; `nil` removes it.
    public subscript(apex: DomainName) -> Zone? {
        get { tree.value(NameKey(apex).hash, apex.lowercase.wire)?.zone }
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

    public var count: Int { tree.count }

    /// All zones in the order of their names.
    public var all: [Zone] {
        var zones: [Zone] = []
        tree.forEach { zones.append($1.zone) }
        return zones.sorted { $0.apex < $1.apex }
    }

    /// The zone that a name belongs to.
    public func zone(of name: DomainName) -> Zone? {
        let key = NameKey(name)
        var hash: UInt64 = 0
        return hold(key, &hash)?.zone
    }

    private mutating func put(_ hold: Hold?, _ apex: DomainName) {
        let (key, depth) = (NameKey(apex), apex.labelCount)
        let change = (hold == nil ? 0 : 1) - (tree.value(key.hash, apex.lowercase.wire) == nil ? 0 : 1)
        tree.set(hold, key.hash, apex.lowercase.wire)
        while depths.count <= depth { depths.append(0) }
        depths[depth] += change
    }

    /// - Parameter hash: set to the hash of the whole name.
    @inline(__always)
    func hold(_ key: NameKey, _ hash: inout UInt64) -> Hold? {
        var found = depths.first ?? 0 > 0 ? hold(key, NameHash.empty, depth: 0) : nil
        hash = NameHash.empty
        for depth in 1..<(key.labels + 1) {
            hash = key.hash(extending: hash, depth: depth)
            if depth < depths.count, depths[depth] > 0, let zone = hold(key, hash, depth: depth) { found = zone }
        }
        return found
    }

    private func hold(_ key: NameKey, _ hash: UInt64, depth: Int) -> Hold? {
        let start = key.start(depth: depth)
        return tree.value(hash) { key.matches($0, from: start) }
    }
}
