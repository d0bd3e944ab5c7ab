import Addressing
import Cluster
import HostNetwork
import KubeAPI

/// The road to another node where all nodes share a segment: a route to its pods by way of its address, and nothing else.
///
/// Costs one route per remote range. No encapsulation, so no packet grows and the MTU is the link's own.
struct HostGateway {
    let facts: NodeFacts
    /// This node.
    let own: Member

    /// The routes to one other node's pods; what has no way becomes a problem.
    func roads(to peer: Member) -> (state: State, problems: [Problem]) {
        var objects: [Object] = []
        var problems: [Problem] = []
        for prefix in peer.podPrefixes where facts.families.contains(prefix.family) {
            // A node without an address of the family has its problem already.
            guard let source = own.address(prefix.family), let gateway = peer.address(prefix.family),
                let uplink = facts.uplinks[source]
            else { continue }
            guard uplink.segment.contains(gateway) else {
                problems.append(
                    Problem(
                        .peerNotOnSegment, ObjectKey(Node.resource.kind, name: peer.name),
                        "its address \(gateway) is not in \(uplink.segment), the segment of this node's \(uplink.device)"))
                continue
            }
            objects.append(
                .route(
                    Route(
                        prefix, via: gateway, device: uplink.device, source: source, proto: PacketPath.routeProtocol)))
        }
        return (State(objects), problems)
    }
}
