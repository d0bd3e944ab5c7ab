import KubeAPI

/// A DaemonSet's pods by node, and what is missing, too many or old.
struct DaemonPlaces {
    private let set: Item
    private let nodes: [Item]
    private let hash: String
    private let now: Moment
    private let pods: [Item]
    private let byNode: [String: [Item]]

    init(_ set: Item, _ pods: [Item], _ nodes: [Item], hash: String, at now: Moment) {
        self.set = set
        self.nodes = nodes
        self.hash = hash
        self.now = now
        self.pods = pods
        byNode = Dictionary(grouping: pods.sorted(by: Item.isOlder)) { Self.target(of: $0) }
    }

    /// The node a pod is on or, before it is bound, meant for.
    private static func target(of pod: Item) -> String {
        if !pod.nodeName.isEmpty { return pod.nodeName }
        let terms = pod.spec[field: "affinity", "nodeAffinity", NodeAffinity.required, "nodeSelectorTerms"]?.array ?? []
        let fields = terms.first?["matchFields"]?.array ?? []
        return fields.first { $0["key"]?.string == "metadata.name" }?["values"]?.array?.first?.string ?? ""
    }

    /// Whether a new pod would be put on the node, and whether one that is there may stay.
    private func verdict(on node: Item) -> (runs: Bool, stays: Bool) {
        let spec = Self.tolerating(set.spec[field: "template", "spec"] ?? [:])
        if let name = spec["nodeName"]?.string, !name.isEmpty, name != node.name { return (false, false) }
        guard NodeAffinity(of: spec).matches(node) else { return (false, false) }
        let tolerations = Toleration.all(of: spec)
        let taints = Taint.all(of: node).filter { taint in !tolerations.contains { $0.tolerates(taint) } }
        let runs = !taints.contains { $0.effect == "NoSchedule" || $0.effect == "NoExecute" }
        return (runs, !taints.contains { $0.effect == "NoExecute" })
    }

    private func isAvailable(_ pod: Item) -> Bool {
        !pod.isBeingDeleted && pod.isAvailable(minReady: set.minReady, at: now)
    }

    var ripening: [Moment] {
        pods.compactMap {
            if case .ripening(let moment) = $0.availability(minReady: set.minReady, at: now) { moment } else { nil }
        }
    }
}

// MARK: - Making and taking away

extension DaemonPlaces {
    func populate(_ outcome: inout Outcome, in world: World, _ random: inout Dice) {
        for node in nodes {
            let here = byNode[node.name] ?? []
            let (runs, stays) = verdict(on: node)
            if runs, here.isEmpty {
                create(on: node, &outcome, in: world, &random)
            } else if !stays {
                for pod in here where !pod.isBeingDeleted { delete(pod, &outcome) }
            } else {
                trim(here, &outcome)
            }
        }
        let known = Set(nodes.map(\.name))
        // A pod meant for a node that is gone will never be bound; one that was on it is the garbage collector's.
        for pod in pods where pod.nodeName.isEmpty && !known.contains(Self.target(of: pod)) && !pod.isBeingDeleted {
            delete(pod, &outcome)
        }
    }

    /// A failed pod is made again, and of two the older stays. With a surge one of each revision stays, until the new one has
    /// taken over.
    private func trim(_ here: [Item], _ outcome: inout Outcome) {
        for pod in here where pod.isFinished && !pod.isBeingDeleted { delete(pod, &outcome) }
        let active = here.filter(\.isActivePod)
        guard surge > 0 else {
            for pod in active.dropFirst() { delete(pod, &outcome) }
            return
        }
        let (new, old) = (active.filter(isNew), active.filter { !isNew($0) })
        for pod in new.dropFirst() + old.dropFirst() { delete(pod, &outcome) }
        if let new = new.first, let old = old.first, isAvailable(new) || !old.isReadyPod { delete(old, &outcome) }
    }

    private func isNew(_ pod: Item) -> Bool { pod.labels[Revisions.label] == hash }

    private func create(on node: Item, _ outcome: inout Outcome, in world: World, _ random: inout Dice) {
        var name: String
        repeat { name = GivenName.random("\(set.name)-", &random) } while world[Kinds.pod, set.namespace, name] != nil
        let template = set.spec["template"] ?? [:]
        var tree = PodTemplate.pod(of: template, named: name, generateName: "\(set.name)-", owner: set)
        tree[field: "metadata", "labels", Revisions.label] = .string(hash)
        tree[field: "metadata", "labels", "pod-template-generation"] = .string(String(templateGeneration))
        var spec = Self.tolerating(tree["spec"] ?? [:])
        NodeAffinity.pin(&spec, to: node.name)
        tree[field: "spec"] = spec
        outcome.writes.append(.create(tree))
        outcome.note(set, "SuccessfulCreate", "Created pod: \(name)", by: DaemonSetController.self)
    }

