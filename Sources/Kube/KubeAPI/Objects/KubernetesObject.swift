/// An object of the API as far as the network understands it.
///
/// Consumers match by type: `case let pod as Pod`. A kind nobody knows is an ``UnknownObject``, not an error.
public protocol KubernetesObject: Hashable, Sendable {
    var kind: GroupVersionKind { get }
    var metadata: ObjectMeta { get set }
    /// Everything that is wrong with what was read, in kube-apiserver's words; empty when it is valid.
    func faults() -> [FieldError]
}

/// A kind with a projection of its own. To add one: a file with the type, and its name in ``Registry/standard``.
public protocol KnownKind: KubernetesObject {
    static var resource: ResourceType { get }
    /// Reads the projection; what is missing gets Kubernetes' default.
    init(reading fields: inout FieldReader)
}

extension KnownKind {
    public var kind: GroupVersionKind { Self.resource.kind }
}

extension KubernetesObject {
    public var key: ObjectKey { ObjectKey(kind, namespace: metadata.namespace, name: metadata.name) }

    /// The same kind with the same content.
    public func isEqual(to other: any KubernetesObject) -> Bool { (other as? Self) == self }
}

/// An object's name in the world: what it stays known by while it changes.
///
/// The version of the API is no part of it: `v1` and `v1beta1` of an object are the same object.
public struct ObjectKey: Hashable, Sendable {
    public var group: String
    public var kind: String
    /// Empty for objects of the cluster.
    public var namespace: String
    public var name: String

    public init(_ kind: GroupVersionKind, namespace: String = "", name: String) {
        group = kind.group
        self.kind = kind.kind
        self.namespace = namespace
        self.name = name
    }
}

extension ObjectKey: Comparable, CustomStringConvertible {
    public static func < (a: Self, b: Self) -> Bool {
        (a.kind, a.group, a.namespace, a.name) < (b.kind, b.group, b.namespace, b.name)
    }

    /// `Pod default/web-0`, `Node n1`.
    public var description: String { namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)" }
}

/// An object of a kind without a projection: its metadata, and the whole of it as a tree.
public struct UnknownObject: KubernetesObject {
    public let kind: GroupVersionKind
    public var metadata: ObjectMeta
    public let tree: JSONValue

    /// Only what holds for every kind: labels and annotations.
    public func faults() -> [FieldError] { metadata.mapFaults(at: FieldPath("metadata")) }
}
