public import KubeAPI

/// Which new connections are logged, out of those that policies decide about.
///
/// An agent has one for all, and an annotation says another for one policy, or for the network policies of a namespace:
/// ```yaml
/// metadata:
///   annotations:
///     tulle.dev/log-connections: all
/// ```
/// The policy's own counts first, then its namespace's, then the agent's. Any other value means as if there were none.
public enum PolicyLog: String, Hashable, Sendable, CaseIterable {
    case none
    /// What is refused, and what would be.
    case denied
    /// What is allowed too.
    case all

    public static let annotation = "tulle.dev/log-connections"

    /// What an object asks for; `nil` when it asks for nothing.
    public init?(askedBy metadata: ObjectMeta) {
        guard let word = metadata.annotations[Self.annotation], let log = PolicyLog(rawValue: word) else { return nil }
        self = log
    }
}
