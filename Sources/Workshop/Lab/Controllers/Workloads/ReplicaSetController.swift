public import KubeAPI

/// Keeps as many pods as a ReplicaSet asks for.
public struct ReplicaSetController: Controller {
    public static let name = "replicaset-controller"
    public let kinds = [Kinds.replicaSet, Kinds.pod]

    /// How many pods one look makes or deletes at most, as in Kubernetes.
    static let burst = 500

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.replicaSet) { return [change.key] }
        return controllers(of: change, Kinds.replicaSet) + adopters(of: change, Kinds.replicaSet, in: world)
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let set = world[key] else { return Outcome() }
        let claim = Claim(of: set, Kinds.pod, in: world) { $0.isActivePod }
        var outcome = Outcome(writes: claim.writes)
        let pods = claim.members.filter(\.isActivePod)
        if !set.isBeingDeleted, claim.writes.isEmpty {
            if pods.count < set.replicas {
                create(set.replicas - pods.count, for: set, in: world, &outcome, &random)
            } else if pods.count > set.replicas {
                let doomed = DeletionOrder(set, pods, in: world).first(pods.count - set.replicas)
                for pod in doomed.prefix(Self.burst) {
                    outcome.writes.append(.delete(pod.key, uid: pod.uid))
                    outcome.note(set, "SuccessfulDelete", "Deleted pod: \(pod.name)", by: Self.self)
                }
            }
        }
        outcome.setStatus(status(of: set, pods, at: now, &outcome), of: set)
        return outcome
    }

    private func create(_ count: Int, for set: Item, in world: World, _ outcome: inout Outcome, _ random: inout Dice) {
        guard let template = set.spec["template"] else { return }
        var names: Set<String> = []
        while names.count < min(count, Self.burst) {
            let name = GivenName.random("\(set.name)-", &random)
            guard world[Kinds.pod, set.namespace, name] == nil, names.insert(name).inserted else { continue }
            outcome.writes.append(
                .create(PodTemplate.pod(of: template, named: name, generateName: "\(set.name)-", owner: set)))
            outcome.note(set, "SuccessfulCreate", "Created pod: \(name)", by: Self.self)
        }
    }

    private func status(of set: Item, _ pods: [Item], at now: Moment, _ outcome: inout Outcome) -> JSONValue {
        let labels = set.spec[field: "template", "metadata", "labels"]?.strings ?? [:]
        let template = LabelSelector(matching: labels)
        var available = 0
        for pod in pods {
            switch pod.availability(minReady: set.minReady, at: now) {
            case .available: available += 1
            case .ripening(let moment): outcome.look(at: moment, from: now)
            case .unavailable: break
            }
        }
        var status = set.status
        status[field: "replicas"] = JSONValue(pods.count)
        // Go leaves zeros out of these three.
        func count(_ name: String, _ number: Int) { status[field: name] = number == 0 ? nil : JSONValue(number) }
        count("fullyLabeledReplicas", pods.count { template.matches($0.labels) })
        count("readyReplicas", pods.count(where: \.isReadyPod))
        count("availableReplicas", available)
        status[field: "observedGeneration"] = JSONValue(Int(set.metadata.generation))
        return status
    }
}

/// Which pods a ReplicaSet gives up first: those that serve least.
struct DeletionOrder {
    private let pods: [Item]
    /// How many pods of the same family (all ReplicaSets of one Deployment) are on a pod's node.
    private let crowd: [String: Int]

    init(_ set: Item, _ pods: [Item], in world: World) {
        self.pods = pods
        var family = [set]
        if let owner = set.metadata.controller {
            family = world.owned(by: owner.uid, Kinds.replicaSet).filter { $0.metadata.controller?.uid == owner.uid }
        }
        var crowd: [String: Int] = [:]
        for member in family {
            for pod in world.owned(by: member.uid, Kinds.pod) where pod.isActivePod { crowd[pod.nodeName, default: 0] += 1 }
        }
        self.crowd = crowd
    }

    func first(_ count: Int) -> ArraySlice<Item> {
        pods.sorted(by: goesBefore).prefix(count)
    }

    private static let phases = ["Pending": 0, "Unknown": 1, "Running": 2]

    private func goesBefore(_ a: Item, _ b: Item) -> Bool {
        if a.nodeName.isEmpty != b.nodeName.isEmpty { return a.nodeName.isEmpty }
        let (phaseA, phaseB) = (Self.phases[a.phase] ?? 0, Self.phases[b.phase] ?? 0)
        if phaseA != phaseB { return phaseA < phaseB }
        if a.isReadyPod != b.isReadyPod { return !a.isReadyPod }
        let (costA, costB) = (Self.cost(a), Self.cost(b))
        if costA != costB { return costA < costB }
        let (crowdA, crowdB) = (crowd[a.nodeName] ?? 0, crowd[b.nodeName] ?? 0)
        if crowdA != crowdB { return crowdA > crowdB }
        if let sinceA = a.readySince, let sinceB = b.readySince, sinceA != sinceB { return sinceA > sinceB }
        let (restartsA, restartsB) = (Self.restarts(a), Self.restarts(b))
        if restartsA != restartsB { return restartsA > restartsB }
        if a.createdAt != b.createdAt { return a.createdAt > b.createdAt }
        return a.name > b.name
    }

    private static func cost(_ pod: Item) -> Int {
        pod.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"].flatMap(Int.init) ?? 0
    }

    private static func restarts(_ pod: Item) -> Int {
        (pod.status["containerStatuses"]?.array ?? []).reduce(0) { max($0, $1["restartCount"]?.integer ?? 0) }
    }
}
