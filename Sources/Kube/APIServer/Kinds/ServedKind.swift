public import KubeAPI

/// A kind as the server serves it: its words, its address, and what it can do.
public struct ServedKind: Hashable, Sendable {
    /// A part of an object with a path of its own.
    public struct Subresource: Hashable, Sendable {
        /// The last element of the path: `status`, `scale`, `log`.
        public var name: String
        /// What travels over it; `nil` for the kind itself.
        public var kind: GroupVersionKind?
        public var verbs: [String]
    }

    /// Empty for the core group.
    public var group: String
    public var version: String
    public var kind: String
    public var plural: String
    public var singular: String
    public var shortNames: [String] = []
    /// kubectl's collective words, such as `all`.
    public var categories: [String] = []
    public var isNamespaced: Bool
    public var subresources: [Subresource] = []
    /// The list of them, such as `PodList`.
    public var listKind: String
    public var verbs = Self.allVerbs
    /// Why none can be made; `nil` for kinds that can be used.
    var refusal: String?
    /// `nil` for built-in kinds, which have their types in ``TypeTable``.
    public var custom: CustomKind?

    public static let allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
}

extension ServedKind {
    public var groupVersionKind: GroupVersionKind { GroupVersionKind(group: group, version: version, kind: kind) }
    /// `v1`, `apps/v1`.
    public var apiVersion: String { groupVersionKind.apiVersion }
    /// `pods`, `deployments.apps`: as errors and `kubectl get` name it.
    public var resourceName: String { group.isEmpty ? plural : "\(plural).\(group)" }
    public var hasStatus: Bool { subresource("status") != nil }
    public var isCustom: Bool { custom != nil }

    public var resourceType: ResourceType {
        ResourceType(groupVersionKind, plural: plural, shortNames: shortNames, isNamespaced: isNamespaced)
    }

    public func subresource(_ name: String) -> Subresource? { subresources.first { $0.name == name } }
}

extension ServedKind.Subresource {
    public static let status = Self(name: "status", verbs: ["get", "patch", "update"])
    public static let scale = Self(
        name: "scale", kind: GroupVersionKind(group: "autoscaling", version: "v1", kind: "Scale"),
        verbs: ["get", "patch", "update"])

    static func stream(_ name: String, _ kind: String) -> Self {
        Self(name: name, kind: GroupVersionKind(version: "v1", kind: kind), verbs: ["create", "get"])
    }
}
