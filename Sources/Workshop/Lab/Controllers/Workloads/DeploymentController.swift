public import KubeAPI

/// Turns a Deployment's template into ReplicaSets, and moves the pods from old ones to the new one.
public struct DeploymentController: Controller {
    public static let name = "deployment-controller"
    public let kinds = [Kinds.deployment, Kinds.replicaSet, Kinds.pod]

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.deployment) { return [change.key] }
        if change.key.isOf(Kinds.replicaSet) {
            return controllers(of: change, Kinds.deployment) + adopters(of: change, Kinds.deployment, in: world)
        }
        // Recreate waits until the last old pod is really gone.
        guard change.new == nil || change.new?.isFinished == true, let pod = change.old, let owner = pod.metadata.controller,
            let set = world[Kinds.replicaSet, pod.namespace, owner.name], let name = set.metadata.controller?.name
        else { return [] }
        return [ObjectKey(Kinds.deployment, namespace: pod.namespace, name: name)]
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let deployment = world[key] else { return Outcome() }
        let claim = Claim(of: deployment, Kinds.replicaSet, in: world)
        guard claim.writes.isEmpty else { return Outcome(writes: claim.writes) }
        var rollout = Rollout(deployment, claim.members, in: world, at: now)
        if !deployment.isBeingDeleted { rollout.step() }
        rollout.report()
        return rollout.outcome
    }
}
