/// What an object is: `v1 Pod`, `apps/v1 Deployment`.
public struct GroupVersionKind: Hashable, Sendable {
    /// Empty for the core group.
    public var group: String
    public var version: String
    public var kind: String

    public init(group: String = "", version: String, kind: String) {
        self.group = group
        self.version = version
        self.kind = kind
    }

    /// Reads `v1` or `apps/v1`; `nil` for anything else or an empty kind.
    public init?(apiVersion: String, kind: String) {
        let parts = apiVersion.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, !parts.contains(""), !kind.isEmpty else { return nil }
        self.init(group: parts.count == 2 ? parts[0] : "", version: parts[parts.count - 1], kind: kind)
    }

    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
}

extension GroupVersionKind: Comparable, CustomStringConvertible {
    public static func < (a: Self, b: Self) -> Bool { (a.group, a.kind, a.version) < (b.group, b.kind, b.version) }

    /// `v1 Pod`.
    public var description: String { "\(apiVersion) \(kind)" }
}

/// How a kind appears in the API: its words and its address.
public struct ResourceType: Hashable, Sendable {
    public var kind: GroupVersionKind
    /// Lower case, as in paths: `pods`.
    public var plural: String
    /// kubectl's abbreviations.
    public var shortNames: [String]
    public var isNamespaced: Bool

    public init(_ kind: GroupVersionKind, plural: String, shortNames: [String] = [], isNamespaced: Bool) {
        self.kind = kind
        self.plural = plural
        self.shortNames = shortNames
        self.isNamespaced = isNamespaced
    }

    public var singular: String { kind.kind.lowercased() }

    /// The path of the collection: `/api/v1/namespaces/default/pods`; without a namespace that of all of them.
    public func path(namespace: String? = nil) -> String {
        let root = kind.group.isEmpty ? "/api/\(kind.version)" : "/apis/\(kind.group)/\(kind.version)"
        guard isNamespaced, let namespace else { return "\(root)/\(plural)" }
        return "\(root)/namespaces/\(namespace)/\(plural)"
    }
}
