import Addressing
import Cluster
import KubeAPI

/// What a node can tell from its own links of what the objects say.
extension NodeFacts {
    /// The link of this node whose segment shares addresses with a range, so that the range cannot be pods'.
    func uplink(overlapping prefix: IPPrefix) -> Uplink? {
        uplinks.values.filter { $0.segment.overlaps(prefix) }.min { ($0.device, $0.segment) < ($1.device, $1.segment) }
    }

    /// Another node without what cannot be its: ranges on this node's segments, and addresses on this node's links.
    func plausible(_ peer: Member) -> Member {
        // Nearly all are: no copy is made of them.
        let segments = uplinks.values
        guard
            peer.addresses.contains(where: { uplinks[$0] != nil })
                || peer.podPrefixes.contains(where: { prefix in segments.contains { $0.segment.overlaps(prefix) } })
        else { return peer }
        var peer = peer
        peer.podPrefixes.removeAll { uplink(overlapping: $0) != nil }
        peer.addresses.removeAll { uplinks[$0] != nil }
        return peer
    }

    /// The same, of its addresses alone.
    func addressed(_ peer: Member) -> Member {
        guard peer.addresses.contains(where: { uplinks[$0] != nil }) else { return peer }
        var peer = peer
        peer.addresses.removeAll { uplinks[$0] != nil }
        return peer
    }

    /// What ``plausible(_:)`` took away.
    func refusedClaims(of peer: Member) -> [Problem] {
        refusedPrefixes(of: peer)
            + peer.addresses.filter { uplinks[$0] != nil }.map { address in
                Problem(
                    .nodeAddressShared, ObjectKey(Node.resource.kind, name: peer.name),
                    "its address \(address) is on this node's own \(uplinks[address]?.device ?? "link")")
            }
    }

    func refusedPrefixes(of member: Member?) -> [Problem] {
        guard let member else { return [] }
        return member.podPrefixes.compactMap { prefix in
            uplink(overlapping: prefix).map { uplink in
                Problem(
                    .podCIDROnSegment, ObjectKey(Node.resource.kind, name: member.name),
                    "its pod range spec.podCIDRs \(prefix) overlaps \(uplink.segment), the segment of this node's \(uplink.device)"
                )
            }
        }
    }
}
