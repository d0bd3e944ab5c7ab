/// A map of packed entries, of which a changed copy shares all but one path with the original.
///
/// A name server answers from a value while the next one is made from it by small changes: a dictionary would be copied whole for
/// each. A tree of nodes with up to 64 children, six bits of the hash a level, is copied along one path: three nodes at 100,000
/// names. It is asked with the key as it stands in a packet, which is why it is none of swift-collections'.
///
/// ```
///   root ─┬─ node ─┬─ entry
///         │        ├─ entries of the very same hash
///         │        └─ node …
///         └─ entry
/// ```
struct NameTree: Sendable {
    private var root = Node(0, [])
    private(set) var count = 0

    /// Never changed once it is made. As an object a child is one word, as a value with its children beside it would be three.
    fileprivate final class Node: Sendable {
        /// A bit for each child that is there.
        let map: UInt64
        let children: [Child]

        init(_ map: UInt64, _ children: [Child]) { (self.map, self.children) = (map, children) }
    }

    fileprivate enum Child: Sendable {
        case node(Node)
        case entry(Packed)
        case several([Packed])
    }
}

// MARK: - Asking

extension NameTree {
    /// The entry of a name's last bytes, from `start` on.
    @inline(__always)
    func entry(_ hash: UInt64, _ key: borrowing NameKey, from start: Int) -> Packed? {
        Self.entry(root, hash, hash, key, start)
    }

    private static func entry(
        _ node: Node, _ rest: UInt64, _ hash: UInt64, _ key: borrowing NameKey, _ start: Int
    ) -> Packed? {
        let bit = UInt64(1) << (rest & 63)
        guard node.map & bit != 0 else { return nil }
        switch node.children[(node.map & (bit - 1)).nonzeroBitCount] {
        case .node(let below): return entry(below, rest >> 6, hash, key, start)
        case .entry(let found): return found.hash == hash && key.matches(found, from: start) ? found : nil
        case .several(let all):
            guard all[0].hash == hash else { return nil }
            for found in all where key.matches(found, from: start) { return found }
            return nil
        }
    }

    /// All entries of a hash: for changes, not for answers.
    func entries(_ hash: UInt64) -> [Packed] {
        var (rest, node) = (hash, root)
        while true {
            let bit = UInt64(1) << (rest & 63)
            guard node.map & bit != 0 else { return [] }
            switch node.children[(node.map & (bit - 1)).nonzeroBitCount] {
            case .node(let below): (rest, node) = (rest >> 6, below)
            case .entry(let found): return found.hash == hash ? [found] : []
            case .several(let all): return all[0].hash == hash ? all : []
            }
        }
    }

    /// The entry of any key.
    func entry(_ hash: UInt64, _ key: [UInt8]) -> Packed? { entries(hash).first { $0.key.elementsEqual(key) } }

    /// All entries, in no order.
    func forEach(_ body: (Packed) -> Void) { Self.forEach(root, body) }

    private static func forEach(_ node: Node, _ body: (Packed) -> Void) {
        for child in node.children {
            switch child {
            case .node(let below): forEach(below, body)
            case .entry(let entry): body(entry)
            case .several(let entries): entries.forEach(body)
            }
        }
    }
}

// MARK: - Changing

extension NameTree {
    /// Puts an entry in place of the one with its key.
    mutating func set(_ entry: Packed) {
        change(entry.hash, Array(entry.key), entry)
    }

    mutating func remove(_ hash: UInt64, _ key: [UInt8]) {
        change(hash, key, nil)
    }

    private mutating func change(_ hash: UInt64, _ key: [UInt8], _ new: Packed?) {
        let had = entry(hash, key) != nil
        if new == nil, !had { return }
        count += (new == nil ? 0 : 1) - (had ? 1 : 0)
        switch Self.changed(.node(root), at: 0, hash, key, new) {
        case .node(let node): root = node
        case .entry(let entry): root = Node(Self.bit(entry.hash, 0), [.entry(entry)])
        case .several(let all): root = Node(Self.bit(all[0].hash, 0), [.several(all)])
        case nil: root = Node(0, [])
        }
    }

    private static func bit(_ hash: UInt64, _ level: Int) -> UInt64 { 1 << (hash >> UInt64(6 * level) & 63) }

    /// What stands in the place of a child after the change: nothing, entries, or a node that has more than one place taken below.
    private static func changed(
        _ child: Child?, at level: Int, _ hash: UInt64, _ key: [UInt8], _ new: Packed?
    ) -> Child? {
        switch child {
        case nil: return new.map { .entry($0) }
        case .entry(let entry): return changed([entry], at: level, hash, key, new)
        case .several(let entries): return changed(entries, at: level, hash, key, new)
        case .node(let node):
            let bit = bit(hash, level)
            let index = (node.map & (bit - 1)).nonzeroBitCount
            let isThere = node.map & bit != 0
            let after = changed(isThere ? node.children[index] : nil, at: level + 1, hash, key, new)
            let map = after == nil ? node.map & ~bit : node.map | bit
            let children = node.children.replaced(index..<(isThere ? index + 1 : index), by: after)
            if children.isEmpty { return nil }
            // A lone entry moves up, so that a tree has one form for one content, however it came about.
            if children.count == 1 {
                if case .node = children[0] {} else { return children[0] }
            }
            return .node(Node(map, children))
        }
    }

    /// The same for entries of one hash.
    private static func changed(
        _ entries: [Packed], at level: Int, _ hash: UInt64, _ key: [UInt8], _ new: Packed?
    ) -> Child? {
        if entries[0].hash == hash {
            let all = entries.filter { !$0.key.elementsEqual(key) } + (new.map { [$0] } ?? [])
            return all.count > 1 ? .several(all) : all.first.map { .entry($0) }
        }
        let old: Child = entries.count > 1 ? .several(entries) : .entry(entries[0])
        guard let new else { return old }
        // Two hashes that differ: they part at some level, as all 64 bits are used.
        let (mine, theirs) = (bit(hash, level), bit(entries[0].hash, level))
        if mine == theirs { return changed(entries, at: level + 1, hash, key, new).map { .node(Node(mine, [$0])) } }
        return .node(Node(mine | theirs, mine < theirs ? [.entry(new), old] : [old, .entry(new)]))
    }
}

extension [NameTree.Child] {
    /// A copy with no more room than it needs.
    fileprivate func replaced(_ range: Range<Int>, by new: NameTree.Child?) -> [NameTree.Child] {
        var result: [NameTree.Child] = []
        result.reserveCapacity(count - range.count + (new == nil ? 0 : 1))
        result += self[..<range.lowerBound]
        if let new { result.append(new) }
        result += self[range.upperBound...]
        return result
    }
}
