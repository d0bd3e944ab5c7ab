public import KubeAPI

/// What the objects mean, resolved and indexed: the one thing that plans are made from.
///
/// Objects go in one by one or all at once, and each change says which subjects it touches, so that only those are planned again.
/// The order in which objects arrive makes no difference (there is a test).
public struct Snapshot: Sendable {
    private var nodes: [String: Node] = [:]
    private var namespaces: [String: Namespace] = [:]
    private var pods: [ObjectKey: Pod] = [:]

    /// The nodes, resolved.
    public private(set) var members: [String: Member] = [:]
    private var memberProblems: [Problem] = []

    public init() {}

    /// What a change can touch.
    public enum Subject: Hashable, Sendable {
        case node(String)
        case namespace(String)
        case pod(ObjectKey)
    }

    /// Everything wrong with the objects, the worst first.
    public var problems: [Problem] { memberProblems.sorted() }

    public func pod(namespace: String, name: String) -> Pod? {
        pods[ObjectKey(Pod.resource.kind, namespace: namespace, name: name)]
    }

    public var podCount: Int { pods.count }
    public var namespaceNames: [String] { namespaces.keys.sorted() }
}

// MARK: - Changes

extension Snapshot {
    /// Takes an object in, new or changed. Kinds that mean nothing to the network are passed over.
    ///
    /// - Returns: what has to be planned again: nothing when the object means what it meant before.
    @discardableResult
    public mutating func set(_ object: any KubernetesObject) -> Set<Subject> {
        switch object {
        case let node as Node:
            guard nodes.updateValue(node, forKey: node.metadata.name) != node else { return [] }
            return resolveMembers()
        case let namespace as Namespace:
            guard namespaces.updateValue(namespace, forKey: namespace.metadata.name) != namespace else { return [] }
            return [.namespace(namespace.metadata.name)]
        case let pod as Pod:
            guard pods.updateValue(pod, forKey: pod.key) != pod else { return [] }
            return [.pod(pod.key)]
        default: return []
        }
    }

    /// Forgets an object. Forgetting what is not known changes nothing.
    @discardableResult
    public mutating func remove(_ key: ObjectKey) -> Set<Subject> {
        switch (key.kind, key.group) {
        case (Node.resource.kind.kind, ""): return nodes.removeValue(forKey: key.name) == nil ? [] : resolveMembers()
        case (Namespace.resource.kind.kind, ""):
            return namespaces.removeValue(forKey: key.name) == nil ? [] : [.namespace(key.name)]
        case (Pod.resource.kind.kind, ""): return pods.removeValue(forKey: key) == nil ? [] : [.pod(key)]
        default: return []
        }
    }

    /// Takes these objects for everything there is: what is not among them is forgotten.
    @discardableResult
    public mutating func replace(with objects: [any KubernetesObject]) -> Set<Subject> {
        let kept = Set(objects.map(\.key))
        let known = nodes.values.map(\.key) + namespaces.values.map(\.key) + pods.keys
        var touched: Set<Subject> = []
        for key in known where !kept.contains(key) { touched.formUnion(remove(key)) }
        for object in objects { touched.formUnion(set(object)) }
        return touched
    }

    /// Resolves all nodes together, because they may be at odds with each other, and says which came out differently.
    private mutating func resolveMembers() -> Set<Subject> {
        let resolution = MemberResolution(nodes.values)
        memberProblems = resolution.problems
        let before = members
        members = resolution.members
        let names = Set(before.keys).union(members.keys)
        return Set(names.filter { before[$0] != members[$0] }.map(Subject.node))
    }
}
