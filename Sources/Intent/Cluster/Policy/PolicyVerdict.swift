public import KubeAPI

/// Whether a conversation may be, and why. Both ends are asked, and both must allow it.
public struct PolicyVerdict: Hashable, Sendable {
    /// What the source's policies say.
    public var egress: Side
    /// What the destination's policies say.
    public var ingress: Side

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

        public var isAllowed: Bool { if case .closed = self { false } else { true } }
    }

    public enum Exemption: Hashable, Sendable {
        /// It is no pod: policies are about pods.
        case noPod
        /// "A Pod cannot block access to itself."
        case itself(pod: ObjectKey)
        /// "Traffic to and from the node where a Pod is running is always allowed": probes, and its host-network pods.
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

extension PolicyVerdict: CustomStringConvertible {
    /// A sentence for a person: the side that denies, or both sides.
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
        case .closed(let pod, let policies):
            "\(direction) of \(pod) is isolated by \(policies.map(\.description).joined(separator: ", ")), and nothing opens it"
        }
    }
}
