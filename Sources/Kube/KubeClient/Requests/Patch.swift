public import KubeAPI

/// A change to an object, in one of the three languages that API servers speak. (Server-side apply is a fourth, and not here.)
public enum Patch: Hashable, Sendable {
    /// RFC 7396: members are set, `null` removes one, lists are replaced whole.
    case merge(JSONValue)
    /// Kubernetes' own: as ``merge(_:)``, but lists of objects are merged by their key. Only for built-in kinds.
    case strategic(JSONValue)
    /// RFC 6902: operations in order, all or none.
    case json([Operation])

    public enum Operation: Hashable, Sendable {
        case add(String, JSONValue)
        case remove(String)
        case replace(String, JSONValue)
        /// The patch is refused when the value is another.
        case test(String, JSONValue)
        case move(from: String, to: String)
        case copy(from: String, to: String)
    }

    public var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .strategic: "application/strategic-merge-patch+json"
        case .json: "application/json-patch+json"
        }
    }

    public var body: JSONValue {
        switch self {
        case .merge(let tree), .strategic(let tree): tree
        case .json(let operations): .array(operations.map(\.tree))
        }
    }
}

extension Patch.Operation {
    /// Where something is, as a JSON pointer (RFC 6901): `pointer("metadata", "labels", "a/b")` is `/metadata/labels/a~1b`.
    public static func pointer(_ keys: String...) -> String {
        keys.map { key in
            let escaped = key.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }
            return "/" + escaped.joined()
        }.joined()
    }

    var tree: JSONValue {
        switch self {
        case .add(let path, let value): ["op": "add", "path": .string(path), "value": value]
        case .remove(let path): ["op": "remove", "path": .string(path)]
        case .replace(let path, let value): ["op": "replace", "path": .string(path), "value": value]
        case .test(let path, let value): ["op": "test", "path": .string(path), "value": value]
        case .move(let from, let path): ["op": "move", "from": .string(from), "path": .string(path)]
        case .copy(let from, let path): ["op": "copy", "from": .string(from), "path": .string(path)]
        }
    }
}

/// How an object goes away.
public struct DeletionOptions: Hashable, Sendable {
    public enum Propagation: String, Hashable, Sendable, CaseIterable {
        /// What it owns stays, without an owner.
        case orphan = "Orphan"
        /// What it owns goes after it.
        case background = "Background"
        /// What it owns goes first.
        case foreground = "Foreground"
    }

    /// Whole seconds; zero removes a pod at once. `nil`: as the object says.
    public var grace: Duration?
    public var propagation: Propagation?
    /// Only the object with this uid, not another of the same name.
    public var uid: String?
    /// Only while the object is as it was read.
    public var resourceVersion: String?

    public init(
        grace: Duration? = nil, propagation: Propagation? = nil, uid: String? = nil, resourceVersion: String? = nil
    ) {
        self.grace = grace
        self.propagation = propagation
        self.uid = uid
        self.resourceVersion = resourceVersion
    }

    var tree: JSONValue {
        var tree: JSONValue = ["apiVersion": "v1", "kind": "DeleteOptions"]
        tree[at: "gracePeriodSeconds"] = grace.map { .number(JSONNumber($0.components.seconds)) }
        tree[at: "propagationPolicy"] = (propagation?.rawValue).map(JSONValue.string)
        tree[at: "preconditions", "uid"] = uid.map(JSONValue.string)
        tree[at: "preconditions", "resourceVersion"] = resourceVersion.map(JSONValue.string)
        return tree
    }
}
