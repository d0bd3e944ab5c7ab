import KubeAPI

@testable import Lab

/// An API server without a network or a disk: it keeps versions, generations, finalizers, graceful deletion and owners' garbage
/// as a real one does, as far as controllers can tell the difference.
///
/// It has no validation, defaults or admission: what is put in has to be right.
struct MemoryCluster: Sendable {
    enum Refusal: Error, Hashable, Sendable {
        case alreadyExists(ObjectKey)
        case notFound(ObjectKey)
        /// Another version, or another object of the same name.
        case conflict(ObjectKey)
        /// No object at all.
        case unreadable
    }

    enum Event: Hashable, Sendable {
        case put(JSONValue)
        case gone(ObjectKey)
    }

    private(set) var objects: [ObjectKey: JSONValue] = [:]
    /// What happened since somebody took it.
    private var events: [Event] = []
    private var revision = 0

    init() {}

    mutating func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    func all(_ kind: GroupVersionKind) -> [Item] {
        objects.keys.filter { $0.kind == kind.kind && $0.group == kind.group }.sorted().compactMap {
            objects[$0].flatMap(Item.init)
        }
    }
}

extension MemoryCluster {
    /// - Returns: the object afterwards, `nil` when it is gone.
    @discardableResult
    mutating func carryOut(_ write: Write, at now: Moment) throws(Refusal) -> JSONValue? {
        switch write {
        case .create(let tree): return try create(tree, at: now)
        case .update(let tree): return try replace(tree, at: now) { old, new in new[field: "status"] = old["status"] }
        case .updateStatus(let tree):
            return try replace(tree, at: now) { old, new in
                let status = new["status"]
                new = old
                new[field: "status"] = status
            }
        case .bind(let key, let uid, let node): return try bind(key, uid, to: node, at: now)
        case .delete(let key, let uid, let grace): return try delete(key, uid, grace, at: now)
        }
    }

    private mutating func create(_ tree: JSONValue, at now: Moment) throws(Refusal) -> JSONValue {
        guard let item = Item(tree) else { throw .unreadable }
        guard objects[item.key] == nil else { throw .alreadyExists(item.key) }
        var tree = tree
        tree[field: "metadata", "uid"] = .string("uid-\(revision + 1)")
        tree[field: "metadata", "creationTimestamp"] = .string(now.description)
        tree[field: "metadata", "generation"] = 1
        if item.key.isOf(Kinds.pod), tree[field: "status", "phase"] == nil { tree[field: "status", "phase"] = "Pending" }
        return store(tree, as: item.key)
    }

    private mutating func replace(
        _ tree: JSONValue, at now: Moment, _ merge: (JSONValue, inout JSONValue) -> Void
    ) throws(Refusal) -> JSONValue? {
        guard let item = Item(tree) else { throw .unreadable }
        guard let old = objects[item.key] else { throw .notFound(item.key) }
        let version = item.metadata.resourceVersion
        guard item.uid.isEmpty || item.uid == old[field: "metadata", "uid"]?.string,
            version.isEmpty || version == old[field: "metadata", "resourceVersion"]?.string
        else { throw .conflict(item.key) }
        var new = tree
        merge(old, &new)
        for field in ["uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"] {
            new[field: "metadata", field] = old[field: "metadata", field]
        }
        if new == old { return old }
        if new["spec"] != old["spec"] {
            new[field: "metadata", "generation"] = JSONValue((old[field: "metadata", "generation"]?.integer ?? 0) + 1)
        }
        if new[field: "metadata", "deletionTimestamp"] != nil, !Self.isHeld(new), !item.key.isOf(Kinds.pod) {
            drop(item.key)
            return nil
        }
        return store(new, as: item.key)
    }

    private mutating func bind(
        _ key: ObjectKey, _ uid: String, to node: String, at now: Moment
    ) throws(Refusal) -> JSONValue {
        guard var tree = objects[key] else { throw .notFound(key) }
        guard tree[field: "metadata", "uid"]?.string == uid, tree[field: "metadata", "deletionTimestamp"] == nil,
            tree[field: "spec", "nodeName"]?.string ?? "" == ""
        else { throw .conflict(key) }
        tree[field: "spec", "nodeName"] = .string(node)
        var conditions = ConditionList(tree["status"] ?? [:])
        conditions.set("PodScheduled", "True", reason: "", message: "", at: now)
        tree[field: "status", "conditions"] = .array(conditions.entries)
        return store(tree, as: key)
    }

    private mutating func delete(
        _ key: ObjectKey, _ uid: String, _ grace: Duration?, at now: Moment
    ) throws(Refusal) -> JSONValue? {
        guard var tree = objects[key], let item = Item(tree) else { throw .notFound(key) }
        guard uid.isEmpty || item.uid == uid else { throw .conflict(key) }
        let isWaiting = key.isOf(Kinds.pod) && grace != .zero && !item.nodeName.isEmpty && !item.isFinished
        guard isWaiting || Self.isHeld(tree) else {
            drop(key)
            return nil
        }
        if item.isBeingDeleted { return tree }
        let own = tree[field: "spec", "terminationGracePeriodSeconds"]?.integer ?? 30
        let wait = isWaiting ? grace ?? .seconds(own) : .zero
        tree[field: "metadata", "deletionTimestamp"] = .string((now + wait).description)
        if key.isOf(Kinds.pod) {
            tree[field: "metadata", "deletionGracePeriodSeconds"] = JSONValue(Int(wait.components.seconds))
        }
        return store(tree, as: key)
    }

    private static func isHeld(_ tree: JSONValue) -> Bool {
        !(tree[field: "metadata", "finalizers"]?.array ?? []).isEmpty
    }

    private mutating func store(_ tree: JSONValue, as key: ObjectKey) -> JSONValue {
        revision += 1
        var tree = tree
        tree[field: "metadata", "resourceVersion"] = .string(String(revision))
        objects[key] = tree
        events.append(.put(tree))
        return tree
    }

    /// Takes the object away, and what belonged to nobody else.
    private mutating func drop(_ key: ObjectKey) {
        guard let uid = objects.removeValue(forKey: key)?[field: "metadata", "uid"]?.string else { return }
        revision += 1
        events.append(.gone(key))
        for (dependent, tree) in objects.sorted(by: { $0.key < $1.key }) {
            let owners = (tree[field: "metadata", "ownerReferences"]?.array ?? []).compactMap { $0["uid"]?.string }
            guard owners.contains(uid), owners.count == 1 else { continue }
            // A pod on a node goes at its kubelet's pace; anything else goes now.
            let moment = Moment(tree[field: "metadata", "creationTimestamp"]?.string ?? "") ?? Moment(sinceEpoch: .zero)
            _ = try? delete(dependent, "", nil, at: moment)
        }
    }
}
