public import KubeAPI

/// What the objects mean, resolved and indexed: the one thing that plans are made from.
///
/// Objects go in one by one or all at once, and each change says which subjects it touches, so that only those are planned again.
/// The order in which objects arrive makes no difference (there is a test).
public struct Snapshot: Sendable {
    private var nodes: [String: Node] = [:]

    private var resolved = MemberIndex()

    /// The services and the slices of their endpoints.
    public private(set) var services = ServiceIndex()

    public init() {}

    /// What a change can touch: here nodes and services, and namespaces and pods where names are made of objects.
    public enum Subject: Hashable, Sendable {
        case node(String)
        case namespace(String)
        case pod(ObjectKey)
        case service(ServiceIndex.Name)
    }

    /// The nodes, resolved.
    public var members: [String: Member] { resolved.members }

    /// Everything wrong with the objects, the worst first.
    public var problems: [Problem] { resolved.problems.values.joined().sorted() }

    /// Where a node stands: its label `topology.kubernetes.io/zone`; empty without.
    public func zone(ofNode name: String) -> String { nodes[name]?.zone ?? "" }

    /// `nil` when there is no such service. Two of one name, one after the other, differ by it.
    public func uid(ofService key: ObjectKey) -> String? {
        services.service(ServiceIndex.Name(namespace: key.namespace, name: key.name))?.metadata.uid
    }
}

// MARK: - Changes

extension Snapshot {
    /// Takes an object in, new or changed. Other kinds than nodes, services and slices are passed over: policies and names keep what
    /// they need of namespaces and pods themselves.
    ///
    /// - Returns: what has to be planned again: nothing when the object means what it meant before. A subject whose problems alone
    ///   changed is among them.
    @discardableResult
    public mutating func set(_ object: any KubernetesObject) -> Set<Subject> { resolve(take(object)) }

    /// Forgets an object. Forgetting what is not known changes nothing.
    @discardableResult
    public mutating func remove(_ key: ObjectKey) -> Set<Subject> { resolve(forget(key)) }

    /// Takes these objects for everything there is: what is not among them is forgotten.
    @discardableResult
    public mutating func replace(with objects: [any KubernetesObject]) -> Set<Subject> {
        let known = nodes.values.map(\.key) + services.keys
        var effect = Effect()
        if !known.isEmpty {
            let kept = Set(objects.map(\.key))
            for key in known where !kept.contains(key) { effect.formUnion(forget(key)) }
        }
        for object in objects { effect.formUnion(take(object)) }
        return resolve(effect)
    }
}

extension Snapshot {
    /// What a change to the objects touched by itself, and the nodes that claim something else than before.
    private struct Effect {
        var touched: Set<Subject> = []
        var claimants: Set<String> = []

        mutating func formUnion(_ other: Effect) {
            touched.formUnion(other.touched)
            claimants.formUnion(other.claimants)
        }
    }

    private mutating func take(_ object: any KubernetesObject) -> Effect {
        switch object {
        case let node as Node:
            let old = nodes.updateValue(node, forKey: node.metadata.name)
            return Effect(
                touched: old?.zone == node.zone ? [] : [.node(node.metadata.name)],
                claimants: old.map { $0.claims(sameAs: node) } ?? false ? [] : [node.metadata.name])
        case let service as Service: return Effect(touched: Set(services.set(service).map(Subject.service)))
        case let slice as EndpointSlice: return Effect(touched: Set(services.set(slice).map(Subject.service)))
        default: return Effect()
        }
    }

    private mutating func forget(_ key: ObjectKey) -> Effect {
        switch (key.kind, key.group) {
        case (Node.resource.kind.kind, ""): Effect(claimants: nodes.removeValue(forKey: key.name) == nil ? [] : [key.name])
        default: Effect(touched: Set(services.remove(key).map(Subject.service)))
        }
    }

    /// Resolves the nodes again that can have come out differently, and adds those that did: one by itself, many all together.
    private mutating func resolve(_ effect: Effect) -> Set<Subject> {
        guard let first = effect.claimants.first else { return effect.touched }
        let different = effect.claimants.count == 1 ? resolved.update(first, in: nodes) : resolved.replace(with: nodes)
        return effect.touched.union(different.map(Subject.node))
    }
}

extension Node {
    fileprivate var zone: String { metadata.labels["topology.kubernetes.io/zone"] ?? "" }
}
