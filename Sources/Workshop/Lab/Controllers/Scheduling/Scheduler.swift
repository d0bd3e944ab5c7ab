public import KubeAPI

/// Gives pending pods a node, or says why there is none.
///
/// There is no preemption, no pod affinity and no count of CPU or memory: nothing in the lab is as scarce as that.
public struct Scheduler: Controller {
    public static let name = "default-scheduler"
    public let kinds = [Kinds.pod, Kinds.node]

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.node) {
            guard let new = change.new else { return [] }
            if let old = change.old, old.spec == new.spec, old.labels == new.labels,
                old.status["allocatable"] == new.status["allocatable"]
            {
                return []
            }
            return pending(in: world)
        }
        if let pod = change.new, Self.isPending(pod) {
            // Our own word about it is no reason to say it again.
            if let old = change.old, old.spec == pod.spec, old.labels == pod.labels { return [] }
            return [change.key]
        }
        // Room may have come: a bound pod went away or ended.
        guard let old = change.old, !old.nodeName.isEmpty, change.new.map(\.isFinished) ?? true, !old.isFinished else {
            return []
        }
        return pending(in: world)
    }

    private func pending(in world: World) -> [ObjectKey] {
        world.pods(on: "").filter(Self.isPending).map(\.key)
    }

    private static func isPending(_ pod: Item) -> Bool {
        pod.nodeName.isEmpty && pod.isActivePod && pod.spec["schedulerName"]?.string ?? name == name
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let pod = world[key], Self.isPending(pod) else { return Outcome() }
        if let gates = pod.spec["schedulingGates"]?.array, !gates.isEmpty {
            return refusal(of: pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates", at: now)
        }
        let nodes = world.all(Kinds.node).filter { !$0.isBeingDeleted }
        guard !nodes.isEmpty else { return refusal(of: pod, "Unschedulable", "no nodes available to schedule pods", at: now) }
        let fit = NodeFit(pod, in: world, nodes: nodes)
        var reasons: [NodeFit.Reason: Int] = [:]
        var best: (node: Item, rank: [Int])?
        for node in nodes {
            if let reason = fit.obstacle(on: node) {
                reasons[reason, default: 0] += 1
                continue
            }
            let rank = fit.rank(of: node)
            if best.map({ rank.lexicographicallyPrecedes($0.rank) }) ?? true { best = (node, rank) }
        }
        guard let best else {
            return refusal(of: pod, "Unschedulable", Self.sentence(reasons, of: nodes.count), at: now)
        }
        var outcome = Outcome(writes: [.bind(pod: pod.key, uid: pod.uid, node: best.node.name)])
        outcome.note(
            pod, "Scheduled", "Successfully assigned \(pod.namespace)/\(pod.name) to \(best.node.name)", by: Self.self)
        return outcome
    }

    /// `0/3 nodes are available: 1 node(s) were unschedulable, … preemption: …`
    static func sentence(_ reasons: [NodeFit.Reason: Int], of count: Int) -> String {
        func list(_ entries: [String: Int]) -> String {
            entries.map { "\($0.value) \($0.key)" }.sorted().joined(separator: ", ")
        }
        let first = list(Dictionary(reasons.map { ($0.key.text, $0.value) }, uniquingKeysWith: +))
        let victims = reasons.map { entry in
            (
                entry.key.isPassing ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling",
                entry.value
            )
        }
        let second = list(Dictionary(victims, uniquingKeysWith: +))
        return "0/\(count) nodes are available: \(first). preemption: 0/\(count) nodes are available: \(second)."
    }

    private func refusal(of pod: Item, _ reason: String, _ message: String, at now: Moment) -> Outcome {
        let known = pod.condition("PodScheduled")
        if known?["status"]?.string == "False", known?["reason"]?.string == reason, known?["message"]?.string == message {
            return Outcome()
        }
        var conditions = ConditionList(pod.status)
        conditions.set("PodScheduled", "False", reason: reason, message: message, at: now)
        var (outcome, status) = (Outcome(), pod.status)
        status[field: "conditions"] = .array(conditions.entries)
        outcome.setStatus(status, of: pod)
        if reason == "Unschedulable" { outcome.note(pod, "FailedScheduling", message, .warning, by: Self.self) }
        return outcome
    }
}
