/// A map of packed entries, of which a changed copy shares all but one path with the original.
///
/// A name server answers from a value while the next one is made from it by small changes: a dictionary would be copied whole for
/// each. A tree of nodes with 16 places, four bits of the hash a level, is copied along one path, and no node is copied that this
/// tree alone has. At its ends stand leaves of some twenty entries in one piece: with 100,000 names a look-up passes three nodes, and
/// a change copies a few thousand bytes of one place. It is asked with the key as it stands in a packet, which is why it is none of
/// swift-collections'.
///
/// ```
///   root ─┬─ leaf     whose entries' hashes end in the same bits: as many as lead to this place, or fewer, and then it
///         ├─ leaf     stands in several places of a node
///         └─ node ─┬─ leaf
///                  └─ node …
/// ```
struct NameTree: Sendable {
    private var root = Self.none
    private(set) var count = 0

    fileprivate enum Child: Sendable {
        case leaf(NameLeaf)
        case node([Child])
    }

    /// A leaf of several entries that has more, or more bytes, is split as long as there are bits left to split by.
    private static let fullLeaf = (count: 32, size: 16_384)
    /// Two leaves that come to no more become one.
    private static let lowLeaf = (count: 16, size: 8_192)

    private static let bitsPerLevel = 4

    private static let none = places(of: .none)

    private static func places(of leaf: NameLeaf) -> [Child] { Array(repeating: .leaf(leaf), count: 1 << bitsPerLevel) }

    @inline(__always)
    private static func place(_ rest: UInt64) -> Int { Int(rest & (1 << UInt64(bitsPerLevel) - 1)) }
}

// MARK: - Asking

extension NameTree {
    /// The entry of a name's last bytes, from `start` on.
    @inline(__always)
    func entry(_ hash: UInt64, _ key: borrowing NameKey, from start: Int) -> Packed? {
        Self.entry(root, hash, hash, key, start)
    }

    private static func entry(
        _ children: [Child], _ rest: UInt64, _ hash: UInt64, _ key: borrowing NameKey, _ start: Int
    ) -> Packed? {
        switch children[place(rest)] {
        case .node(let below): return entry(below, rest >> UInt64(bitsPerLevel), hash, key, start)
        case .leaf(let leaf):
            var candidates = leaf.candidates(hash)
            while let place = candidates.next(leaf) {
                let found = leaf.entry(at: place)
                if key.matches(found, from: start) { return found }
            }
            return nil
        }
    }

    /// All entries of a hash: for changes, not for answers.
    func entries(_ hash: UInt64) -> [Packed] {
        var (children, rest) = (root, hash)
        while true {
            switch children[Self.place(rest)] {
            case .node(let below): (children, rest) = (below, rest >> UInt64(Self.bitsPerLevel))
            case .leaf(let leaf):
                var candidates = leaf.candidates(hash)
                var found: [Packed] = []
                while let place = candidates.next(leaf) { found.append(leaf.entry(at: place)) }
                return found
            }
        }
    }

    /// The entry of any key.
    func entry(_ hash: UInt64, _ key: [UInt8]) -> Packed? { entries(hash).first { $0.key.elementsEqual(key) } }

    /// All entries, in no order.
    func forEach(_ body: (Packed) -> Void) { Self.forEachLeaf(root, level: 0) { $0.entries.forEach(body) } }

    var leafCount: Int {
        var count = 0
        Self.forEachLeaf(root, level: 0) { _ in count += 1 }
        return count
    }

    private static func forEachLeaf(_ children: [Child], level: Int, _ body: (NameLeaf) -> Void) {
        for (place, child) in children.enumerated() {
            switch child {
            case .node(let below): forEachLeaf(below, level: level + 1, body)
            // Where it stands first.
            case .leaf(let leaf) where place < 1 << (leaf.bits - bitsPerLevel * level): body(leaf)
            case .leaf: break
            }
        }
    }
}

// MARK: - Changing

extension NameTree {
    /// Puts an entry in place of the one with its key.
    mutating func set(_ entry: Packed) {
        count += Self.change(&root, level: 0, entry.hash, entry.key, entry)
    }

    mutating func remove(_ hash: UInt64, _ key: [UInt8]) {
        count += Self.change(&root, level: 0, hash, key[...], nil)
    }

    /// - Returns: how many entries there are more.
    private static func change(
        _ children: inout [Child], level: Int, _ hash: UInt64, _ key: ArraySlice<UInt8>, _ new: Packed?
    ) -> Int {
        let place = place(hash >> UInt64(bitsPerLevel * level))
        switch children[place] {
        case .leaf(let leaf):
            guard let after = leaf.replacing(hash, key, with: new) else { return 0 }
            put(after.count < leaf.count ? merged(after, hash, children, level) : after, hash, &children, level)
            return after.count - leaf.count
        case .node(var below):
            // So that the node is held here alone and changed where it is, unless another tree has it too.
            children[place] = .leaf(.none)
            let change = change(&below, level: level + 1, hash, key, new)
            if case .leaf(let leaf) = below[0], leaf.bits == bitsPerLevel * (level + 1) {
                put(merged(leaf, hash, children, level), hash, &children, level)
            } else {
                children[place] = .node(below)
            }
            return change
        }
    }

    /// Puts a leaf in all places that its bits lead to, or what it is split into.
    ///
    /// - Parameter hash: one that ends in the leaf's bits.
    private static func put(_ leaf: NameLeaf, _ hash: UInt64, _ children: inout [Child], _ level: Int) {
        let own = leaf.bits - bitsPerLevel * level
        let place = place(hash >> UInt64(bitsPerLevel * level)) & (1 << own - 1)
        let isFull = leaf.count > fullLeaf.count || leaf.count > 1 && leaf.size > fullLeaf.size
        if !isFull || leaf.bits == UInt64.bitWidth {
            for place in stride(from: place, to: children.count, by: 1 << own) { children[place] = .leaf(leaf) }
        } else if own == bitsPerLevel {
            var below = places(of: leaf)
            put(leaf, hash, &below, level + 1)
            children[place] = .node(below)
        } else {
            let (zero, one) = leaf.split()
            let bit = UInt64(1) << UInt64(leaf.bits)
            put(zero, hash & ~bit, &children, level)
            put(one, hash | bit, &children, level)
        }
    }

    /// A leaf with the one beside it, as long as both are low.
    private static func merged(_ leaf: NameLeaf, _ hash: UInt64, _ children: [Child], _ level: Int) -> NameLeaf {
        var leaf = leaf
        while leaf.bits > bitsPerLevel * level {
            let bit = UInt64(1) << UInt64(leaf.bits - 1)
            guard case .leaf(let other) = children[place((hash ^ bit) >> UInt64(bitsPerLevel * level))], other.bits == leaf.bits,
                leaf.count + other.count <= lowLeaf.count, leaf.size + other.size <= lowLeaf.size
            else { break }
            leaf = NameLeaf(bits: leaf.bits - 1, leaf.entries + other.entries)
        }
        return leaf
    }
}
