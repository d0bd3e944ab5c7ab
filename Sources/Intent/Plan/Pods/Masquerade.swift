public import Addressing
public import NFTables

/// The table that lets pods talk to the world: what leaves the cluster takes the node's address, what stays keeps its own.
///
/// Between pods, and between pods and nodes, the source is never changed: policies, logs and `explain` see who it really was.
/// Costs one rule, and one element per range and node: nothing per pod.
///
/// - Parameter reachable: where pods keep their own address besides.
public func masquerade(
    _ family: IPFamily, podRanges: [IPPrefix], nodeAddresses: [IPAddress], reachable: [IPPrefix] = []
) -> Table {
    let table: TableFamily = family == .v4 ? .ip : .ip6
    // The kernel refuses ranges that overlap: the wider one stays. Those of pods never do.
    let widest = reachable.filter { range in range.family == family && !reachable.contains { $0 != range && $0.contains(range) } }
    let others = NamedSet(ranges: widest, "reachable-ranges", family.fieldType)
    let isElsewhere: [Statement] = others.elements.isEmpty ? [] : [.isNotIn([.destinationAddress], set: "reachable-ranges")]
    let rule = NFTables.Rule(
        table,
        [
            .isIn([.sourceAddress], set: "pod-ranges"), .isNotIn([.destinationAddress], set: "pod-ranges"),
            .isNotIn([.destinationAddress], set: "node-addresses"),
        ] + isElsewhere + [.masquerade(.fullyRandom)], comment: "a pod talks to the world outside the cluster")
    let chain = Chain("postrouting", .init(.nat, .postrouting, priority: PacketPath.sourceTranslation), rules: [rule])
    let sets = clusterSets(family, podRanges: podRanges, nodeAddresses: nodeAddresses)
    return Table(table, PacketPath.podTable, chains: [chain], sets: sets + (others.elements.isEmpty ? [] : [others]))
}

/// What is inside the cluster: the sets of ``masquerade(_:podRanges:nodeAddresses:reachable:)`` that every node has its place in.
func clusterSets(_ family: IPFamily, podRanges: [IPPrefix], nodeAddresses: [IPAddress]) -> [NamedSet] {
    let nodes = nodeAddresses.filter { $0.family == family }.map { (Value(.address($0)), NamedSet.Content()) }
    return [
        NamedSet(ranges: podRanges.filter { $0.family == family }, "pod-ranges", family.fieldType),
        NamedSet(.init("node-addresses", key: [family.fieldType]), Dictionary(nodes) { first, _ in first }),
    ]
}

extension IPFamily {
    fileprivate var fieldType: FieldType { self == .v4 ? .ipv4Address : .ipv6Address }
}

extension NamedSet {
    fileprivate init(ranges: [IPPrefix], _ name: String, _ type: FieldType) {
        self.init(
            .init(name, key: [type], isInterval: true),
            Dictionary(ranges.map { ($0.key, NamedSet.Content(last: $0.lastKey)) }) { first, _ in first })
    }
}

extension IPPrefix {
    fileprivate var key: Value { Value(.address(address)) }
    /// `nil` for a range of one.
    fileprivate var lastKey: Value? { address == last ? nil : Value(.address(last)) }
}
