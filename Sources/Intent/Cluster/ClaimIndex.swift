import Addressing

/// Who claims which prefix, whether it gets it or not: finds the nodes that may be at odds with each other.
///
/// A change of a node can matter to those whose claims overlap its own, to those that overlap theirs, and so on, and to nobody
/// else. In a cluster without mistakes that is nobody at all.
struct ClaimIndex {
    private var claims: [String: [IPPrefix]] = [:]
    private var owners: [IPPrefix: Set<String>] = [:]
    /// The keys of `owners`, in order: what lies inside a prefix lies side by side.
    private var sorted: [IPPrefix] = []
    /// How many of the keys have this length: what lies around a prefix is looked for by length.
    private var lengths: [IPFamily: [Int: Int]] = [:]

    init(_ claims: [String: [IPPrefix]] = [:]) {
        self.claims = claims.filter { !$0.value.isEmpty }
        for (name, prefixes) in claims {
            for prefix in prefixes { owners[prefix, default: []].insert(name) }
        }
        sorted = owners.keys.sorted()
        for prefix in sorted { lengths[prefix.family, default: [:]][prefix.length, default: 0] += 1 }
    }

    /// What this node claims from now on; nothing to forget it.
    mutating func set(_ name: String, to prefixes: [IPPrefix]) {
        for prefix in claims[name] ?? [] { remove(prefix, name) }
        claims[name] = prefixes.isEmpty ? nil : prefixes
        for prefix in prefixes { add(prefix, name) }
    }

    /// The nodes that this one's claims lead to, from one overlap to the next, and itself.
    func neighbourhood(of name: String) -> Set<String> {
        var found: Set<String> = [name]
        var waiting = claims[name] ?? []
        while let prefix = waiting.popLast() {
            for other in owners(overlapping: prefix) where found.insert(other).inserted { waiting += claims[other] ?? [] }
        }
        return found
    }

    private func owners(overlapping prefix: IPPrefix) -> Set<String> {
        var found: Set<String> = []
        for length in lengths[prefix.family]?.keys ?? [:].keys where length < prefix.length {
            found.formUnion(owners[IPPrefix(prefix.address, length: length)] ?? [])
        }
        let last = prefix.last
        for inside in sorted[place(of: prefix)...] {
            guard inside.address <= last else { break }
            // In the order of prefixes a wider one with the same first address comes before.
            found.formUnion(owners[inside] ?? [])
        }
        return found
    }

    private mutating func add(_ prefix: IPPrefix, _ name: String) {
        if owners[prefix] == nil {
            sorted.insert(prefix, at: place(of: prefix))
            lengths[prefix.family, default: [:]][prefix.length, default: 0] += 1
        }
        owners[prefix, default: []].insert(name)
    }

    private mutating func remove(_ prefix: IPPrefix, _ name: String) {
        guard owners[prefix]?.remove(name) != nil, owners[prefix]?.isEmpty == true else { return }
        owners[prefix] = nil
        sorted.remove(at: place(of: prefix))
        let left = (lengths[prefix.family]?[prefix.length] ?? 0) - 1
        lengths[prefix.family]?[prefix.length] = left > 0 ? left : nil
    }

    /// Where a prefix is, or would be.
    private func place(of prefix: IPPrefix) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
