public import Addressing
import Cluster
import HostNetwork

/// Another node as a tunnel can be tried with it: a frame to it, as one of its pods would get it.
public struct TunnelTarget: Hashable, Sendable {
    /// The other node.
    public var node: String
    /// This node's end of the tunnel.
    public var link: String
    /// Of this node and the other one: of the frame, and of the packet in it.
    public var macs: (own: MACAddress, other: MACAddress) { (ownMAC, otherMAC) }
    ///
    /// The own one is the first of the range of this node's pods, which no pod has: the answer comes through the tunnel, as it does to
    /// a pod, and passes the strictest check of sources.
    public var own: IPAddress
    public var other: IPAddress
    /// The largest packet in it.
    public var mtu: Int

    private var ownMAC: MACAddress
    private var otherMAC: MACAddress

    init(node: String, link: String, ownMAC: MACAddress, otherMAC: MACAddress, own: IPAddress, other: IPAddress, mtu: Int) {
        (self.node, self.link, self.own, self.other, self.mtu) = (node, link, own, other, mtu)
        (self.ownMAC, self.otherMAC) = (ownMAC, otherMAC)
    }
}

extension NodePlan {
    /// The other nodes to try the tunnel with: those that come next by name, so that each node is tried by as many as it tries.
    ///
    /// - Parameter count: at most so many.
    public func tunnelTargets(atMost count: Int = 3) -> [TunnelTarget] {
        guard let tunnel, let own else { return [] }
        let names = snapshot.members.keys.filter { $0 != facts.name }.sorted()
        let inTurn = names.filter { $0 > facts.name } + names.filter { $0 < facts.name }
        var targets: [TunnelTarget] = []
        for name in inTurn where targets.count < count {
            guard let peer = snapshot.members[name].map(facts.plausible), let underlay = tunnel.underlay(to: peer),
                let near = own.podPrefixes.first(where: { $0.family == underlay })?.address, let far = peer.address(underlay),
                let room = tunnel.mtu(underlay)
            else { continue }
            let link = PacketPath.tunnelLink(underlay)
            guard tunnel.roads(to: peer).state.objects.values.contains(where: { $0.link == link }) else { continue }
            targets.append(
                TunnelTarget(
                    node: name, link: link, ownMAC: Tunnel.mac(of: own.name, id: tunnel.settings.id),
                    otherMAC: Tunnel.mac(of: name, id: tunnel.settings.id), own: near, other: far,
                    mtu: min(network.mtu ?? room, room)))
        }
        return targets
    }
}
