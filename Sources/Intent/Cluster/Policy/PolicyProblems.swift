public import KubeAPI

// What of a policy cannot be carried out as written. The field and what is wrong with it is told by the reading of the object; this
// is what it means.

extension PolicyWorld {
    /// Of all policies, the worst first.
    public var problems: [Problem] {
        (networkPolicies.flatMap(\.problems) + clusterPolicies.flatMap(\.problems)).sorted()
    }
}

extension NetworkPolicy {
    public var problems: [Problem] {
        let subject = podSelector == nil ? [Problem(.policySelectsNobody, key, "spec.podSelector cannot be read")] : []
        return subject + problems(of: ingress, at: FieldPath("spec", "ingress"), "from")
            + problems(of: egress, at: FieldPath("spec", "egress"), "to")
    }

    private func problems(of rules: [Rule], at path: FieldPath, _ peers: String) -> [Problem] {
        rules.enumerated().flatMap { position, rule -> [Problem] in
            let path = path.index(position)
            if rule == .unreadable { return [problem(path)] }
            return rule.peers.indices.filter { rule.peers[$0] == .nobody }.map { problem(path.child(peers).index($0)) }
                + rule.ports.indices.filter { rule.ports[$0] == .unreadable }.map { problem(path.child("ports").index($0)) }
        }
    }

    private func problem(_ path: FieldPath) -> Problem {
        Problem(.policyRuleClosed, key, "\(path) cannot be read, and opens nothing")
    }
}

extension ClusterNetworkPolicy {
    public var problems: [Problem] {
        let subject = subject == nil ? [Problem(.policySelectsNobody, key, "spec.subject cannot be read")] : []
        return subject + problems(of: ingress, at: FieldPath("spec", "ingress"))
            + problems(of: egress, at: FieldPath("spec", "egress"))
    }

    private func problems(of rules: [Rule], at path: FieldPath) -> [Problem] {
        rules.enumerated().compactMap { position, rule in
            guard let obstacle = rule.obstacle else { return nil }
            let effect = rule.action == .accept ? "matches nothing" : "denies everything"
            switch obstacle {
            case .unreadable:
                return Problem(.policyRuleClosed, key, "\(path.index(position)) cannot be read, and \(effect)")
            case .domainNames:
                return Problem(.policyDomainNames, key, "\(path.index(position)) has domainNames, and \(effect)")
            }
        }
    }
}

// MARK: - Annotations

extension ObjectMeta {
    /// Of the annotations of ours that a policy may have, those that nobody understands: a policy that was to be tried out is in
    /// force then.
    func annotationProblems(of policy: ObjectKey) -> [Problem] {
        annotations.sorted { $0.key < $1.key }.compactMap { name, value in
            guard name.hasPrefix("tulle.dev/") else { return nil }
            let fault =
                switch name {
                case PolicyMode.annotation: modeFault(value)
                case PolicyLog.annotation: logFault(value)
                default: "annotation \(name) means nothing on a policy"
                }
            return fault.map { Problem(.policyAnnotationUnknown, policy, $0) }
        }
    }

    /// Of the annotation that a namespace may have too.
    func logProblems(of namespace: ObjectKey) -> [Problem] {
        guard let fault = annotations[PolicyLog.annotation].flatMap(logFault) else { return [] }
        return [Problem(.policyAnnotationUnknown, namespace, fault)]
    }

    private func modeFault(_ value: String) -> String? {
        guard value != PolicyMode.shadow, value != PolicyMode.enforced else { return nil }
        return
            "annotation \(PolicyMode.annotation) is '\(value)'; only '\(PolicyMode.shadow)' and '\(PolicyMode.enforced)' are known, "
            + "and the policy is in force"
    }

    private func logFault(_ value: String) -> String? {
        guard PolicyLog(rawValue: value) == nil else { return nil }
        let known = PolicyLog.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        return "annotation \(PolicyLog.annotation) is '\(value)'; only \(known) are known, and it is as if it were not there"
    }
}
