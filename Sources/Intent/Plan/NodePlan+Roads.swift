import Addressing
import Cluster
import HostNetwork
import KubeAPI

/// What roads between nodes need besides the road to each.
extension NodePlan {
    /// `nil` where no packet is wrapped.
    var tunnel: Tunnel? {
        guard duties.contains(.overlay), case .vxlan(let settings) = network.backend, let own else { return nil }
        return Tunnel(facts: facts, own: own, settings: settings)
    }

    /// The other nodes, with the addresses that this one believes to be theirs. A look at each of them: it has to be a short one.
    var peers: some Sequence<Member> { snapshot.members.values.lazy.filter { $0.name != facts.name }.map(facts.addressed) }

    /// This node's end of the tunnels; empty where there is no need for one of this family.
    func tunnelPart(_ underlay: IPFamily) -> Part {
        guard let tunnel, let own, tunnel.needs(underlay, for: peers), let room = tunnel.mtu(underlay) else { return Part() }
        let mtu = min(network.mtu ?? room, room)
        var part = Part(network: State(tunnel.end(underlay, mtu: mtu)))
        func report(_ message: String) {
            part.problems.append(Problem(.mtuUnfit, ObjectKey(Node.resource.kind, name: facts.name), message))
        }
        let device = own.address(underlay).flatMap { facts.uplinks[$0]?.device } ?? ""
        if let asked = network.mtu, asked > room {
            report(
                "--mtu \(asked): packets of pods may have \(room) bytes, so that they fit wrapped through this node's \(device)")
        }
        if mtu < 1280, own.podPrefixes.contains(where: { $0.family == .v6 }) {
            report("IPv6 needs packets of 1280 bytes, and wrapped for this node's \(device) they may have \(mtu)")
        }
        return part
    }

    /// What pods' links get: what is asked for, and no more than the links towards other nodes and the backend leave.
    ///
    /// A pod keeps what it got. Where a road narrows later, its node says so with each packet that is too large (ICMP).
    public var podMTU: Int {
        let uplinks = (own?.addresses ?? []).compactMap { facts.uplinks[$0]?.mtu }.min() ?? 1500
        let room = tunnel.flatMap { tunnel in
            [.v4, .v6].filter { tunnel.needs($0, for: peers) }.compactMap(tunnel.mtu).min()
        }
        return min(network.mtu ?? .max, room ?? uplinks)
    }
}
