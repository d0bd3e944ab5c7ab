public import KubeAPI

/// Takes pods off nodes with a `NoExecute` taint that they do not bear, or not any longer.
public struct TaintEvictionController: Controller {
    public static let name = "taint-eviction-controller"
    public let kinds = [Kinds.pod, Kinds.node]

    /// How long pods that say nothing bear a node that is not ready or not reachable. kube-apiserver's admission writes it into
    /// each pod; where it does not, the same is meant here.
    private let patience: Duration

    public init(patience: Duration = .seconds(300)) { self.patience = patience }

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.node) {
            guard let node = change.new, change.old?.spec["taints"] != node.spec["taints"] else { return [] }
            return world.pods(on: node.name).map(\.key)
        }
        guard let pod = change.new, !pod.nodeName.isEmpty else { return [] }
        if let old = change.old, old.spec == pod.spec, old.isBeingDeleted == pod.isBeingDeleted { return [] }
        return [change.key]
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let pod = world[key], !pod.isBeingDeleted, let node = world[Kinds.node, "", pod.nodeName] else { return Outcome() }
        let tolerations = Toleration.all(of: pod.spec)
        var outcome = Outcome()
        let ends = Taint.all(of: node).filter { $0.effect == "NoExecute" }.compactMap { end(of: $0, tolerations, at: now) }
        guard let end = ends.min() else { return outcome }
        guard end <= now else {
            outcome.look(at: end, from: now)
            return outcome
        }
        outcome.writes = [.delete(pod.key, uid: pod.uid)]
        outcome.note(pod, "TaintManagerEviction", "Marking for deletion Pod \(pod.namespace)/\(pod.name)", by: Self.self)
        return outcome
    }

    /// When the pod has to go; `nil` when it may stay.
    private func end(of taint: Taint, _ tolerations: [Toleration], at now: Moment) -> Moment? {
        let start = taint.addedAt ?? now
        let matching = tolerations.filter { $0.tolerates(taint) }
        guard !matching.isEmpty else { return Self.states.contains(taint.key) ? start + patience : now }
        return matching.compactMap(\.lasting).min().map { start + $0 }
    }

    private static let states: Set<String> = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
}
