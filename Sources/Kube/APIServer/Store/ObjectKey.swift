/// The name under which the store keeps an object.
public struct ObjectKey: Hashable, Sendable {
    /// The plural resource, with its group when it has one: `pods`, `apps/deployments`.
    public var resource: String
    /// Empty for an object that belongs to the whole cluster.
    public var namespace: String
    public var name: String

    public init(resource: String, namespace: String = "", name: String) {
        self.resource = resource
        self.namespace = namespace
        self.name = name
    }
}

extension ObjectKey: Comparable {
    /// The order of lists: resource, namespace, name, each by its UTF-8 bytes, as SQLite compares them.
    public static func < (a: Self, b: Self) -> Bool {
        if a.resource != b.resource { return precedes(a.resource, b.resource) }
        if a.namespace != b.namespace { return precedes(a.namespace, b.namespace) }
        return precedes(a.name, b.name)
    }

    private static func precedes(_ a: String, _ b: String) -> Bool {
        a.utf8.lexicographicallyPrecedes(b.utf8)
    }
}

extension ObjectKey: CustomStringConvertible {
    public var description: String {
        namespace.isEmpty ? "\(resource) \(name)" : "\(resource) \(namespace)/\(name)"
    }
}

/// A part of the store: one resource, everywhere or in one namespace.
public struct Selection: Hashable, Sendable {
    public var resource: String
    /// `nil`: in every namespace, and outside of them.
    public var namespace: String?

    public init(resource: String, namespace: String? = nil) {
        self.resource = resource
        self.namespace = namespace
    }

    /// Every resource: for watches, not for lists.
    static let everything = Selection(resource: "*")

    public func contains(_ key: ObjectKey) -> Bool {
        (key.resource == resource || self == .everything) && namespace.map { $0 == key.namespace } ?? true
    }
}
