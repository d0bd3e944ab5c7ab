public import KubeAPI

/// Whether a conversation may be, and why. Both ends are asked, and both must allow it.
public struct PolicyVerdict: Hashable, Sendable {
    /// What the source's policies say.
    public var egress: Side
    /// What the destination's policies say.
    public var ingress: Side
    /// What would be said if the shadows were in force; `nil` where that is the same, or there are none.
    public var onTrial: Sides?

    public init(egress: Side, ingress: Side, onTrial: Sides? = nil) {
        (self.egress, self.ingress, self.onTrial) = (egress, ingress, onTrial)
    }

    /// What both ends' policies say.
    public struct Sides: Hashable, Sendable {
        public var egress: Side
        public var ingress: Side

        public var isAllowed: Bool { egress.isAllowed && ingress.isAllowed }
    }

    public var isAllowed: Bool { egress.isAllowed && ingress.isAllowed }

    public enum Side: Hashable, Sendable {
        /// Policies do not speak of this end, or of this pair.
        case exempt(Exemption)
        /// No policy selects the pod for this direction.
        case open(pod: ObjectKey)
        /// A rule says yes.
        case opened(pod: ObjectKey, Opening)
        /// Policies isolate the pod, and no rule of theirs says yes.
        case closed(pod: ObjectKey, by: [ObjectKey])
        /// A rule of a ClusterNetworkPolicy says yes or no.
        case decided(pod: ObjectKey, Decision)

        public var isAllowed: Bool {
            switch self {
            case .closed: false
            case .decided(_, let decision): decision.isAllowed
            case .exempt, .open, .opened: true
            }
        }
    }

    public enum Exemption: Hashable, Sendable {
        /// It is no pod: policies are about pods.
        case noPod
        /// "A Pod cannot block access to itself."
        case itself(pod: ObjectKey)
        /// "Traffic to and from the node where a Pod is running is always allowed": probes, and its host-network pods. Of what
        /// the pod asks of its node, this holds for network policies only.
        case ownNode(pod: ObjectKey, node: String)
    }

    /// The rule that allowed it, and which of its parts.
    public struct Opening: Hashable, Sendable {
        public var policy: ObjectKey
        /// `spec.ingress[0]`, and so on.
        public var rule: FieldPath
        /// `spec.ingress[0].from[1]`; `nil` when the rule is for everybody.
        public var peer: FieldPath?
        /// `spec.ingress[0].ports[0]`; `nil` when the rule is for all ports.
        public var port: FieldPath?
    }
}

extension PolicyVerdict {
    /// The rule of a ClusterNetworkPolicy that decided, and which of its parts.
    public struct Decision: Hashable, Sendable {
        public var policy: ObjectKey
        public var tier: ClusterNetworkPolicy.Tier
        public var isAllowed: Bool
        /// `spec.ingress[0]`, and so on.
        public var rule: FieldPath
        /// What the rule is called; may be empty.
        public var name: String
        /// `spec.ingress[0].from[1]`; `nil` when the rule could not be carried out as written.
        public var peer: FieldPath?
        /// `spec.ingress[0].protocols[0]`; `nil` when the rule is for all traffic.
        public var port: FieldPath?
        public var reason: Reason

        public enum Reason: Hashable, Sendable {
            case written
            /// The rule denies everything, because it cannot be carried out.
            case obstacle(ClusterNetworkPolicy.Obstacle)
            /// The rule may mean an end whose namespace is not known yet, and does not accept.
            case namespaceUnknown
        }
    }
}

extension PolicyVerdict: CustomStringConvertible {
    /// A sentence for a person: the side that denies, or both sides.
    public var description: String {
        let inForce = Sides(egress: egress, ingress: ingress).description
        return onTrial.map { "\(inForce) (with the shadows in force: \($0))" } ?? inForce
    }
}

extension PolicyVerdict.Sides: CustomStringConvertible {
    public var description: String {
        let sides = [("egress", egress), ("ingress", ingress)]
        if let (direction, side) = sides.first(where: { !$0.1.isAllowed }) { return "denied: \(side.text(direction))" }
        return "allowed: " + sides.map { $1.text($0) }.joined(separator: "; ")
    }
}

extension PolicyVerdict.Side {
    fileprivate func text(_ direction: String) -> String {
        switch self {
        case .exempt(.noPod): "\(direction) is not a pod's"
        case .exempt(.itself(let pod)): "\(direction) of \(pod) is to itself"
        case .exempt(.ownNode(let pod, let node)): "\(direction) of \(pod) is with its own node \(node)"
        case .open(let pod): "\(direction) of \(pod) is not isolated by any policy"
        case .opened(let pod, let opening):
            "\(direction) of \(pod) is opened by \(opening.policy), "
                + [opening.peer ?? opening.rule, opening.port].compactMap { $0.map(\.description) }.joined(separator: " and ")
        case .decided(let pod, let decision): "\(direction) of \(pod) is \(decision)"
        case .closed(let pod, let policies):
            "\(direction) of \(pod) is isolated by \(policies.map(\.description).joined(separator: ", ")), and nothing opens it"
        }
    }
}

extension PolicyVerdict.Decision: CustomStringConvertible {
    /// `denied by ClusterNetworkPolicy lock (Admin), spec.ingress[0].from[1] "no-outside"`.
    public var description: String {
        let parts = [peer ?? rule, port].compactMap { $0.map(\.description) }.joined(separator: " and ")
        let title = name.isEmpty ? parts : "\(parts) \"\(name)\""
        let why =
            switch reason {
            case .written: ""
            case .obstacle(.unreadable): ", which cannot be read"
            case .obstacle(.domainNames): ", which has domainNames"
            case .namespaceUnknown: ", as the labels of a namespace are not known"
            }
        return "\(isAllowed ? "accepted" : "denied") by \(policy) (\(tier.rawValue)), \(title)\(why)"
    }
}
