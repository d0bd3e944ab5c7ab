/// How pods' links hang on their node.
public enum PodMode: String, Hashable, Sendable, CaseIterable {
    /// Each by itself, with a gateway that is on no link.
    case routed
    /// As ports of one bridge, which has the gateway's address.
    case bridge
}
