public import KubeAPI

/// One pod on every node that takes it.
public struct DaemonSetController: Controller {
    public static let name = "daemonset-controller"
    public let kinds = [Kinds.daemonSet, Kinds.pod, Kinds.node, Kinds.controllerRevision]

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.daemonSet) { return [change.key] }
        if change.key.isOf(Kinds.node) {
            // A node tells its heart's beat in its status: that moves no pod.
            if let old = change.old, let new = change.new, old.spec == new.spec, old.labels == new.labels { return [] }
            return world.all(Kinds.daemonSet).map(\.key)
        }
        return controllers(of: change, Kinds.daemonSet) + adopters(of: change, Kinds.daemonSet, in: world)
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let set = world[key] else { return Outcome() }
        let claim = Claim(of: set, Kinds.pod, in: world)
        guard claim.writes.isEmpty else { return Outcome(writes: claim.writes) }
        let revisions = Revisions(of: set, in: world)
        if let collisions = revisions.collisions {
            var (outcome, status) = (Outcome(), set.status)
            status[field: "collisionCount"] = JSONValue(collisions)
            outcome.setStatus(status, of: set)
            return outcome
        }
        if let write = revisions.write, !set.isBeingDeleted { return Outcome(writes: [write]) }
        let places = DaemonPlaces(set, claim.members, world.all(Kinds.node), hash: revisions.hash, at: now)
        var outcome = Outcome()
        if !set.isBeingDeleted {
            places.populate(&outcome, in: world, &random)
            if outcome.writes.isEmpty { places.roll(&outcome, in: world, &random) }
        }
        for moment in places.ripening { outcome.look(at: moment, from: now) }
        outcome.setStatus(places.status, of: set)
        if outcome.writes.isEmpty {
            let live = Set(claim.members.compactMap { $0.labels[Revisions.label] }).union([revisions.hash, revisions.name])
            outcome.writes = revisions.surplus(limit: set.spec["revisionHistoryLimit"]?.integer ?? 10, live: live)
        }
        return outcome
    }
}
