/// A pod as people write it: `pod/NAMESPACE/NAME`, `NAMESPACE/NAME`, `pod/NAME` or `NAME`.
///
/// Whoever has a namespace called pod writes `pod/pod/NAME`: of two words the first one, `pod`, is the kind, as kubectl takes it.
public struct PodReference: Hashable, Sendable {
    /// `nil` when none is written.
    public let namespace: String?
    public let name: String

    /// How it is written, for people.
    public static let forms = "pod/NAMESPACE/NAME, NAMESPACE/NAME or NAME"

    public init?(_ text: String) {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.count > 1, parts[0] == "pod" { parts.removeFirst() }
        guard parts.count <= 2, !parts.contains("") else { return nil }
        (namespace, name) = parts.count == 2 ? (parts[0], parts[1]) : (nil, parts[0])
    }
}
