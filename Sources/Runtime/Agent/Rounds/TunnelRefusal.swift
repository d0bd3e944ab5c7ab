import Cluster
import HostNetwork

extension Problem {
    /// Why this node's end of the tunnels cannot be made or changed, in words that say who stands in the way.
    init(_ refusal: Refusal, of link: Link, in observed: State) {
        guard case .vxlan(let overlay) = link.kind else {
            self.init(.changeRefused, nil, "\(refusal)")
            return
        }
        let tunnel = "VXLAN \(overlay.id) on UDP port \(overlay.port)"
        switch refusal.code {
        case .exists:
            let namesake = observed.link(link.name).flatMap { other -> String? in
                if case .vxlan = other.kind { return nil }
                return "the name \(link.name) belongs to a link of another kind, \(other.kind)"
            }
            let twin = observed.links.first { other in
                guard case .vxlan(let theirs) = other.kind, other.name != link.name else { return false }
                return theirs.id == overlay.id && theirs.port == overlay.port
            }
            self.init(.tunnelTaken, nil, namesake ?? "\(tunnel) is taken by link \(twin?.name ?? "another one"): \(refusal)")
        case .addressInUse:
            self.init(.tunnelPortTaken, nil, "UDP port \(overlay.port) is taken, so that link \(link.name) cannot go up")
        default: self.init(.changeRefused, nil, "\(refusal)")
        }
    }
}
