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
        var part = Part(network: State(tunnel.end(underlay, mtu: min(askedMTU ?? room, room))))
        let device = own.address(underlay).flatMap { facts.uplinks[$0]?.device } ?? ""
        if let asked = network.mtu, asked > room {
            part.problems.append(
                unfit(
                    "--mtu \(asked): packets of pods may have \(room) bytes, so that they fit wrapped through this node's \(device)"
                ))
        }
        if room < Link.leastIPv6MTU, hasIPv6Pods {
            part.problems.append(
                unfit(
                    "IPv6 needs packets of \(Link.leastIPv6MTU) bytes, and wrapped for this node's \(device) they may have \(room): "
                        + "it does not go through the tunnel"))
        }
        return part
    }

    /// What is wrong with `--mtu` whatever the backend, or with links that packets go over as they are.
    var mtuProblems: [Problem] {
        var problems: [Problem] = []
        if let asked = network.mtu, asked < Link.leastIPv6MTU, hasIPv6Pods {
            problems.append(
                unfit("--mtu \(asked): IPv6 needs packets of \(Link.leastIPv6MTU) bytes, and so many pods' links take"))
        }
        if tunnel == nil, duties.contains(.pods), let asked = network.mtu, asked > uplinkMTU {
            problems.append(unfit("--mtu \(asked): packets of pods may have \(uplinkMTU) bytes, as on this node's links"))
        }
        return problems
    }

    private func unfit(_ message: String) -> Problem {
        Problem(.mtuUnfit, ObjectKey(Node.resource.kind, name: facts.name), message)
    }

    private var hasIPv6Pods: Bool {
        facts.families.contains(.v6) && (own?.podPrefixes ?? []).contains { $0.family == .v6 }
    }

    /// Where pods have IPv6, not less than it needs: a node that did without would give its pods no network at all.
    private var askedMTU: Int? { network.mtu.map { hasIPv6Pods ? max($0, Link.leastIPv6MTU) : $0 } }

    private var uplinkMTU: Int { (own?.addresses ?? []).compactMap { facts.uplinks[$0]?.mtu }.min() ?? 1500 }

    /// What pods' links get: what is asked for, and no more than the links towards other nodes and the backend leave.
    ///
    /// A pod keeps what it got. Where a road narrows later, or is too narrow for IPv6, its node says so with each packet that is too
    /// large (ICMP).
    public var podMTU: Int {
        let room = tunnel.flatMap { tunnel in
            [.v4, .v6].filter { tunnel.needs($0, for: peers) }.compactMap(tunnel.mtu).min()
        }
        let mtu = min(askedMTU ?? .max, room ?? uplinkMTU)
        return hasIPv6Pods ? max(mtu, Link.leastIPv6MTU) : mtu
    }
}
