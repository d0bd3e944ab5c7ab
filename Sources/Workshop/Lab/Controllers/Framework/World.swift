public import KubeAPI

/// Everything the controllers have been told of, indexed by kind, namespace, owner, label, and pods by node.
///
/// A value without a clock or a connection. It may lag behind the API; so that a controller sees its own writes, the driver puts the
/// API's answer to a write into it before the next key is looked at.
public struct World: Sendable {
    struct Place: Hashable, Sendable {
        var kind: String
        var group: String
        var namespace: String
    }

    private struct Mark: Hashable, Sendable {
        var place: Place
        var label: String
        var value: String
    }

    private var items: [ObjectKey: Item] = [:]
    private var places: [Place: Set<ObjectKey>] = [:]
    private var namespaces: [Place: Set<String>] = [:]
    private var owned: [String: Set<ObjectKey>] = [:]
    private var marked: [Mark: Set<ObjectKey>] = [:]
    /// Pods by the node they are on; those without one are under the empty name.
    private var bound: [String: Set<ObjectKey>] = [:]
    /// Nodes that went, and when that was seen; `nil` until it has been.
    private var departures: [String: Moment?] = [:]
    private var began: Moment?

    public init() {}
}

/// What happened to one object.
public struct Change: Sendable {
    public var key: ObjectKey
    /// As it was known before; `nil` when it is new.
    public var old: Item?
    /// As it is now; `nil` when it is gone.
    public var new: Item?
}

// MARK: - Learning

extension World {
    /// An object as it is now. One that is older than what is known changes nothing and gives `nil`.
    public mutating func learn(_ item: Item) -> Change? {
        let old = items[item.key]
        if let old {
            guard old.metadata.resourceVersion != item.metadata.resourceVersion || old.tree != item.tree else { return nil }
            // Late news of the same object. Kubernetes' versions have been numbers that grow from the first day.
            if old.uid == item.uid, let known = UInt64(old.metadata.resourceVersion),
                let told = UInt64(item.metadata.resourceVersion), told < known
            {
                return nil
            }
            remove(old)
        }
        insert(item)
        return Change(key: item.key, old: old, new: item)
    }

    /// An object is gone. Gives `nil` when nobody knew it.
    public mutating func forget(_ key: ObjectKey) -> Change? {
        guard let old = items[key] else { return nil }
        remove(old)
        if key.isOf(Kinds.node) { departures.updateValue(nil, forKey: key.name) }
        return Change(key: key, old: old, new: nil)
    }

    /// It is this late now: what was learned since the last time was learned now.
    mutating func pass(to now: Moment) {
        if began == nil { began = now }
        for (name, seen) in departures where seen == nil { departures.updateValue(now, forKey: name) }
    }

    private mutating func insert(_ item: Item) {
        let place = Place(item.key)
        if item.key.isOf(Kinds.node) { departures.removeValue(forKey: item.name) }
        items[item.key] = item
        places[place, default: []].insert(item.key)
        namespaces[place.everywhere, default: []].insert(item.namespace)
        for owner in item.metadata.ownerReferences { owned[owner.uid, default: []].insert(item.key) }
        for (label, value) in item.labels { marked[Mark(place: place, label: label, value: value), default: []].insert(item.key) }
        if let node = item.boundNode { bound[node, default: []].insert(item.key) }
    }

    private mutating func remove(_ item: Item) {
        let place = Place(item.key)
        items[item.key] = nil
        if places.remove(item.key, at: place) { namespaces[place.everywhere]?.remove(item.namespace) }
        for owner in item.metadata.ownerReferences { _ = owned.remove(item.key, at: owner.uid) }
        for (label, value) in item.labels { _ = marked.remove(item.key, at: Mark(place: place, label: label, value: value)) }
        if let node = item.boundNode { _ = bound.remove(item.key, at: node) }
    }
}

extension World.Place {
    fileprivate init(_ key: ObjectKey) { self.init(kind: key.kind, group: key.group, namespace: key.namespace) }
    fileprivate init(_ kind: GroupVersionKind, _ namespace: String) {
        self.init(kind: kind.kind, group: kind.group, namespace: namespace)
    }

    fileprivate var everywhere: Self { World.Place(kind: kind, group: group, namespace: "") }
}

extension Item {
    fileprivate var boundNode: String? { key.isOf(Kinds.pod) ? nodeName : nil }
}

extension Dictionary where Value == Set<ObjectKey> {
    /// Returns true when the last one went.
    fileprivate mutating func remove(_ key: ObjectKey, at place: Key) -> Bool {
        self[place]?.remove(key)
        guard self[place]?.isEmpty == true else { return false }
        self[place] = nil
        return true
    }
}

// MARK: - Asking

extension World {
    public subscript(key: ObjectKey) -> Item? { items[key] }

    public subscript(kind: GroupVersionKind, namespace: String, name: String) -> Item? {
        items[ObjectKey(kind, namespace: namespace, name: name)]
    }

    /// In the order of their names, so that deciding does not depend on how a set happens to be laid out.
    public func all(_ kind: GroupVersionKind, in namespace: String) -> [Item] {
        sorted(places[Place(kind, namespace)])
    }

    public func all(_ kind: GroupVersionKind) -> [Item] {
        let names = namespaces[Place(kind, "")] ?? []
        return names.sorted().flatMap { all(kind, in: $0) }
    }

    /// What names this object as an owner.
    public func owned(by uid: String, _ kind: GroupVersionKind) -> [Item] {
        sorted(owned[uid]?.filter { $0.isOf(kind) })
    }

    public func all(_ kind: GroupVersionKind, in namespace: String, matching selector: LabelSelector) -> [Item] {
        let place = Place(kind, namespace)
        // The rarest label that has to have one value narrows it down; the rest is asked one by one.
        let narrow = selector.requirements.compactMap { requirement -> Set<ObjectKey>? in
            guard requirement.operator == .in, requirement.values.count == 1 else { return nil }
            return marked[Mark(place: place, label: requirement.key, value: requirement.values[0])] ?? []
        }.min { $0.count < $1.count }
        return sorted(narrow ?? places[place]).filter { selector.matches($0.labels) }
    }

    public func pods(on node: String) -> [Item] { sorted(bound[node]) }

    /// The same in no order, for those who only count: the scheduler does for every node and pod.
    func unorderedPods(on node: String) -> [Item] { (bound[node] ?? []).compactMap { items[$0] } }

    /// Since when a node is not there; one that nobody ever told of, since the beginning.
    func absence(ofNode name: String) -> Moment? {
        if self[Kinds.node, "", name] != nil { return nil }
        return (departures[name] ?? nil) ?? began
    }

    /// How many there are, without looking at them.
    public func count(_ kind: GroupVersionKind, in namespace: String) -> Int { places[Place(kind, namespace)]?.count ?? 0 }

    private func sorted(_ keys: Set<ObjectKey>?) -> [Item] {
        (keys ?? []).sorted().compactMap { items[$0] }
    }
}
