public import KubeAPI

/// One thing to be done to the API. Trees are whole: what was read, changed in a few fields, so that no field is lost.
public enum Write: Hashable, Sendable {
    /// `POST` to the collection.
    case create(JSONValue)
    /// `PUT`, with the resourceVersion that was read: a conflict means that the key has to be looked at again.
    case update(JSONValue)
    /// `PUT` to `/status`; all but the status is ignored.
    case updateStatus(JSONValue)
    /// `POST` to the pod's `/binding`: gives a pending pod its node.
    case bind(pod: ObjectKey, uid: String, node: String)
    /// `DELETE` with the uid as a precondition, so that a namesake is not hit.
    ///
    /// - `grace`: `nil` for the object's own; zero takes a pod away without waiting for a kubelet.
    case delete(ObjectKey, uid: String, grace: Duration? = nil)
}

extension Write: CustomStringConvertible {
    public var description: String {
        switch self {
        case .create(let tree): "create \(Self.name(tree))"
        case .update(let tree): "update \(Self.name(tree))"
        case .updateStatus(let tree): "update the status of \(Self.name(tree))"
        case .bind(let pod, _, let node): "bind \(pod) to \(node)"
        case .delete(let key, _, let grace): grace == .zero ? "take away \(key)" : "delete \(key)"
        }
    }

    private static func name(_ tree: JSONValue) -> String { Item(tree)?.key.description ?? "an object without a name" }

    /// What it is done to; `nil` for a tree without a name.
    public var key: ObjectKey? {
        switch self {
        case .create(let tree), .update(let tree), .updateStatus(let tree): Item(tree)?.key
        case .bind(let pod, _, _): pod
        case .delete(let key, _, _): key
        }
    }
}

/// Something a person who describes the object should read: it becomes an Event.
public struct Notice: Hashable, Sendable {
    public enum Severity: String, Hashable, Sendable {
        case normal = "Normal"
        case warning = "Warning"
    }

    /// What it is about, with its uid.
    public var about: Item
    public var severity: Severity
    /// One word in upper camel case.
    public var reason: String
    public var message: String
    /// Who says it: `replicaset-controller`.
    public var source: String
    /// How many of its look's writes have to be done before it is true.
    public var after = 0
}

/// What carries writes out: a client of the API, or in tests a cluster in memory.
public protocol ObjectWriter: Sendable {
    /// - Returns: the object as it is afterwards, for the ``World``; `nil` when it is gone. An error stops the rest of the key's
    ///   writes, and the key is tried again after a while.
    func carryOut(_ write: Write) async throws -> JSONValue?
    /// Tells people; what becomes of it is nobody's concern.
    func tell(_ notice: Notice) async
}
