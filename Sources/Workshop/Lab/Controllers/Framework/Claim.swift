import KubeAPI

/// What a workload manages: objects that carry its reference and match its selector. Others that match and have no manager are
/// adopted, its own that match no more are let go.
struct Claim {
    /// Managed, and to stay so.
    var members: [Item] = []
    /// The updates that adopt and release. What is being adopted is not yet in `members`: the update brings it.
    var writes: [Write] = []

    /// - Parameter adopts: whether the object may be adopted though its labels match, such as by its name.
    init(
        of owner: Item, _ kind: GroupVersionKind, in world: World, adopts: (Item) -> Bool = { _ in true }
    ) {
        guard let selector = owner.workloadSelector else { return }
        for item in world.owned(by: owner.uid, kind) where item.isControlled(by: owner) && item.namespace == owner.namespace {
            if selector.matches(item.labels) {
                members.append(item)
            } else if !owner.isBeingDeleted, !item.isBeingDeleted {
                writes.append(.update(Self.released(item, from: owner)))
            }
        }
        guard !owner.isBeingDeleted else { return }
        for item in world.all(kind, in: owner.namespace, matching: selector) {
            guard item.metadata.controller == nil, !item.isBeingDeleted, adopts(item) else { continue }
            writes.append(.update(Self.adopted(item, by: owner)))
        }
    }

    private static func adopted(_ item: Item, by owner: Item) -> JSONValue {
        var tree = item.tree
        let others = tree[field: "metadata", "ownerReferences"]?.array ?? []
        tree[field: "metadata", "ownerReferences"] = .array(
            others.filter { $0["uid"]?.string != owner.uid } + [owner.controllerReference])
        return tree
    }

    private static func released(_ item: Item, from owner: Item) -> JSONValue {
        var tree = item.tree
        let others = (tree[field: "metadata", "ownerReferences"]?.array ?? []).filter { $0["uid"]?.string != owner.uid }
        tree[field: "metadata", "ownerReferences"] = others.isEmpty ? nil : .array(others)
        return tree
    }
}
