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
            guard let (_, gateway, uplink) = way(to: peer, prefix.family) else { continue }
            guard let route = route(to: prefix, of: peer) else {
                problems.append(
                    Problem(
                        .peerNotOnSegment, ObjectKey(Node.resource.kind, name: peer.name),
                        "its address \(gateway) is not in \(uplink.segment), the segment of this node's \(uplink.device)"))
                continue
            }
            objects.append(.route(route))
        }
        return (State(objects), problems)
    }

    /// The route to one range of another node; `nil` when there is none without a router in between.
    func route(to prefix: IPPrefix, of peer: Member) -> Route? {
        guard let (source, gateway, uplink) = way(to: peer, prefix.family), uplink.segment.contains(gateway) else { return nil }
        return Route(prefix, via: gateway, device: uplink.device, source: source, proto: PacketPath.routeProtocol)
    }

    private func way(to peer: Member, _ family: IPFamily) -> (source: IPAddress, gateway: IPAddress, NodeFacts.Uplink)? {
        guard let source = own.address(family), let gateway = peer.address(family), let uplink = facts.uplinks[source] else {
            return nil
        }
        return (source, gateway, uplink)
    }
}
