import KubeAPI

/// A StatefulSet's pods by their ordinals, and the next step towards what it asks for.
struct StatefulSetPods {
    let set: Item
    /// All pods of the set, lowest ordinal first.
    let members: [Item]
    private let revisions: Revisions
    private let now: Moment
    private let byOrdinal: [Int: Item]
    private let range: Range<Int>

    init(_ set: Item, _ pods: [Item], _ revisions: Revisions, at now: Moment) {
        self.set = set
        self.revisions = revisions
        self.now = now
        var byOrdinal: [Int: Item] = [:]
        for pod in pods { Self.ordinal(of: pod.name, in: set.name).map { byOrdinal[$0] = pod } }
        self.byOrdinal = byOrdinal
        members = byOrdinal.sorted { $0.key < $1.key }.map(\.value)
        let start = max(0, set.spec[field: "ordinals", "start"]?.integer ?? 0)
        range = start..<start + set.replicas
    }

    static func ordinal(of pod: String, in set: String) -> Int? {
        guard pod.hasPrefix(set + "-"), let number = Int(pod.dropFirst(set.count + 1)), "\(set)-\(number)" == pod else {
            return nil
        }
        return number
    }

    private var isMonotonic: Bool { self.set.spec["podManagementPolicy"]?.string != "Parallel" }
    private var updateRevision: String { revisions.name }
    /// Before the first status everything is of the present template.
    private var currentRevision: String {
        guard let name = set.status["currentRevision"]?.string, revisions.isRecorded(name) else { return updateRevision }
        return name
    }

    private func isHealthy(_ pod: Item) -> Bool { isReady(pod) && !pod.isBeingDeleted }
    private func isReady(_ pod: Item) -> Bool { pod.phase == "Running" && pod.isReadyPod }
    private func isAvailable(_ pod: Item) -> Bool { isReady(pod) && pod.isAvailable(minReady: set.minReady, at: now) }

    /// When pods will have been ready long enough.
    var ripening: [Moment] {
        members.compactMap {
            if case .ripening(let moment) = $0.availability(minReady: set.minReady, at: now) { moment } else { nil }
        }
    }
}

// MARK: - The next step

extension StatefulSetPods {
    /// In order: what is missing or broken from the lowest ordinal up, what is too many from the highest down, what is of an
    /// old revision from the highest down. With the ordered policy the first thing that has to be waited for ends it.
    func step(_ outcome: inout Outcome, in world: World) {
        guard fill(&outcome, in: world), shrink(&outcome), outcome.writes.isEmpty else { return }
        roll(&outcome)
    }

    /// - Returns: whether to go on.
    private func fill(_ outcome: inout Outcome, in world: World) -> Bool {
        for ordinal in range {
            guard let pod = byOrdinal[ordinal] else {
                let name = "\(set.name)-\(ordinal)"
                // Somebody else's pod has the name: wait until it is gone, as Kubernetes does by trying.
                if world[Kinds.pod, set.namespace, name] == nil {
                    outcome.writes.append(.create(self.pod(ordinal)))
                    outcome.note(
                        set, "SuccessfulCreate", "create Pod \(name) in StatefulSet \(set.name) successful",
                        by: StatefulSetController.self)
                    if let note = claimNote {
                        outcome.note(set, "ClaimsNotServed", note, .warning, by: StatefulSetController.self)
                    }
                }
                if isMonotonic { return false }
                continue
            }
            if pod.isFinished, !pod.isBeingDeleted {
                delete(pod, &outcome)
                if isMonotonic { return false }
                continue
            }
            if isMonotonic, pod.isBeingDeleted || !isAvailable(pod) { return false }
            if let tree = identified(pod, ordinal) { outcome.writes.append(.update(tree)) }
        }
        return true
    }

    private func shrink(_ outcome: inout Outcome) -> Bool {
        let condemned = byOrdinal.filter { !range.contains($0.key) }.sorted { $0.key > $1.key }.map(\.value)
        let firstUnhealthy = members.first { !isHealthy($0) }
        for pod in condemned {
            if pod.isBeingDeleted {
                if isMonotonic { return false }
                continue
            }
            // An unhealthy pod may go only when it is the one that everything waits for.
            if isMonotonic, !isAvailable(pod), pod.uid != firstUnhealthy?.uid { return false }
            delete(pod, &outcome)
            if isMonotonic { return false }
        }
        return true
    }

    private func roll(_ outcome: inout Outcome) {
        guard set.spec[field: "updateStrategy", "type"]?.string != "OnDelete" else { return }
        var budget = maxUnavailable
        for ordinal in range.reversed() where ordinal >= range.lowerBound + partition {
            guard let pod = byOrdinal[ordinal] else {
                budget -= 1
                if budget <= 0 { return }
                continue
            }
            if revision(of: pod) != updateRevision, !pod.isBeingDeleted {
                delete(pod, &outcome)
                budget -= 1
            } else if !isHealthy(pod) || !isAvailable(pod) {
                budget -= 1
            }
            if budget <= 0 { return }
        }
    }

