/// A map from hashed byte strings to values, of which a changed copy shares all but one path with the original.
///
/// A name server answers from a value while the next one is made from it by small changes: a dictionary would be copied whole for
/// each. A tree of nodes with up to 32 children, five bits of the hash a level, is copied along one path: three to four nodes at
/// 100,000 names. It is asked with the key as it stands in a packet, which is why it is none of swift-collections'.
///
/// ```
///   root ─┬─ node ─┬─ leaf (hash, key, value) ─ leaf of the very same hash
///         │        └─ node …
///         └─ leaf
/// ```
struct HashTree<Value: Sendable>: Sendable {
    private var root: Node?
    private(set) var count = 0

    fileprivate enum Child: Sendable {
        case node(Node)
        case leaf(Leaf)
    }

    fileprivate final class Node: Sendable {
        /// A bit for each child that is there.
        let map: UInt32
        let children: [Child]

        init(_ map: UInt32, _ children: [Child]) { (self.map, self.children) = (map, children) }
    }

    fileprivate final class Leaf: Sendable {
        let hash: UInt64
        let key: [UInt8]
        let value: Value
        let next: Leaf?

        init(_ hash: UInt64, _ key: [UInt8], _ value: Value, next: Leaf? = nil) {
            (self.hash, self.key, self.value, self.next) = (hash, key, value, next)
        }
    }
}

// MARK: - Asking

extension HashTree {
    /// - Parameter matches: whether this is the key that is asked for.
    @inline(__always)
    func value(_ hash: UInt64, where matches: ([UInt8]) -> Bool) -> Value? {
        guard var node = root else { return nil }
        var rest = hash
        while true {
            let bit = UInt32(1) << UInt32(truncatingIfNeeded: rest & 31)
            guard node.map & bit != 0 else { return nil }
            switch node.children[(node.map & (bit - 1)).nonzeroBitCount] {
            case .node(let child):
                node = child
                rest >>= 5
            case .leaf(let leaf):
                var candidate: Leaf? = leaf
                while let found = candidate {
                    if found.hash == hash, matches(found.key) { return found.value }
                    candidate = found.next
                }
                return nil
            }
        }
    }

    func value(_ hash: UInt64, _ key: [UInt8]) -> Value? {
        value(hash) { $0 == key }
    }

    /// All keys and values, in no order.
    func forEach(_ body: ([UInt8], Value) -> Void) {
        root.map { Self.forEach($0, body) }
    }

    private static func forEach(_ node: Node, _ body: ([UInt8], Value) -> Void) {
        for child in node.children {
            switch child {
            case .node(let node): forEach(node, body)
            case .leaf(let leaf):
                var next: Leaf? = leaf
                while let leaf = next {
                    body(leaf.key, leaf.value)
                    next = leaf.next
                }
            }
        }
    }
}

// MARK: - Changing

extension HashTree {
    /// Puts a value at a key in place of what is there; `nil` removes it.
    mutating func set(_ value: Value?, _ hash: UInt64, _ key: [UInt8]) {
        let had = self.value(hash, key) != nil
        if value == nil, !had { return }
        count += (value == nil ? 0 : 1) - (had ? 1 : 0)
        let child = root.map { Child.node($0) }
        switch Self.child(child, at: 0, hash, key, value) {
        case .node(let node): root = node
        case .leaf(let leaf): root = Node(Self.bit(leaf.hash, 0), [.leaf(leaf)])
        case nil: root = nil
        }
    }

    private static func bit(_ hash: UInt64, _ level: Int) -> UInt32 { 1 << UInt32(hash >> UInt64(5 * level) & 31) }

    /// What stands in the place of a child after the change: nothing, a leaf, or a node that has more than one leaf below.
    private static func child(_ child: Child?, at level: Int, _ hash: UInt64, _ key: [UInt8], _ value: Value?) -> Child? {
        switch child {
        case nil: return value.map { .leaf(Leaf(hash, key, $0)) }
        case .leaf(let leaf): return self.leaf(leaf, at: level, hash, key, value)
        case .node(let node):
            let bit = bit(hash, level)
            let index = (node.map & (bit - 1)).nonzeroBitCount
            let old = node.map & bit == 0 ? nil : node.children[index]
            var (map, children) = (node.map, node.children)
            switch (old, self.child(old, at: level + 1, hash, key, value)) {
            case (nil, nil): return .node(node)
            case (nil, let new?):
                children.insert(new, at: index)
                map |= bit
            case (_?, let new?): children[index] = new
            case (_?, nil):
                children.remove(at: index)
                map &= ~bit
            }
            if children.isEmpty { return nil }
            // A lone leaf moves up, so that a tree has one form for one content, however it came about.
            if children.count == 1, case .leaf = children[0] { return children[0] }
            return .node(Node(map, children))
        }
    }

    private static func leaf(_ leaf: Leaf, at level: Int, _ hash: UInt64, _ key: [UInt8], _ value: Value?) -> Child? {
        if leaf.hash == hash {
            var others: [Leaf] = []
            var next: Leaf? = leaf
            while let found = next {
                if found.key != key { others.append(found) }
                next = found.next
            }
            let tail = others.reduce(nil) { Leaf($1.hash, $1.key, $1.value, next: $0) }
            return (value.map { Leaf(hash, key, $0, next: tail) } ?? tail).map { .leaf($0) }
        }
        guard let value else { return .leaf(leaf) }
        // Two hashes that differ: they part at some level, as all 64 bits are used.
        let (mine, theirs) = (bit(hash, level), bit(leaf.hash, level))
        if mine == theirs {
            return self.leaf(leaf, at: level + 1, hash, key, value).map { .node(Node(mine, [$0])) }
        }
        let new = Child.leaf(Leaf(hash, key, value))
        return .node(Node(mine | theirs, mine < theirs ? [new, .leaf(leaf)] : [.leaf(leaf), new]))
    }
}
