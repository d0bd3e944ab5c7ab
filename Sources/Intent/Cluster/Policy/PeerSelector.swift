public import Addressing
public import KubeAPI

/// Pods that a peer of a rule means by labels. Two rules that mean the same pods have the same, however it was written.
public struct PeerSelector: Hashable, Sendable {
    public var scope: Scope
    public var pods: LabelSelector

    public enum Scope: Hashable, Sendable {
        case namespace(String)
        /// Those with these labels.
        case namespaces(LabelSelector)
    }

    /// `nil` for a peer that means nobody, or addresses.
    ///
    /// - Parameter namespace: the policy's own.
    public init?(_ peer: NetworkPolicy.Peer, in namespace: String) {
        switch peer {
        case .pods(let selector): (scope, pods) = (.namespace(namespace), selector.ordered)
        case .namespaces(let selector, let pods):
            (scope, self.pods) = (.namespaces(selector.ordered), pods?.ordered ?? LabelSelector())
        case .block, .nobody: return nil
        }
    }
}

/// A name that containers give their ports. Each pod has its own numbers for it.
public struct NamedPort: Hashable, Sendable {
    public var name: String
    public var transport: TransportProtocol

    public init(_ name: String, _ transport: TransportProtocol) { (self.name, self.transport) = (name, transport) }
}

extension NetworkPolicy {
    /// The pods that its rules mean by labels.
    var peerSelectors: Set<PeerSelector> {
        Set((ingress + egress).flatMap(\.peers).compactMap { PeerSelector($0, in: metadata.namespace) })
    }

    var namedPorts: Set<NamedPort> {
        Set(
            (ingress + egress).flatMap(\.ports).compactMap { port in
                if case .name(let name)? = port.port { NamedPort(name, port.transport) } else { nil }
            })
    }

    /// Whether it says the same.
    func means(the other: NetworkPolicy) -> Bool {
        podSelector == other.podSelector && directions == other.directions && ingress == other.ingress && egress == other.egress
    }
}

extension LabelSelector {
    /// The same requirements, each once, in one order.
    var ordered: LabelSelector {
        let tidy = requirements.map { requirement in
            requirement.values.count > 1
                ? Requirement(requirement.key, requirement.operator, Set(requirement.values).sorted()) : requirement
        }
        guard tidy.count > 1 else { return LabelSelector(tidy) }
        let sorted = Set(tidy).sorted { a, b in
            (a.key, a.operator.rawValue) == (b.key, b.operator.rawValue)
                ? a.values.lexicographicallyPrecedes(b.values)
                : (a.key, a.operator.rawValue) < (b.key, b.operator.rawValue)
        }
        return LabelSelector(sorted)
    }
}
