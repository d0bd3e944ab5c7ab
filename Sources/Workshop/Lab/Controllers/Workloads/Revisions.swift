import KubeAPI

/// The templates a StatefulSet or a DaemonSet has had, kept as ControllerRevision objects, so that an old one can be made again.
struct Revisions {
    /// The revision of the present template: its object's name, and the hash in it.
    let name: String
    let hash: String
    /// What brings the record up to date: create it, or number it as the newest.
    private(set) var write: Write?
    /// Set when the name is taken by something else: the owner's `status.collisionCount` is to become this.
    private(set) var collisions: Int?
    private let records: [Item]

    init(of owner: Item, in world: World) {
        let template = owner.spec["template"] ?? [:]
        let data: JSONValue = ["spec": ["template": Self.replacing(template)]]
        records = world.owned(by: owner.uid, Kinds.controllerRevision).filter { $0.isControlled(by: owner) }
            .sorted { ($0.number, $0.name) < ($1.number, $1.name) }
        let newest = records.last?.number ?? 0
        if let known = records.last(where: { $0.tree["data"]?.withoutNulls == data.withoutNulls }) {
            name = known.name
            hash = known.labels[Self.label] ?? String(known.name.dropFirst(owner.name.count + 1))
            if known.number < newest {
                var tree = known.tree
                tree[field: "revision"] = JSONValue(newest + 1)
                write = .update(tree)
            }
            return
        }
        let count = owner.status["collisionCount"]?.integer
        hash = GivenName.hash(of: template, collisions: count)
        name = "\(owner.name)-\(hash)"
        if world[Kinds.controllerRevision, owner.namespace, name] != nil {
            collisions = (count ?? 0) + 1
        } else {
            write = .create(Self.record(named: name, hash, data, number: newest + 1, of: owner))
        }
    }

    static let label = "controller-revision-hash"

    /// A template that was, by its revision's name; `nil` when no record of it is left.
    func template(_ name: String) -> JSONValue? {
        guard var template = records.first(where: { $0.name == name })?.tree[field: "data", "spec", "template"] else {
            return nil
        }
        template[field: "$patch"] = nil
        return template
    }

    func isRecorded(_ name: String) -> Bool { records.contains { $0.name == name } }

    /// Records that no pod and no status speaks of any more, beyond the limit, oldest first.
    func surplus(limit: Int, live: Set<String>) -> [Write] {
        let idle = records.filter { !live.contains($0.name) && !live.contains($0.labels[Self.label] ?? "") && !$0.isBeingDeleted }
        return idle.prefix(max(0, idle.count - limit)).map { .delete($0.key, uid: $0.uid) }
    }

    private static func replacing(_ template: JSONValue) -> JSONValue {
        var template = template
        template[field: "$patch"] = "replace"
        return template
    }

    private static func record(named name: String, _ hash: String, _ data: JSONValue, number: Int, of owner: Item) -> JSONValue {
        var labels = owner.spec[field: "template", "metadata", "labels"]?.strings ?? [:]
        labels[label] = hash
        var metadata: JSONValue = ["name": .string(name), "namespace": .string(owner.namespace), "labels": JSONValue(labels)]
        metadata[field: "annotations"] = owner.tree[field: "metadata", "annotations"]
        metadata[field: "ownerReferences"] = [owner.controllerReference]
        return [
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": data,
            "revision": JSONValue(number),
        ]
    }
}

extension Item {
    fileprivate var number: Int { tree["revision"]?.integer ?? 0 }
}
