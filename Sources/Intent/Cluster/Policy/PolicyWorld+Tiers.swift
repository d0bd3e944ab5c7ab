internal import Addressing
internal import KubeAPI

// ClusterNetworkPolicy, after https://network-policy-api.sigs.k8s.io: the first rule that matches decides, or passes on.

extension PolicyWorld {
    /// The rules of a tier, in their order, for one end of a conversation.
    struct TierQuestion {
        var tier: ClusterNetworkPolicy.Tier
        var direction: NetworkPolicy.Direction
        /// Whose policies are asked.
        var pod: Pod
        var other: End
        var address: IPAddress
        /// The end whose ports are meant.
        var target: End
        var conversation: Conversation
        var withShadows = false
    }

    /// What a tier says; `nil` when it leaves it to the next.
    func decision(_ question: TierQuestion) -> PolicyVerdict.Decision? {
        for policy in clusterPolicies where policy.tier == question.tier && (question.withShadows || !policy.isShadow) {
            guard let subject = policy.subject else { continue }
            let isSubject = means(subject, question.pod)
            guard isSubject != .no else { continue }
            for (position, rule) in policy.rules(for: question.direction).enumerated() {
                guard let match = match(rule, isSubject, question) else { continue }
                if match.isPassed { return nil }
                return decision(policy, rule, position, match, question)
            }
        }
        return nil
    }

    private func decision(
        _ policy: ClusterNetworkPolicy, _ rule: ClusterNetworkPolicy.Rule, _ position: Int, _ match: TierMatch,
        _ question: TierQuestion
    ) -> PolicyVerdict.Decision {
        let isIngress = question.direction == .ingress
        let path = FieldPath("spec", isIngress ? "ingress" : "egress").index(position)
        let isWritten = rule.obstacle == nil
        return PolicyVerdict.Decision(
            policy: policy.key, tier: policy.tier, isAllowed: match.isAccepted, rule: path, name: rule.name,
            peer: isWritten ? path.child(isIngress ? "from" : "to").index(match.peer) : nil,
            port: match.port.map { path.child("protocols").index($0) },
            reason: rule.obstacle.map(PolicyVerdict.Decision.Reason.obstacle)
                ?? (match.isCertain ? .written : .namespaceUnknown))
    }

    /// How a rule matches. What may match opens nothing, and closes all that it speaks of.
    private struct TierMatch {
        var peer: Int
        /// `nil` when the rule is for all traffic.
        var port: Int?
        var isCertain: Bool
        var action: ClusterNetworkPolicy.Action

        var isAccepted: Bool { action == .accept }
        var isPassed: Bool { action == .pass && isCertain }
    }

    private func match(
        _ rule: ClusterNetworkPolicy.Rule, _ isSubject: Certainty, _ question: TierQuestion
    ) -> TierMatch? {
        let port = rule.ports.firstIndex { $0.names(question.conversation, to: question.target) }
        guard port != nil || rule.ports.isEmpty else { return nil }
        let meanings = rule.peers.map { means($0, question) }
        guard let peer = meanings.firstIndex(of: .yes) ?? meanings.firstIndex(of: .maybe) else { return nil }
        let isCertain = isSubject == .yes && meanings[peer] == .yes
        if rule.action == .accept, !isCertain { return nil }
        return TierMatch(peer: peer, port: port, isCertain: isCertain, action: rule.action)
    }

    // MARK: - Who is meant

    private enum Certainty { case no, maybe, yes }

    private func means(_ peer: ClusterNetworkPolicy.Peer, _ question: TierQuestion) -> Certainty {
        let address = question.address
        switch (peer, question.other) {
        case (.everybody, _): return .yes
        case (.pods(let group), .pod(let pod)): return means(group, pod)
        case (.networks(let prefixes), _): return prefixes.contains { $0.contains(address) } ? .yes : .no
        case (.nodes(let selector), let end):
            if labels(ofNodesAt: address).contains(where: selector.matches) { return .yes }
            guard case .node(let name) = end, name == question.pod.spec.nodeName else { return .no }
            return means(selector, ownNode: name)
        case (.pods, _), (.nobody, _): return .no
        }
    }

    /// A pod's own node is meant at whatever address it has, also at those that its object does not name.
    private func means(_ selector: LabelSelector, ownNode name: String) -> Certainty {
        if selector.requirements.isEmpty { return .yes }
        guard let labels = labels(ofNode: name) else { return .maybe }
        return selector.matches(labels) ? .yes : .no
    }

    /// Of a namespace that is not known yet no label is certain.
    private func means(_ group: ClusterNetworkPolicy.PodGroup, _ pod: Pod) -> Certainty {
        guard group.pods.matches(pod.metadata.labels) else { return .no }
        guard let labels = labels(ofNamespace: pod.metadata.namespace) else { return .maybe }
        return group.namespaces.matches(labels) ? .yes : .no
    }
}

extension ClusterNetworkPolicy.Port {
    fileprivate func names(_ conversation: PolicyWorld.Conversation, to target: PolicyWorld.End) -> Bool {
        switch self {
        case .numbers(let transport, let range):
            return conversation.transport == transport && range.contains(conversation.port)
        case .name(let name):
            guard let transport = conversation.transport, case .pod(let pod) = target else { return false }
            return pod.ports.contains {
                $0.name == name && $0.transport == transport && $0.number == conversation.port
            }
        }
    }
}
