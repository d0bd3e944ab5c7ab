public import KubeAPI

/// An object as the controllers hold it: the whole tree, so that nothing is lost when it is written back, and its metadata read.
public struct Item: Hashable, Sendable {
    public let tree: JSONValue
    public let key: ObjectKey
    public let metadata: ObjectMeta

    /// `nil` when the tree does not say what it is or what it is called.
    public init?(_ tree: JSONValue) {
        var fields = FieldReader(tree)
        guard let kind = fields.kind() else { return nil }
        let metadata = fields.section("metadata", ObjectMeta.init(reading:))
        guard !metadata.name.isEmpty else { return nil }
        self.tree = tree
        self.metadata = metadata
        key = ObjectKey(kind, namespace: metadata.namespace, name: metadata.name)
    }

    public static func == (a: Self, b: Self) -> Bool { a.tree == b.tree }
    public func hash(into hasher: inout Hasher) { hasher.combine(tree) }
}

extension Item {
    var uid: String { metadata.uid }
    var name: String { metadata.name }
    var namespace: String { metadata.namespace }
    var labels: [String: String] { metadata.labels }
    var isBeingDeleted: Bool { metadata.isBeingDeleted }
    var createdAt: Moment { metadata.creationTimestamp.flatMap(Moment.init) ?? Moment(sinceEpoch: .zero) }
    var spec: JSONValue { tree["spec"] ?? [:] }
    var status: JSONValue { tree["status"] ?? [:] }

    /// The selector at `spec.selector`. `nil` when absent, wrong, or empty: an empty one of a workload selects nothing.
    var workloadSelector: LabelSelector? {
        var fields = FieldReader(spec)
        guard let selector = fields.selector("selector"), fields.errors.isEmpty, !selector.requirements.isEmpty else {
            return nil
        }
        return selector
    }

    func isControlled(by owner: Item) -> Bool { metadata.controller?.uid == owner.uid }

    /// The reference an object carries that this one manages.
    var controllerReference: JSONValue {
        [
            "apiVersion": tree["apiVersion"] ?? "", "kind": tree["kind"] ?? "", "name": .string(name), "uid": .string(uid),
            "controller": true, "blockOwnerDeletion": true,
        ]
    }

    /// Older first; of the same age by name, so that every order is one order.
    static func isOlder(_ a: Item, _ b: Item) -> Bool { (a.createdAt, a.name) < (b.createdAt, b.name) }
}
