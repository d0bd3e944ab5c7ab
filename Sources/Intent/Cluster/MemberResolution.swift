import Addressing
import KubeAPI

/// Resolves the nodes: two nodes must not share an address, no two ranges of pods may overlap, and no range holds a node's address.
///
/// Where two claim the same, the node that was there first keeps it (by creation, then by name), whatever the order of arrival:
/// a mistake in a new node's object must not take a running node's pods off the network. Costs a look at all the nodes it is given:
/// ``MemberIndex`` says of which it has to be.
struct MemberResolution {
    private(set) var members: [String: Member] = [:]
    private(set) var problems: [Problem] = []
    private var reported: Set<Problem> = []

    /// Nodes' addresses, each as a range of one.
    private var addresses = PrefixClaims()
    private var ranges = PrefixClaims()

    init(_ nodes: some Collection<Node>) {
        // Places are put in order, and not the objects, which are large. A node without a timestamp comes from a file: it is as old
        // as can be.
        let inOrder = nodes.indices.map { (nodes[$0].metadata.creationTimestamp ?? "", nodes[$0].metadata.name, $0) }
        for (_, _, place) in inOrder.sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) { resolve(nodes[place]) }
    }

    private mutating func resolve(_ node: Node) {
        // Only these are claimed: what else a node lists is no reason to take it from another.
        let claims = firstOfEachFamily(node.internalAddresses)
        let own = claims.filter { canHave($0, node) }
        for address in own { addresses.add(IPPrefix(host: address), owner: node.metadata.name) }
        let prefixes = node.spec.podCIDRs.filter { prefix in
            guard canHave(prefix, node, claims) else { return false }
            // At once: a node's own ranges must not overlap each other either.
            ranges.add(prefix, owner: node.metadata.name)
            return true
        }
        members[node.metadata.name] = Member(
            name: node.metadata.name, addresses: own, podPrefixes: prefixes, claimedAddresses: claims)
        reportMissing(node, own, prefixes)
    }

    private mutating func canHave(_ address: IPAddress, _ node: Node) -> Bool {
        let host = IPPrefix(host: address)
        if let other = addresses.conflict(with: host) {
            report(.nodeAddressShared, node, "its address \(address) is also the address of node \(other.owner)")
            return false
        }
        if let other = ranges.conflict(with: host) {
            report(
                .nodeAddressInPodCIDR, node, "its address \(address) is in \(other.prefix), the pod range of node \(other.owner)")
            return false
        }
        return true
    }

    private mutating func canHave(_ prefix: IPPrefix, _ node: Node, _ own: [IPAddress]) -> Bool {
        if let fault = PodRangeRules.fault(of: prefix) {
            report(fault.id, node, fault.message)
            return false
        }
        // Its own first address may be another node's by now, and its pods must not have it all the same.
        let inside = own.first(where: prefix.contains).map { ($0, node.metadata.name) }
        if let (address, owner) = inside ?? addresses.conflict(with: prefix).map({ ($0.prefix.address, $0.owner) }) {
            report(
                .podCIDRHoldsNode, node, "its pod range spec.podCIDRs \(prefix) holds \(address), the address of node \(owner)")
            return false
        }
        if let other = ranges.conflict(with: prefix) {
            report(.podCIDROverlap, node, "its pod range \(prefix) overlaps \(other.prefix) of node \(other.owner)")
            return false
        }
        return true
    }

    private mutating func reportMissing(_ node: Node, _ addresses: [IPAddress], _ prefixes: [IPPrefix]) {
        if node.spec.podCIDRs.isEmpty { report(.nodeWithoutPodCIDR, node, "it has no range for its pods") }
        for family in IPFamily.allCases
        where prefixes.contains(where: { $0.family == family }) && !addresses.contains(where: { $0.family == family }) {
            report(.nodeWithoutAddress, node, "it has pods of \(family.name) and no \(family.name) address of its own")
        }
    }

    /// Once: a node that lists the same twice has one problem.
    private mutating func report(_ id: Problem.ID, _ node: Node, _ message: String) {
        let problem = Problem(id, node.key, message)
        if reported.insert(problem).inserted { problems.append(problem) }
    }
}

extension Node {
    /// Whether this node resolves as another version of it does: all but the first of its updates are heartbeats.
    func claims(sameAs other: Node) -> Bool {
        spec.podCIDRs == other.spec.podCIDRs && status.addresses == other.status.addresses
            && metadata.creationTimestamp == other.metadata.creationTimestamp
    }
}

/// What a node claims of its addresses.
func firstOfEachFamily(_ addresses: [IPAddress]) -> [IPAddress] {
    var first: [IPAddress] = []
    for address in addresses where !first.contains(where: { $0.family == address.family }) { first.append(address) }
    return first
}
