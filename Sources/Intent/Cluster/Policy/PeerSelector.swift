public import Addressing
public import KubeAPI

/// Pods or nodes that a peer of a rule means by labels. Two rules that mean the same have the same, however it was written.
public struct PeerSelector: Hashable, Sendable {
    public var scope: Scope
    /// Of the pods; with ``Scope/nodes`` of the nodes.
    public var labels: LabelSelector

    public enum Scope: Hashable, Sendable {
        case namespace(String)
        /// Those with these labels.
        case namespaces(LabelSelector)
        /// Of which nothing is known yet: the pod is there before its namespace.
        case unknownNamespaces
        /// No pods: all addresses that the nodes' objects name.
        case nodes
    }

    public init(_ scope: Scope, _ labels: LabelSelector) { (self.scope, self.labels) = (scope, labels.ordered) }

    /// `nil` for a peer that means nobody, or addresses.
    ///
    /// - Parameter namespace: the policy's own.
    public init?(_ peer: NetworkPolicy.Peer, in namespace: String) {
        switch peer {
        case .pods(let selector): self.init(.namespace(namespace), selector)
        case .namespaces(let selector, let pods): self.init(.namespaces(selector.ordered), pods ?? LabelSelector())
        case .block, .nobody: return nil
        }
    }

    public init(_ group: ClusterNetworkPolicy.PodGroup) { self.init(.namespaces(group.namespaces.ordered), group.pods) }

    /// The pods that a group may mean, as nothing is known of their namespaces.
    public init(possibly group: ClusterNetworkPolicy.PodGroup) { self.init(.unknownNamespaces, group.pods) }
}

/// A name that containers give their ports. Each pod has its own numbers for it.
public struct NamedPort: Hashable, Sendable {
    public var name: String
    public var transport: TransportProtocol

    public init(_ name: String, _ transport: TransportProtocol) { (self.name, self.transport) = (name, transport) }
}

extension NetworkPolicy {
    /// Whether it says the same.
    func means(the other: NetworkPolicy) -> Bool {
        podSelector == other.podSelector && directions == other.directions && ingress == other.ingress && egress == other.egress
            && isShadow == other.isShadow && PolicyLog(askedBy: metadata) == PolicyLog(askedBy: other.metadata)
    }
}

/// Whom a policy's rules mean, so far as that changes with objects.
struct PolicyNeeds: Hashable, Sendable {
    var peers: Set<PeerSelector> = []
    var ports: Set<NamedPort> = []
    /// Those of them that something may be refused for.
    var refusedPeers: Set<PeerSelector> = []
    var refusedPorts: Set<NamedPort> = []

    init(_ policy: NetworkPolicy) {
        for rule in policy.ingress + policy.egress {
            peers.formUnion(rule.peers.compactMap { PeerSelector($0, in: policy.metadata.namespace) })
            for port in rule.ports { if case .name(let name)? = port.port { ports.insert(NamedPort(name, port.transport)) } }
        }
    }

    init(_ policy: ClusterNetworkPolicy) {
        for rule in policy.ingress + policy.egress {
            let meant = rule.peers.flatMap(\.selectors)
            peers.formUnion(meant)
            let names = rule.ports.flatMap(NamedPort.all)
            ports.formUnion(names)
            guard rule.action != .accept else { continue }
            // What passes goes on to what may refuse it.
            refusedPeers.formUnion(meant)
            refusedPorts.formUnion(names)
        }
    }
}

extension ClusterNetworkPolicy.Peer {
    /// Whom it means, and whom it may mean.
    var selectors: [PeerSelector] {
        switch self {
        case .pods(let group): [PeerSelector(group), PeerSelector(possibly: group)]
        case .nodes(let labels): [PeerSelector(.nodes, labels)]
        case .networks, .everybody, .nobody: []
        }
    }
}

extension NamedPort {
    /// What a port of a cluster's policy means: the name says no protocol.
    public static func all(_ port: ClusterNetworkPolicy.Port) -> [NamedPort] {
        guard case .name(let name) = port else { return [] }
        return TransportProtocol.allCases.map { NamedPort(name, $0) }
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
