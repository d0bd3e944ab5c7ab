import KubeAPI

/// The `topologySpreadConstraints` of a pod that must hold (`DoNotSchedule`).
struct TopologySpread {
    private struct Constraint {
        var key: String
        var maxSkew: Int
        /// Whether the pod counts itself.
        var countsSelf: Int
        /// Pods by domain; every domain that nodes offer is there.
        var counts: [String: Int]
        /// What the emptiest domain has.
        var least: Int
    }

    private let constraints: [Constraint]

    /// - Parameter nodes: those whose domains count: which the pod may be on.
    init(_ pod: Item, in world: World, nodes: [Item]) {
        let wanted = (pod.spec["topologySpreadConstraints"]?.array ?? []).filter {
            $0["whenUnsatisfiable"]?.string ?? "DoNotSchedule" == "DoNotSchedule"
        }
        constraints = wanted.map { entry in
            let key = entry["topologyKey"]?.string ?? ""
            let selector = Self.selector(entry, pod)
            var counts: [String: Int] = [:]
            for node in nodes { if let domain = node.labels[key] { counts[domain] = 0 } }
            if let selector {
                let domains = Dictionary(nodes.compactMap { node in node.labels[key].map { (node.name, $0) } }) { $1 }
                for other in world.all(Kinds.pod, in: pod.namespace, matching: selector) where other.isActivePod {
                    if let domain = domains[other.nodeName] { counts[domain, default: 0] += 1 }
                }
            }
            let minimum = entry["minDomains"]?.integer ?? 1
            return Constraint(
                key: key, maxSkew: max(1, entry["maxSkew"]?.integer ?? 1),
                countsSelf: selector?.matches(pod.labels) == true ? 1 : 0, counts: counts,
                least: counts.count < minimum ? 0 : counts.values.min() ?? 0)
        }
    }

    private static func selector(_ entry: JSONValue, _ pod: Item) -> LabelSelector? {
        var fields = FieldReader(entry)
        guard var selector = fields.selector("labelSelector"), fields.errors.isEmpty else { return nil }
        for key in (entry["matchLabelKeys"]?.array ?? []).compactMap(\.string) {
            if let value = pod.labels[key] { selector.requirements.append(.init(key, .in, [value])) }
        }
        return selector
    }

    func obstacle(on node: Item) -> NodeFit.Reason? {
        for constraint in constraints {
            guard let domain = node.labels[constraint.key] else { return .missingSpreadLabel }
            let count = constraint.counts[domain] ?? 0
            if count + constraint.countsSelf - constraint.least > constraint.maxSkew { return .spread }
        }
        return nil
    }
}
