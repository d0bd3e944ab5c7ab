public import KubeAPI

/// Pods with a name of their own: `web-0`, `web-1` …, made, replaced and taken away in order.
///
/// Volume claims are not made: the lab serves no volumes that outlive a pod. An emptyDir takes the place of each, and an event
/// says so.
public struct StatefulSetController: Controller {
    public static let name = "statefulset-controller"
    public let kinds = [Kinds.statefulSet, Kinds.pod, Kinds.controllerRevision]

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.statefulSet) { return [change.key] }
        return controllers(of: change, Kinds.statefulSet) + adopters(of: change, Kinds.statefulSet, in: world)
            + namesakes(of: change)
    }

    /// A pod that held one of our names and is gone: its set waits for the name.
    private func namesakes(of change: Change) -> [ObjectKey] {
        guard change.new == nil, change.key.isOf(Kinds.pod), let dash = change.key.name.lastIndex(of: "-") else { return [] }
        return [ObjectKey(Kinds.statefulSet, namespace: change.key.namespace, name: String(change.key.name[..<dash]))]
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let set = world[key] else { return Outcome() }
        let claim = Claim(of: set, Kinds.pod, in: world) { StatefulSetPods.ordinal(of: $0.name, in: set.name) != nil }
        guard claim.writes.isEmpty else { return Outcome(writes: claim.writes) }
        let revisions = Revisions(of: set, in: world)
        if let collisions = revisions.collisions {
            var (outcome, status) = (Outcome(), set.status)
            status[field: "collisionCount"] = JSONValue(collisions)
            outcome.setStatus(status, of: set)
            return outcome
        }
        // The record comes first: a pod of a revision that nobody wrote down could not be made again.
        if let write = revisions.write, !set.isBeingDeleted { return Outcome(writes: [write]) }
        let pods = StatefulSetPods(set, claim.members, revisions, at: now)
        var outcome = Outcome()
        if !set.isBeingDeleted { pods.step(&outcome, in: world) }
        for moment in pods.ripening { outcome.look(at: moment, from: now) }
        let status = pods.status
        outcome.setStatus(status, of: set)
        if outcome.writes.isEmpty {
            var live = Set(pods.members.compactMap { $0.labels[Revisions.label] })
            for field in ["currentRevision", "updateRevision"] { status[field]?.string.map { _ = live.insert($0) } }
            outcome.writes = revisions.surplus(limit: set.spec["revisionHistoryLimit"]?.integer ?? 10, live: live)
        }
        return outcome
    }
}
