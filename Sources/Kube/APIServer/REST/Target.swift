/// What a request is about, read from its path alone. Pure.
///
/// ```
///   /api/v1/namespaces/default/pods/web-0/log
///        └ group "" version v1        │    │   └ subresource
///               namespace ─┘  plural ─┘    └ name
/// ```
struct Target: Hashable, Sendable {
    /// Empty for the core group.
    var group: String
    var version: String
    /// `nil` when the path names none: a resource of the cluster, or one of all namespaces.
    var namespace: String?
    var plural: String
    /// `nil` for the collection.
    var name: String?
    var subresource: String?

    /// `nil` for a path that is about no object: discovery, health, nonsense.
    init?(path: String) {
        var parts: [String] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            guard let text = Percent.decoded(part), !text.isEmpty, text != ".", text != "..", !text.contains("/") else {
                return nil
            }
            parts.append(text)
        }
        var rest: ArraySlice<String>
        switch parts.first {
        case "api" where parts.count > 2: (group, version, rest) = ("", parts[1], parts[2...])
        case "apis" where parts.count > 3: (group, version, rest) = (parts[1], parts[2], parts[3...])
        default: return nil
        }
        // `namespaces/x/status` is a part of the namespace, not a resource in it.
        let isInNamespace =
            rest.first == "namespaces" && rest.count > 2 && !(rest.count == 3 && Self.ownParts.contains(parts.last ?? ""))
        if isInNamespace {
            namespace = rest[rest.startIndex + 1]
            rest = rest.dropFirst(2)
        }
        guard let first = rest.popFirst(), rest.count <= 2 else { return nil }
        plural = first
        name = rest.popFirst()
        subresource = rest.popFirst()
    }

    private static let ownParts: Set<String> = ["status", "finalize"]
}
