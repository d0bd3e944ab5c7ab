public import KubeAPI

/// A policy that is tried out: what it says is counted and told, and nothing comes of it.
///
/// ```yaml
/// metadata:
///   annotations:
///     tulle.dev/policy-mode: shadow
/// ```
/// Without it, and with `enforced`, the policy is in force; so it is with any other value, which is a problem.
public enum PolicyMode {
    public static let annotation = "tulle.dev/policy-mode"
    public static let shadow = "shadow"
    public static let enforced = "enforced"
}

extension NetworkPolicy {
    public var isShadow: Bool { metadata.annotations[PolicyMode.annotation] == PolicyMode.shadow }
}

extension ClusterNetworkPolicy {
    public var isShadow: Bool { metadata.annotations[PolicyMode.annotation] == PolicyMode.shadow }

    /// Whether it says the same.
    func means(the other: ClusterNetworkPolicy) -> Bool {
        tier == other.tier && priority == other.priority && subject == other.subject && ingress == other.ingress
            && egress == other.egress && isShadow == other.isShadow
            && PolicyLog(askedBy: metadata) == PolicyLog(askedBy: other.metadata)
    }
}
