import Addressing
import Cluster
import HostNetwork
import KubeAPI

/// What pods' links are ports of.
extension NodePlan {
    /// The ranges pods on the bridge get their addresses of.
    private var bridgedRanges: [IPPrefix] { (own?.podPrefixes ?? []).filter { facts.families.contains($0.family) } }

    /// There with ``PodMode/bridge``, and as long as a pod is a port of it.
    var bridgePart: Part {
        guard duties.contains(.pods), own != nil, network.podMode == .bridge || bridging.hasPorts else { return Part() }
        guard !bridgedRanges.isEmpty || bridging.hasPorts else { return Part() }
        var part = Part(network: PodBridge.state(bridgedRanges, mtu: podMTU, held: bridging.routed))
        guard network.podMode == .bridge else { return part }
        let subject = ObjectKey(Node.resource.kind, name: facts.name)
        for range in bridgedRanges {
            guard let gateway = PodBridge.gateway(of: range) else {
                part.problems.append(
                    Problem(
                        .podRangeTooSmall, subject,
                        "its pod range \(range) has no address to spare for a gateway, so that its pods are routed, not bridged"))
                continue
            }
            guard bridging.routed.contains(gateway) else { continue }
            part.problems.append(
                Problem(
                    .podHoldsGateway, subject,
                    "a pod that is not on the bridge has the gateway's address \(gateway), and keeps it until it goes"))
        }
        return part
    }
}
