import KubeAPI

/// Who belongs to whom, of all objects there are; and what must be done because somebody went. Pure.
///
/// ```
///   Deployment ◄── ReplicaSet ◄── Pod        ownerReferences, by uid
///   Namespace  ◄── everything in it
///   CustomResourceDefinition ◄── its objects
/// ```
/// Kept small: an object is a key, its uids and three flags, whatever its body.
struct Ownership: Sendable {
    struct Owner: Hashable, Sendable {
        var uid: String
        var group: String
        var kind: String
        /// A foreground deletion of the owner waits for this dependent.
        var blocks: Bool
    }

    struct Node: Hashable, Sendable {
        var key: ObjectKey
        var uid: String
        var revision: Revision
        var owners: [Owner]
        var isDeleting: Bool
        /// Finalizers of the server's own, which it must take away itself.
        var waitsForeground: Bool
        var orphans: Bool
        var isHeldDefinition: Bool
    }

    /// Something to be done, to exactly this object: not to one that took its name.
    enum Chore: Hashable, Sendable {
        case delete(ObjectKey, uid: String, DeleteOptions.Propagation)
        case removeOwners(ObjectKey, uid: String, owners: Set<String>)
        case removeFinalizer(ObjectKey, uid: String, String)
        /// Nothing is left in it.
        case finishNamespace(String, uid: String)
    }

    private(set) var nodes: [String: Node] = [:]
    private var uids: [ObjectKey: String] = [:]
    private var dependents: [String: Set<String>] = [:]
    private var inNamespace: [String: Set<String>] = [:]
    private var ofResource: [String: Set<String>] = [:]
    /// What must be looked at.
    private(set) var dirty: Set<String> = []

    static let namespaces = "namespaces"
    static let definitions = "apiextensions.k8s.io/customresourcedefinitions"
}

// MARK: - Learning

extension Ownership {
    /// Takes in an object as it is now. An older state than the known one is passed over.
    mutating func put(_ key: ObjectKey, _ object: JSONValue, at revision: Revision) {
        let node = Node(key, object, revision)
        if let old = uids[key].flatMap({ nodes[$0] }) {
            guard old.revision < revision else { return }
            drop(old)
            if old.uid != node.uid { nodes[old.uid] = nil }
        }
        nodes[node.uid] = node
        uids[key] = node.uid
        for owner in node.owners { dependents[owner.uid, default: []].insert(node.uid) }
        if !key.namespace.isEmpty { inNamespace[key.namespace, default: []].insert(node.uid) }
        ofResource[key.resource, default: []].insert(node.uid)
        touch(node)
    }

    mutating func remove(_ key: ObjectKey, at revision: Revision) {
        guard let node = uids[key].flatMap({ nodes[$0] }), node.revision < revision else { return }
        drop(node)
        nodes[node.uid] = nil
        uids[key] = nil
        touch(node)
    }

    private mutating func drop(_ node: Node) {
        for owner in node.owners {
            dependents[owner.uid]?.remove(node.uid)
            if dependents[owner.uid]?.isEmpty == true { dependents[owner.uid] = nil }
            dirty.insert(owner.uid)
        }
        inNamespace[node.key.namespace]?.remove(node.uid)
        ofResource[node.key.resource]?.remove(node.uid)
    }

    /// Marks all that may have to do something because of this object.
    private mutating func touch(_ node: Node) {
        dirty.insert(node.uid)
        if nodes[node.uid] == nil || node.isDeleting { dirty.formUnion(dependents[node.uid] ?? []) }
        for owner in node.owners { dirty.insert(owner.uid) }
        if let namespace = uids[ObjectKey(resource: Self.namespaces, name: node.key.namespace)] { dirty.insert(namespace) }
        let parts = node.key.resource.split(separator: "/")
        if parts.count == 2, let definition = uids[ObjectKey(resource: Self.definitions, name: "\(parts[1]).\(parts[0])")] {
            dirty.insert(definition)
        }
    }

    /// What was tried in vain must be looked at again.
    mutating func mark(_ uids: some Sequence<String>) { dirty.formUnion(uids) }
}

