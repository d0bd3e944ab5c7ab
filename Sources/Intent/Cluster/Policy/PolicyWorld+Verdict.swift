internal import Addressing
internal import KubeAPI

extension PolicyWorld {
    /// Judges a conversation, from its first packet; replies to what is allowed are not asked about.
    public func verdict(on conversation: Conversation) -> PolicyVerdict {
        let (source, destination) = (end(at: conversation.source), end(at: conversation.destination))
        func sides(withShadows: Bool) -> PolicyVerdict.Sides {
            PolicyVerdict.Sides(
                egress: side(
                    .egress, of: source, with: destination, at: conversation.destination, to: destination, conversation,
                    withShadows),
                ingress: side(
                    .ingress, of: destination, with: source, at: conversation.source, to: destination, conversation, withShadows))
        }
        let inForce = sides(withShadows: false)
        let onTrial = hasShadows ? sides(withShadows: true) : inForce
        return PolicyVerdict(egress: inForce.egress, ingress: inForce.ingress, onTrial: onTrial == inForce ? nil : onTrial)
    }

    /// What an end's policies say of the other end.
    ///
    /// - Parameter target: the end whose ports are meant: always the destination, also for egress.
    private func side(
        _ direction: NetworkPolicy.Direction, of end: End, with other: End, at address: IPAddress, to target: End,
        _ conversation: Conversation, _ withShadows: Bool
    ) -> PolicyVerdict.Side {
        guard case .pod(let pod) = end else { return .exempt(.noPod) }
        var ownNode: PolicyVerdict.Side?
        switch other {
        case .pod(let peer) where peer.key == pod.key: return .exempt(.itself(pod: pod.key))
        case .node(let node) where node == pod.spec.nodeName: ownNode = .exempt(.ownNode(pod: pod.key, node: node))
        default: break
        }
        // Its node always reaches a pod. What the pod asks of its node is the administrator's to say.
        if let ownNode, direction == .ingress { return ownNode }
        var question = TierQuestion(
            tier: .admin, direction: direction, pod: pod, other: other, address: address, target: target,
            conversation: conversation, withShadows: withShadows)
        if let decision = decision(question) { return .decided(pod: pod.key, decision) }
        let isolating = policies(isolating: pod, for: direction, withShadows: withShadows)
        guard !isolating.isEmpty else {
            question.tier = .baseline
            return decision(question).map { .decided(pod: pod.key, $0) } ?? ownNode ?? .open(pod: pod.key)
        }
        if let ownNode { return ownNode }
        for policy in isolating {
            let rules = direction == .ingress ? policy.ingress : policy.egress
            for (position, rule) in rules.enumerated() {
                let path = FieldPath("spec", direction == .ingress ? "ingress" : "egress").index(position)
                guard let peer = opens(rule, to: other, at: address, of: policy),
                    let port = opens(rule, conversation, to: target)
                else { continue }
                let opening = PolicyVerdict.Opening(
                    policy: policy.key, rule: path,
                    peer: peer.position.map { path.child(direction == .ingress ? "from" : "to").index($0) },
                    port: port.position.map { path.child("ports").index($0) })
                return .opened(pod: pod.key, opening)
            }
        }
        return .closed(pod: pod.key, by: isolating.map(\.key))
    }

    /// The part of a rule that says yes; without a position the rule names no such parts, which means all.
    private struct Match {
        var position: Int?
    }

    private func opens(_ rule: NetworkPolicy.Rule, to other: End, at address: IPAddress, of policy: NetworkPolicy) -> Match? {
        guard !rule.peers.isEmpty else { return Match(position: nil) }
        return rule.peers.firstIndex { selects($0, other, at: address, of: policy) }.map { Match(position: $0) }
    }

    private func selects(_ peer: NetworkPolicy.Peer, _ other: End, at address: IPAddress, of policy: NetworkPolicy) -> Bool {
        switch (peer, other) {
        case (.nobody, _): return false
        case (.block(let prefix, let exceptions), _):
            return prefix.contains(address) && !exceptions.contains { $0.contains(address) }
        case (.pods(let selector), .pod(let pod)):
            return pod.metadata.namespace == policy.metadata.namespace && selector.matches(pod.metadata.labels)
        case (.namespaces(let selector, let pods), .pod(let pod)):
            // Of a namespace that is not known yet no label is certain, and not having one would select it too.
            guard let labels = labels(ofNamespace: pod.metadata.namespace) else { return false }
            return selector.matches(labels) && pods?.matches(pod.metadata.labels) ?? true
        case (.pods, _), (.namespaces, _): return false
        }
    }

    private func opens(_ rule: NetworkPolicy.Rule, _ conversation: Conversation, to target: End) -> Match? {
        guard !rule.ports.isEmpty else { return Match(position: nil) }
        return rule.ports.firstIndex { $0.names(conversation, to: target) }.map { Match(position: $0) }
    }
}

extension NetworkPolicy.Port {
    fileprivate func names(_ conversation: PolicyWorld.Conversation, to target: PolicyWorld.End) -> Bool {
        guard conversation.transport == transport else { return false }
        switch port {
        case nil: return true
        case .number(let first): return (first...max(first, last ?? first)).contains(conversation.port)
        case .name(let name):
            // Each pod has its own meaning for a name; what is no pod has none.
            guard case .pod(let pod) = target else { return false }
            return pod.ports.contains {
                $0.name == name && $0.transport == transport && $0.number == conversation.port
            }
        }
    }
}