    private func delete(_ pod: Item, _ outcome: inout Outcome) {
        outcome.writes.append(.delete(pod.key, uid: pod.uid))
        outcome.note(set, "SuccessfulDelete", "Deleted pod: \(pod.name)", by: DaemonSetController.self)
    }

    private var templateGeneration: Int {
        self.set.metadata.annotations["deprecated.daemonset.template.generation"].flatMap(Int.init)
            ?? Int(set.metadata.generation)
    }

    /// What every daemon's pod tolerates, so that it comes before anything else on a node and leaves last.
    private static func tolerating(_ spec: JSONValue) -> JSONValue {
        var spec = spec
        var wanted: [JSONValue] = ["not-ready", "unreachable"].map {
            ["key": .string("node.kubernetes.io/\($0)"), "operator": "Exists", "effect": "NoExecute"]
        }
        var pressures = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"]
        if spec["hostNetwork"]?.bool == true { pressures.append("network-unavailable") }
        wanted += pressures.map { ["key": .string("node.kubernetes.io/\($0)"), "operator": "Exists", "effect": "NoSchedule"] }
        let own = spec["tolerations"]?.array ?? []
        spec[field: "tolerations"] = .array(own + wanted.filter { !own.contains($0) })
        return spec
    }
}

// MARK: - Updating

extension DaemonPlaces {
    private var isRolling: Bool { self.set.spec[field: "updateStrategy", "type"]?.string ?? "RollingUpdate" == "RollingUpdate" }

    /// On how many nodes a new pod may run beside the old one.
    private var surge: Int {
        guard isRolling, let amount = Amount(set.spec[field: "updateStrategy", "rollingUpdate", "maxSurge"]) else { return 0 }
        return amount.of(nodes.count { verdict(on: $0).runs }, roundingUp: true)
    }

    func roll(_ outcome: inout Outcome, in world: World, _ random: inout Dice) {
        guard isRolling else { return }
        let places = nodes.filter { verdict(on: $0).runs }
        guard surge == 0 else { return add(on: places, &outcome, in: world, &random) }
        let amount = Amount(set.spec[field: "updateStrategy", "rollingUpdate", "maxUnavailable"]) ?? .count(1)
        var budget = amount.of(places.count, roundingUp: true)
        var candidates: [Item] = []
        for node in places {
            let here = (byNode[node.name] ?? []).filter { !$0.isFinished }
            guard let pod = here.first, here.count == 1 else {
                budget -= 1
                continue
            }
            let isOld = !isNew(pod)
            if !isAvailable(pod) {
                budget -= 1
                // It serves nobody: replacing it costs nothing.
                if isOld, !pod.isBeingDeleted { delete(pod, &outcome) }
            } else if isOld {
                candidates.append(pod)
            }
        }
        for pod in candidates.prefix(max(0, budget)) { delete(pod, &outcome) }
    }

    /// New pods beside old ones. The old one goes when the new one is available: ``populate(_:in:_:)`` sees to it.
    private func add(on places: [Item], _ outcome: inout Outcome, in world: World, _ random: inout Dice) {
        var budget = surge
        var candidates: [Item] = []
        for node in places {
            let here = (byNode[node.name] ?? []).filter { !$0.isFinished }
            guard let old = here.first(where: { !isNew($0) }) else { continue }
            if let new = here.first(where: isNew) {
                if !isAvailable(new) { budget -= 1 }
            } else if isAvailable(old) {
                candidates.append(node)
            } else {
                create(on: node, &outcome, in: world, &random)
            }
        }
        for node in candidates.prefix(max(0, budget)) { create(on: node, &outcome, in: world, &random) }
    }
}

// MARK: - Status

extension DaemonPlaces {
    var status: JSONValue {
        var (desired, current, misplaced, ready, available, updated) = (0, 0, 0, 0, 0, 0)
        for node in nodes {
            let here = (byNode[node.name] ?? []).filter { !$0.isBeingDeleted }
            guard verdict(on: node).runs else {
                if !here.isEmpty { misplaced += 1 }
                continue
            }
            desired += 1
            guard let pod = here.first else { continue }
            current += 1
            if pod.isReadyPod { ready += 1 }
            if isAvailable(pod) { available += 1 }
            if isNew(pod) { updated += 1 }
        }
        var status = set.status
        func count(_ name: String, _ number: Int) { status[field: name] = number == 0 ? nil : JSONValue(number) }
        status[field: "currentNumberScheduled"] = JSONValue(current)
        status[field: "numberMisscheduled"] = JSONValue(misplaced)
        status[field: "desiredNumberScheduled"] = JSONValue(desired)
        status[field: "numberReady"] = JSONValue(ready)
        count("updatedNumberScheduled", updated)
        count("numberAvailable", available)
        count("numberUnavailable", desired - available)
        status[field: "observedGeneration"] = JSONValue(Int(set.metadata.generation))
        return status
    }
}
