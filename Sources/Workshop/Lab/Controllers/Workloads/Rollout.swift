import KubeAPI

/// One look at a Deployment: its ReplicaSets, and the next step.
///
/// ```
///            replicas + maxSurge  ─────────────  never more pods than this
///   new set grows towards it         ▲
///            replicas             ───┼─────────
///   old sets shrink down to          ▼
///            replicas − maxUnavailable ────────  never fewer available pods than this by our doing
/// ```
struct Rollout {
    let deployment: Item
    /// Oldest first.
    let sets: [Item]
    /// The one with the present template.
    let newest: Item?
    let world: World
    let now: Moment
    var outcome = Outcome()
    /// Set by a step for the status that ends the look.
    var collisions: Int?
    /// The Deployment's own tree when its metadata has to be written; the status then waits for the next look.
    private var tree: JSONValue

    init(_ deployment: Item, _ sets: [Item], in world: World, at now: Moment) {
        self.deployment = deployment
        self.world = world
        self.now = now
        self.sets = sets.sorted(by: Item.isOlder)
        let template = Self.bare(deployment.spec["template"])
        newest = self.sets.first { Self.bare($0.spec["template"]) == template }
        tree = deployment.tree
    }

    static let hashLabel = "pod-template-hash"

    /// A template without the label that tells its pods apart.
    static func bare(_ template: JSONValue?) -> JSONValue {
        var template = (template ?? [:]).withoutNulls
        template[field: "metadata", "labels", hashLabel] = nil
        return template
    }

    var old: [Item] { sets.filter { $0.uid != newest?.uid } }
    var isPaused: Bool { deployment.spec["paused"]?.bool == true }
    private var isRecreating: Bool { deployment.spec[field: "strategy", "type"]?.string == "Recreate" }

    /// The two bounds, resolved. Both zero would never move: then one may be unavailable.
    var bounds: (surge: Int, unavailable: Int) {
        if isRecreating { return (0, 0) }
        let rolling = deployment.spec[field: "strategy", "rollingUpdate"]
        let surge = (Amount(rolling?["maxSurge"]) ?? .percent(25)).of(deployment.replicas, roundingUp: true)
        let unavailable = (Amount(rolling?["maxUnavailable"]) ?? .percent(25)).of(deployment.replicas, roundingUp: false)
        return (surge, surge == 0 && unavailable == 0 ? 1 : min(unavailable, deployment.replicas))
    }

    /// All pods there are or will be. A set that has just been made smaller counts with the pods it has not yet let go, so that
    /// the surge holds for pods and not for wishes only.
    private var crowd: Int {
        sets.reduce(0) { sum, set in
            sum + max(set.replicas, world.owned(by: set.uid, Kinds.pod).count { $0.isActivePod })
        }
    }

    /// Counted from pods rather than read from the set's status, which may be older than they are.
    func available(_ set: Item) -> Int {
        world.owned(by: set.uid, Kinds.pod).count { $0.isActivePod && $0.isAvailable(minReady: set.minReady, at: now) }
    }
}

// MARK: - Steps

extension Rollout {
    mutating func step() {
        if isPaused || isScaling {
            adopt()
            // Numbering and sizing may meet on one set: one write at a time.
            if outcome.writes.isEmpty { scale() }
        } else if isRecreating {
            recreate()
        } else {
            roll()
        }
        if outcome.writes.isEmpty, newest != nil { clean() }
        if tree != deployment.tree { outcome.writes.append(.update(tree)) }
    }

    /// Somebody changed the number of replicas: that is done by itself, before the rollout goes on.
    private var isScaling: Bool {
        sets.contains { $0.replicas > 0 && $0.annotation(RolloutMark.desired).map { $0 != deployment.replicas } ?? false }
    }

    private mutating func roll() {
        guard let newest = establish() else { return }
        if newest.replicas != deployment.replicas {
            let target = newest.replicas > deployment.replicas ? deployment.replicas : growth(of: newest)
            if target != newest.replicas { return scale(newest, to: target) }
        }
        shrink(besides: newest)
    }

    private func growth(of newest: Item) -> Int {
        if isRecreating { return deployment.replicas }
        let room = deployment.replicas + bounds.surge - crowd
        return room <= 0 ? newest.replicas : newest.replicas + min(room, deployment.replicas - newest.replicas)
    }

    private mutating func shrink(besides newest: Item) {
        let old = old.filter { $0.replicas > 0 }
        guard !old.isEmpty else { return }
        let least = deployment.replicas - bounds.unavailable
        let present = sets.reduce(0) { $0 + $1.replicas }
        var spare = present - least - max(0, newest.replicas - available(newest))
        guard spare > 0 else { return }
        // First what serves nobody, then as many of the others as there is more than the least.
        var targets: [String: Int] = [:]
        for set in old {
            let sick = min(spare, max(0, set.replicas - available(set)))
            targets[set.uid] = set.replicas - sick
            spare -= sick
        }
        var surplus = sets.reduce(0) { $0 + available($1) } - least
        for set in old where surplus > 0 && spare > 0 {
            let target = targets[set.uid] ?? set.replicas
            let less = min(surplus, spare, target)
            targets[set.uid] = target - less
            surplus -= less
            spare -= less
        }
        for set in old { targets[set.uid].map { scale(set, to: $0) } }
    }

    private mutating func recreate() {
        let running = old.filter { $0.replicas > 0 }
        guard running.isEmpty else {
            adopt()
            for set in running { scale(set, to: 0) }
            return
        }
        // The new ones start when the last old one is gone, not when it has been told to go.
        let remains = old.contains { set in world.owned(by: set.uid, Kinds.pod).contains { !$0.isFinished } }
        if remains { return adopt() }
        guard let newest = establish() else { return }
        scale(newest, to: deployment.replicas)
    }