extension Ownership.Node {
    fileprivate init(_ key: ObjectKey, _ object: JSONValue, _ revision: Revision) {
        (self.key, uid, self.revision) = (key, object.uid, revision)
        owners = (object.at("metadata", "ownerReferences")?.objects ?? []).compactMap { reference in
            let uid = reference.string("uid")
            guard !uid.isEmpty else { return nil }
            let kind = GroupVersionKind(apiVersion: reference.string("apiVersion"), kind: reference.string("kind"))
            return Ownership.Owner(
                uid: uid, group: kind?.group ?? "", kind: reference.string("kind"),
                blocks: reference["blockOwnerDeletion"] == true)
        }
        isDeleting = object.isBeingDeleted
        let finalizers = object.finalizers
        (waitsForeground, orphans) = (finalizers.contains(Finalizer.foreground), finalizers.contains(Finalizer.orphan))
        isHeldDefinition = key.resource == Ownership.definitions && finalizers.contains(Finalizer.definition)
    }
}

// MARK: - Deciding

extension Ownership {
    /// What is to be done for everything that is marked, which is then marked no more.
    ///
    /// - Parameter serves: whether a kind is known here; an owner of another kind is taken to be there.
    mutating func chores(serves: (Owner) -> Bool) -> [Chore] {
        let marked = dirty.sorted()
        dirty = []
        return marked.compactMap { nodes[$0] }.flatMap { node in
            (node.isDeleting ? ending(node) : belonging(node, serves).map { [$0] } ?? [])
        }
    }

    /// An object that is there: do its owners still want it?
    private func belonging(_ node: Node, _ serves: (Owner) -> Bool) -> Chore? {
        guard !node.owners.isEmpty else { return nil }
        var (solid, gone, waiting): (Bool, Set<String>, Set<String>) = (false, [], [])
        for owner in node.owners {
            if let found = nodes[owner.uid], found.key.namespace.isEmpty || found.key.namespace == node.key.namespace {
                if found.isDeleting, found.waitsForeground { waiting.insert(owner.uid) } else { solid = true }
            } else if !serves(owner) {
                solid = true
            } else {
                gone.insert(owner.uid)
            }
        }
        if solid {
            let useless = gone.union(waiting)
            return useless.isEmpty ? nil : .removeOwners(node.key, uid: node.uid, owners: useless)
        }
        let goesAfterDependents = !waiting.isEmpty && !(dependents[node.uid] ?? []).isEmpty
        let propagation: DeleteOptions.Propagation =
            node.orphans ? .orphan : node.waitsForeground || goesAfterDependents ? .foreground : .background
        return .delete(node.key, uid: node.uid, propagation)
    }

    /// An object that is going: is what it waits for done?
    private func ending(_ node: Node) -> [Chore] {
        let family = (dependents[node.uid] ?? []).compactMap { nodes[$0] }
        var chores: [Chore] = []
        if node.orphans {
            chores += family.map { .removeOwners($0.key, uid: $0.uid, owners: [node.uid]) }
            if family.isEmpty { chores.append(.removeFinalizer(node.key, uid: node.uid, Finalizer.orphan)) }
        } else if node.waitsForeground {
            let blocking = family.contains { $0.owners.contains { $0.uid == node.uid && $0.blocks } }
            if !blocking { chores.append(.removeFinalizer(node.key, uid: node.uid, Finalizer.foreground)) }
        }
        if node.key.resource == Self.namespaces {
            chores += emptying(inNamespace[node.key.name] ?? [], or: .finishNamespace(node.key.name, uid: node.uid))
        }
        if node.isHeldDefinition {
            chores += emptying(
                ofResource[Self.resource(definition: node.key.name)] ?? [],
                or: .removeFinalizer(node.key, uid: node.uid, Finalizer.definition))
        }
        return chores
    }

    private func emptying(_ contents: Set<String>, or end: Chore) -> [Chore] {
        if contents.isEmpty { return [end] }
        return contents.sorted().compactMap { nodes[$0] }.filter { !$0.isDeleting }.map {
            .delete($0.key, uid: $0.uid, .background)
        }
    }

    /// `widgets.example.org` defines `example.org/widgets`.
    static func resource(definition name: String) -> String {
        let parts = name.split(separator: ".", maxSplits: 1)
        return parts.count == 2 ? "\(parts[1])/\(parts[0])" : name
    }
}

extension Ownership.Chore {
    var uid: String {
        switch self {
        case .delete(_, let uid, _), .removeOwners(_, let uid, _), .removeFinalizer(_, let uid, _), .finishNamespace(_, let uid):
            uid
        }
    }
}