    private func delete(_ pod: Item, _ outcome: inout Outcome) {
        outcome.writes.append(.delete(pod.key, uid: pod.uid))
        outcome.note(
            set, "SuccessfulDelete", "delete Pod \(pod.name) in StatefulSet \(set.name) successful",
            by: StatefulSetController.self)
    }

    private var partition: Int { max(0, set.spec[field: "updateStrategy", "rollingUpdate", "partition"]?.integer ?? 0) }

    private var maxUnavailable: Int {
        let amount = Amount(set.spec[field: "updateStrategy", "rollingUpdate", "maxUnavailable"]) ?? .count(1)
        return max(1, amount.of(set.replicas, roundingUp: true))
    }

    private func revision(of pod: Item) -> String { pod.labels[Revisions.label] ?? "" }
}

// MARK: - A pod

extension StatefulSetPods {
    /// Below the partition, and for what a rolling update has not reached yet, an old revision is made again.
    private func revision(for ordinal: Int) -> String {
        guard set.spec[field: "updateStrategy", "type"]?.string ?? "RollingUpdate" == "RollingUpdate" else {
            return updateRevision
        }
        let isOld =
            set.spec[field: "updateStrategy", "rollingUpdate"] == nil
            ? ordinal < range.lowerBound + set.counter("currentReplicas") : ordinal < range.lowerBound + partition
        return isOld ? currentRevision : updateRevision
    }

    private func pod(_ ordinal: Int) -> JSONValue {
        let revision = revision(for: ordinal)
        let template = revisions.template(revision) ?? set.spec["template"] ?? [:]
        var tree = PodTemplate.pod(of: template, named: "\(set.name)-\(ordinal)", generateName: "\(set.name)-", owner: set)
        tree[field: "metadata", "labels", Revisions.label] = .string(revision)
        tree[field: "spec", "hostname"] = .string("\(set.name)-\(ordinal)")
        if let service = set.spec["serviceName"]?.string, !service.isEmpty { tree[field: "spec", "subdomain"] = .string(service) }
        let volumes = (tree[field: "spec", "volumes"]?.array ?? []).filter { !claims.contains($0["name"]?.string ?? "") }
        if !claims.isEmpty {
            tree[field: "spec", "volumes"] = .array(volumes + claims.map { ["name": .string($0), "emptyDir": [:]] })
        }
        identify(&tree, ordinal)
        return tree
    }

    /// The volumes that claims would be made for.
    private var claims: [String] {
        (set.spec["volumeClaimTemplates"]?.array ?? []).compactMap { $0[field: "metadata", "name"]?.string }
    }

    /// `nil` when nothing is claimed.
    private var claimNote: String? {
        guard !claims.isEmpty else { return nil }
        return "volumeClaimTemplates are not served in the lab: \(claims.joined(separator: ", ")) is an emptyDir, "
            + "and what is written there goes with its pod; to keep it, mount a hostPath"
    }

    private func identify(_ tree: inout JSONValue, _ ordinal: Int) {
        tree[field: "metadata", "labels", "statefulset.kubernetes.io/pod-name"] = .string("\(set.name)-\(ordinal)")
        tree[field: "metadata", "labels", "apps.kubernetes.io/pod-index"] = .string(String(ordinal))
    }

    /// The pod with its labels put right; `nil` when they are.
    private func identified(_ pod: Item, _ ordinal: Int) -> JSONValue? {
        var tree = pod.tree
        identify(&tree, ordinal)
        // Not by `?:`, where `nil` would be JSON's null.
        guard tree != pod.tree else { return nil }
        return tree
    }
}

// MARK: - Status

extension StatefulSetPods {
    var status: JSONValue {
        let live = members.filter { !$0.isBeingDeleted }
        var current = live.count { revision(of: $0) == currentRevision }
        let updated = live.count { revision(of: $0) == updateRevision }
        let ready = members.count(where: isReady)
        var present = currentRevision
        if present != updateRevision, isRolling, updated == members.count, ready == members.count, partition == 0,
            updated == set.replicas
        {
            (present, current) = (updateRevision, updated)
        }
        var status = set.status
        func count(_ name: String, _ number: Int) { status[field: name] = number == 0 ? nil : JSONValue(number) }
        status[field: "replicas"] = JSONValue(members.count)
        status[field: "availableReplicas"] = JSONValue(members.count(where: isAvailable))
        count("readyReplicas", ready)
        count("currentReplicas", current)
        count("updatedReplicas", updated)
        status[field: "currentRevision"] = .string(present)
        status[field: "updateRevision"] = .string(updateRevision)
        status[field: "observedGeneration"] = JSONValue(Int(set.metadata.generation))
        if status[field: "collisionCount"] == nil { status[field: "collisionCount"] = 0 }
        return status
    }

    private var isRolling: Bool { self.set.spec[field: "updateStrategy", "type"]?.string != "OnDelete" }
}
