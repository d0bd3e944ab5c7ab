public import Addressing
public import KubeAPI

/// Gives every node the prefixes its pods' addresses come from: one of each family of the cluster.
public struct NodePrefixController: Controller {
    public static let name = "node-ipam-controller"
    public let kinds = [Kinds.node]

    /// A family's prefix for all pods, and how long a node's part of it is.
    public struct Range: Hashable, Sendable {
        public var cluster: IPPrefix
        public var nodeLength: Int

        /// - Parameter nodeLength: Kubernetes' defaults are 24 and 64.
        public init(_ cluster: IPPrefix, nodeLength: Int? = nil) {
            self.cluster = cluster
            let standard = cluster.family == .v4 ? 24 : 64
            self.nodeLength = min(cluster.family.bitWidth, max(cluster.length, nodeLength ?? standard))
        }
    }

    private let ranges: [Range]

    /// - Parameter ranges: at most one a family, the first the primary one.
    public init(_ ranges: [Range]) { self.ranges = ranges }

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if let node = change.new { return Self.prefixes(of: node).isEmpty ? [change.key] : [] }
        // A node went and left its prefixes to those that got none.
        return world.all(Kinds.node).filter { Self.prefixes(of: $0).isEmpty }.map(\.key)
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let node = world[key], !node.isBeingDeleted, Self.prefixes(of: node).isEmpty else { return Outcome() }
        let nodes = world.all(Kinds.node)
        let taken = nodes.flatMap(Self.prefixes)
        // Where several wait, they get theirs in the order of their names: node-2 before node-10.
        let ahead = nodes.count { other in
            !other.isBeingDeleted && Self.prefixes(of: other).isEmpty && Self.comes(other.key.name, before: key.name)
        }
        var outcome = Outcome()
        let free = ranges.compactMap { Self.free(in: $0, besides: taken, ahead: ahead) }
        guard !ranges.isEmpty, free.count == ranges.count else { return outcome }
        var tree = node.tree
        tree[field: "spec", "podCIDR"] = .string(free[0].description)
        tree[field: "spec", "podCIDRs"] = .array(free.map { .string($0.description) })
        outcome.writes = [.update(tree)]
        return outcome
    }

    private static func prefixes(of node: Item) -> [IPPrefix] {
        let texts = (node.spec["podCIDRs"]?.array ?? []).compactMap(\.string)
        return (texts.isEmpty ? node.spec["podCIDR"]?.string.map { [$0] } ?? [] : texts).compactMap {
            InterfaceAddress($0)?.prefix
        }
    }

    /// Numbers at the end of names count as numbers.
    private static func comes(_ one: String, before other: String) -> Bool {
        func parts(_ name: String) -> (stem: Substring, number: Int) {
            let digits = name.reversed().prefix { ("0"..."9").contains($0) }.count
            return (name.dropLast(digits), Int(name.suffix(digits)) ?? -1)
        }
        return parts(one) < parts(other)
    }

    /// The part that overlaps nothing taken, and leaves so many for those who are ahead.
    private static func free(in range: Range, besides taken: [IPPrefix], ahead: Int) -> IPPrefix? {
        var taken = taken
        for _ in 0..<ahead {
            guard let first = free(in: range, besides: taken) else { return nil }
            taken.append(first)
        }
        return free(in: range, besides: taken)
    }

    /// The first part that overlaps nothing taken.
    private static func free(in range: Range, besides taken: [IPPrefix]) -> IPPrefix? {
        let step = UInt128(1) << UInt128(range.cluster.family.bitWidth - range.nodeLength)
        let taken = taken.filter(range.cluster.overlaps).sorted()
        var address = range.cluster.address
        for prefix in taken {
            let candidate = IPPrefix(address, length: range.nodeLength)
            if candidate.last < prefix.address { return candidate }
            guard prefix.last >= address else { continue }
            // The next part's start behind what is taken.
            let offset = prefix.last.number - range.cluster.address.number
            let next = range.cluster.address.number + (offset / step + 1) * step
            guard next <= range.cluster.last.number, next > address.number else { return nil }
            address = IPAddress(family: range.cluster.family, number: next)
        }
        return IPPrefix(address, length: range.nodeLength)
    }
}
