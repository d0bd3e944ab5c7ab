/// All zones of a server; a name belongs to the one with the longest apex that it is inside of.
///
/// A value like ``Zone``: threads answer from one while the next is made, and each query keeps the one it started with.
public struct Zones: Sendable {
    /// In order of how many labels the apex has, then of its hash. There are few, and a query looks at each depth of its name that
    /// any has.
    private var holds: [Hold] = []
    /// The hash of each one's apex.
    private var hashes: [UInt64] = []
    /// Where the holds of each depth begin, and behind the last where it ends.
    private var starts: [Int] = [0]

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

    public init(_ zones: some Sequence<Zone> = []) {
        for zone in zones { set(zone) }
    }

    /// The zone with exactly this apex. Setting one of another apex is a mistake; `nil` removes it.
    public subscript(apex: DomainName) -> Zone? {
        get { holds.first { $0.zone.apex == apex }?.zone }
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

    public var count: Int { holds.count }

    /// All zones in the order of their names.
    public var all: [Zone] {
        holds.map(\.zone).sorted { $0.apex < $1.apex }
    }

    /// The zone that a name belongs to.
    public func zone(of name: DomainName) -> Zone? {
        let key = NameKey(name)
        var hash: UInt64 = 0
        return hold(key, &hash)?.zone
    }

    private mutating func put(_ hold: Hold?, _ apex: DomainName) {
        holds.removeAll { $0.zone.apex == apex }
        if let hold { holds.append(hold) }
        holds.sort { ($0.zone.apexLabels, $0.hash) < ($1.zone.apexLabels, $1.hash) }
        hashes = holds.map(\.hash)
        starts = [0]
        for (index, hold) in holds.enumerated() {
            while starts.count <= hold.zone.apexLabels { starts.append(index) }
        }
        starts.append(holds.count)
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
        var (low, high) = (starts[depth], starts[depth + 1])
        let end = high
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        let start = key.start(depth: depth)
        while low < end, hashes[low] == hash {
            if holds[low].matches(key, from: start) { return low }
            low += 1
        }
        return nil
    }
}