    mutating func scale(_ set: Item, to replicas: Int) {
        var tree = set.tree
        tree[field: "spec", "replicas"] = JSONValue(replicas)
        mark(&tree)
        guard tree != set.tree else { return }
        outcome.writes.append(.update(tree))
        guard replicas != set.replicas else { return }
        let direction = replicas > set.replicas ? "up" : "down"
        outcome.note(
            deployment, "ScalingReplicaSet", "Scaled \(direction) replica set \(set.name) from \(set.replicas) to \(replicas)",
            by: DeploymentController.self)
    }

    func mark(_ tree: inout JSONValue) {
        tree[field: "metadata", "annotations", RolloutMark.desired] = .string(String(deployment.replicas))
        tree[field: "metadata", "annotations", RolloutMark.most] = .string(String(deployment.replicas + bounds.surge))
    }

    /// Old sets beyond the limit, empty and settled, lowest revision first.
    private mutating func clean() {
        let limit = deployment.spec["revisionHistoryLimit"]?.integer ?? 10
        let idle = old.filter {
            $0.replicas == 0 && $0.counter("replicas") == 0 && !$0.isBeingDeleted
                && $0.metadata.generation <= Int64($0.counter("observedGeneration"))
        }
        let surplus = old.count - limit
        guard surplus > 0 else { return }
        for set in idle.sorted(by: { $0.revision < $1.revision }).prefix(surplus) {
            outcome.writes.append(.delete(set.key, uid: set.uid))
        }
    }
}

// MARK: - The new set

extension Rollout {
    /// The newest set when it is there and in order; otherwise what makes it so is written.
    private mutating func establish() -> Item? {
        let revision = (old.map(\.revision).max() ?? 0) + 1
        guard let newest else {
            create(revision: revision)
            return nil
        }
        adopt()
        return outcome.writes.isEmpty ? newest : nil
    }

    /// Numbers the newest set as the newest and gives it the Deployment's annotations. A set that was the newest before
    /// remembers the numbers it had.
    private mutating func adopt() {
        guard let newest else { return }
        let revision = max(newest.revision, (old.map(\.revision).max() ?? 0) + 1)
        var tree = newest.tree
        for (key, value) in RolloutMark.inherited(from: deployment) {
            tree[field: "metadata", "annotations", key] = .string(value)
        }
        if newest.revision != revision {
            tree[field: "metadata", "annotations", RolloutMark.revision] = .string(String(revision))
            if newest.revision > 0 {
                let history = newest.metadata.annotations[RolloutMark.history].map { $0.isEmpty ? [] : [$0] } ?? []
                let text = (history + [String(newest.revision)]).joined(separator: ",")
                tree[field: "metadata", "annotations", RolloutMark.history] = .string(text)
            }
        }
        if deployment.spec["minReadySeconds"] != newest.spec["minReadySeconds"] {
            tree[field: "spec", "minReadySeconds"] = deployment.spec["minReadySeconds"]
        }
        if tree != newest.tree { outcome.writes.append(.update(tree)) }
        setRevision(revision)
    }

    private mutating func setRevision(_ revision: Int) {
        tree[field: "metadata", "annotations", RolloutMark.revision] = .string(String(revision))
    }

    private mutating func create(revision: Int) {
        let count = deployment.status["collisionCount"]?.integer
        var template = deployment.spec["template"] ?? [:]
        let hash = GivenName.hash(of: template, collisions: count)
        let name = "\(deployment.name)-\(hash)"
        if world[Kinds.replicaSet, deployment.namespace, name] != nil {
            collisions = (count ?? 0) + 1
            return
        }
        template[field: "metadata", "labels", Self.hashLabel] = .string(hash)
        var selector = deployment.spec["selector"] ?? [:]
        selector[field: "matchLabels", Self.hashLabel] = .string(hash)
        let room = max(0, deployment.replicas + bounds.surge - crowd)
        let replicas = isRecreating ? deployment.replicas : min(deployment.replicas, room)
        var set: JSONValue = [
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": [
                "name": .string(name), "namespace": .string(deployment.namespace),
                "labels": template[field: "metadata", "labels"] ?? [:],
                "annotations": JSONValue(RolloutMark.inherited(from: deployment)),
                "ownerReferences": [deployment.controllerReference],
            ],
            "spec": ["replicas": JSONValue(replicas), "selector": selector, "template": template],
        ]
        set[field: "spec", "minReadySeconds"] = deployment.spec["minReadySeconds"]
        set[field: "metadata", "annotations", RolloutMark.revision] = .string(String(revision))
        mark(&set)
        outcome.writes.append(.create(set))
        setRevision(revision)
        outcome.note(
            deployment, "ScalingReplicaSet", "Scaled up replica set \(name) from 0 to \(replicas)", by: DeploymentController.self)
    }
}

/// The annotations that a rollout leaves on its sets.
enum RolloutMark {
    static let revision = "deployment.kubernetes.io/revision"
    static let history = "deployment.kubernetes.io/revision-history"
    static let desired = "deployment.kubernetes.io/desired-replicas"
    static let most = "deployment.kubernetes.io/max-replicas"

    /// What a set takes over: all but what is said of the Deployment alone.
    static func inherited(from deployment: Item) -> [String: String] {
        let own: Set = [
            revision, history, desired, most, "kubectl.kubernetes.io/last-applied-configuration",
            "deprecated.deployment.rollback.to",
        ]
        return deployment.metadata.annotations.filter { !own.contains($0.key) }
    }
}

extension Item {
    fileprivate func annotation(_ name: String) -> Int? { metadata.annotations[name].flatMap(Int.init) }
    var revision: Int { annotation(RolloutMark.revision) ?? 0 }
}
