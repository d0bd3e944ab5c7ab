public import HostNetwork

/// What an agent does on its node: the parts of `tulle agent --parts`. What is not among them is left to somebody else.
///
/// An agent without ``pods`` does not look at pods' links, nor at what it may have made for them when it had this duty: pods stay
/// as they are. An agent without ``overlay`` takes its roads back, because somebody else's are to be used.
public enum Duty: String, Hashable, Sendable, CaseIterable {
    /// Addresses and links of pods, and how they talk to the world outside.
    case pods
    /// The roads to other nodes' pods.
    case overlay
    /// What kube-proxy does.
    case services
    /// Who may talk to whom.
    case policies
    /// Names, answered on the node itself.
    case dns
}

extension Set<Duty> {
    public static var all: Set<Duty> { Set(Duty.allCases) }

    /// Whether something on the node is to be looked at.
    public func concern(_ object: Object) -> Bool {
        if contains(.pods) { return true }
        switch object {
        case .link(let link): return !PacketPath.isPodLink(link.name) && link.name != PacketPath.podBridge
        case .route(let route) where route.kind == .unreachable: return false
        default: return !(object.link.map { PacketPath.isPodLink($0) || $0 == PacketPath.podBridge } ?? false)
        }
    }
}
