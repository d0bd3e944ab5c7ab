/// An object as the store keeps it: the store never looks into the body.
public struct StoredObject: Hashable, Sendable {
    public var key: ObjectKey
    /// The revision of its last change.
    public var revision: Revision
    public var body: [UInt8]

    public init(key: ObjectKey, revision: Revision, body: [UInt8]) {
        self.key = key
        self.revision = revision
        self.body = body
    }
}

/// The body to be written. It may carry its own revision, which is known only inside the transaction.
public struct Body: Sendable {
    let render: @Sendable (Revision) -> [UInt8]

    public init(_ bytes: [UInt8]) { render = { _ in bytes } }

    /// - Parameter render: called once, on the store's writing queue: it must be quick and must not call the store.
    public init(stamped render: @escaping @Sendable (Revision) -> [UInt8]) { self.render = render }
}

/// One change of one object.
public struct Change: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
    }

    public var kind: Kind
    /// The object after the change; the deleted object with the revision of its deletion.
    public var object: StoredObject
    /// The object before the change, so that a watch with a selector can tell who left it. `nil` when it was added.
    public var previous: StoredObject?

    public init(_ kind: Kind, _ object: StoredObject, previous: StoredObject? = nil) {
        self.kind = kind
        self.object = object
        self.previous = previous
    }

    public var key: ObjectKey { object.key }
    public var revision: Revision { object.revision }

    /// What it costs to remember.
    var size: Int { object.body.count + (previous?.body.count ?? 0) + 128 }
}
