public import KubeAPI

/// Takes away pods that nobody else will: of nodes that are gone, never bound and being deleted, and the oldest of too many that
/// have ended.
public struct PodGarbageController: Controller {
    public static let name = "pod-garbage-collector"
    public let kinds = [Kinds.pod, Kinds.node]

    /// How many ended pods are kept.
    private let threshold: Int
    /// How long a node that is not there may yet appear, or come again.
    private let quarantine: Duration

    public init(threshold: Int = 12500, quarantine: Duration = .seconds(40)) {
        self.threshold = threshold
        self.quarantine = quarantine
    }

    /// All ended pods together are one key.
    private static let ended = ObjectKey(Kinds.pod, namespace: "", name: "")

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.node) {
            return change.new == nil ? world.pods(on: change.key.name).map(\.key) : []
        }
        guard let pod = change.new else { return [] }
        if pod.isFinished { return [change.key, Self.ended] }
        let isLost = !pod.nodeName.isEmpty && world[Kinds.node, "", pod.nodeName] == nil
        return isLost || pod.nodeName.isEmpty && pod.isBeingDeleted ? [change.key] : []
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        if key == Self.ended { return surplus(in: world) }
        guard let pod = world[key] else { return Outcome() }
        if pod.nodeName.isEmpty {
            return pod.isBeingDeleted && (pod.metadata.finalizers.isEmpty) ? Outcome(writes: [Self.removal(of: pod)]) : Outcome()
        }
        guard let since = world.absence(ofNode: pod.nodeName) else { return Outcome() }
        if pod.isBeingDeleted, !pod.metadata.finalizers.isEmpty { return Outcome() }
        // It may have been given to a node that was never there.
        let away = now - max(since, pod.createdAt)
        if away < quarantine { return Outcome(again: quarantine - away) }
        return Outcome(writes: [Self.removal(of: pod)])
    }

    private func surplus(in world: World) -> Outcome {
        let ended = world.all(Kinds.pod).filter { $0.isFinished && !$0.isBeingDeleted }
        guard ended.count > threshold else { return Outcome() }
        return Outcome(writes: ended.sorted(by: Item.isOlder).prefix(ended.count - threshold).map(Self.removal))
    }

    private static func removal(of pod: Item) -> Write { .delete(pod.key, uid: pod.uid, grace: .zero) }
}
