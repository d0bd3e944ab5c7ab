import Addressing
import KubeAPI

/// Resolves the nodes: two nodes must not share an address, and no two ranges of pods may overlap.
///
/// Where two claim the same, the node that was there first keeps it (by creation, then by name), whatever the order of arrival:
/// a mistake in a new node's object must not take a running node's pods off the network.
struct MemberResolution {
    private(set) var members: [String: Member] = [:]
    private(set) var problems: [Problem] = []

    init(_ nodes: some Collection<Node>) {
        let inOrder = nodes.sorted {
            // A node without a timestamp comes from a file: it is as old as can be.
            ($0.metadata.creationTimestamp ?? "", $0.metadata.name) < ($1.metadata.creationTimestamp ?? "", $1.metadata.name)
        }
        var addressOwners: [IPAddress: String] = [:]
        var claims = PrefixClaims()
        for node in inOrder {
            let name = node.metadata.name
            let addresses = node.internalAddresses.filter { address in
                guard let owner = addressOwners[address], owner != name else { return true }
                problems.append(
                    Problem(.nodeAddressShared, node.key, "its address \(address) is also the address of node \(owner)"))
                return false
            }
            for address in addresses { addressOwners[address] = name }
            let prefixes = node.spec.podCIDRs.filter { prefix in
                guard let other = claims.conflict(with: prefix) else { return true }
                problems.append(
                    Problem(.podCIDROverlap, node.key, "its pod range \(prefix) overlaps \(other.prefix) of node \(other.owner)"))
                return false
            }
            for prefix in prefixes { claims.add(prefix, owner: name) }
            members[name] = Member(name: name, addresses: firstOfEachFamily(addresses), podPrefixes: prefixes)
            reportMissing(node, addresses)
        }
    }

    private mutating func reportMissing(_ node: Node, _ addresses: [IPAddress]) {
        if node.spec.podCIDRs.isEmpty {
            problems.append(Problem(.nodeWithoutPodCIDR, node.key, "it has no range for its pods"))
        }
        let families = Set(node.spec.podCIDRs.map(\.family)).subtracting(node.internalAddresses.map(\.family))
        for family in families.sorted() {
            problems.append(Problem(.nodeWithoutAddress, node.key, "it has pods of \(family.name) and no \(family.name) address"))
        }
    }
}

private func firstOfEachFamily(_ addresses: [IPAddress]) -> [IPAddress] {
    var seen: Set<IPFamily> = []
    return addresses.filter { seen.insert($0.family).inserted }
}

/// Who has which prefix: finds an overlap by a look at the neighbours in address order instead of at all of them.
private struct PrefixClaims {
    private var sorted: [(prefix: IPPrefix, owner: String)] = []

    /// Prefixes that do not overlap each other lie apart: only the ones next to the new one's place can overlap it.
    func conflict(with prefix: IPPrefix) -> (prefix: IPPrefix, owner: String)? {
        let place = place(of: prefix)
        let neighbours = sorted[max(0, place - 1)..<min(sorted.count, place + 1)]
        return neighbours.first { $0.prefix.overlaps(prefix) }
    }

    mutating func add(_ prefix: IPPrefix, owner: String) {
        sorted.insert((prefix, owner), at: place(of: prefix))
    }

    private func place(of prefix: IPPrefix) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle].prefix < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
