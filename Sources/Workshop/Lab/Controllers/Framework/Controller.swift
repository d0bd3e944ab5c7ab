public import KubeAPI

/// One controller: a function per key.
///
/// A change makes keys; for each of them the controller compares what is with what should be and says what to write. It holds no
/// state, so it may be stopped at any point, and asked again when its writes are done it writes nothing.
public protocol Controller: Sendable {
    /// As kube-controller-manager calls it; the source of its events.
    static var name: String { get }
    /// The kinds it has to be told of, all of which must have been listed before the first key is looked at.
    var kinds: [GroupVersionKind] { get }
    /// What has to be looked at again after a change. The world knows of it already.
    func keys(for change: Change, in world: World) -> [ObjectKey]
    /// What is to be looked at from the start although no object asks for it.
    var standingKeys: [ObjectKey] { get }
    func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome
}

/// What a controller wants after a look at one key.
public struct Outcome: Sendable {
    /// To be done in this order; when one does not succeed the rest is left out. No object is in it twice, because the second write
    /// would carry an old version.
    public var writes: [Write] = []
    public var notices: [Notice] = []
    /// Look again after this time although nothing changes: a deadline, a minimum of ready seconds.
    public var again: Duration?

    public init(writes: [Write] = [], notices: [Notice] = [], again: Duration? = nil) {
        self.writes = writes
        self.notices = notices
        self.again = again
    }
}

extension Outcome {
    mutating func look(after time: Duration) {
        again = min(again ?? time, max(.milliseconds(1), time))
    }

    mutating func look(at moment: Moment, from now: Moment) { look(after: moment - now) }

    /// Of what the writes so far do.
    mutating func note(
        _ about: Item, _ reason: String, _ message: String, _ severity: Notice.Severity = .normal,
        by controller: any Controller.Type
    ) {
        notices.append(
            Notice(
                about: about, severity: severity, reason: reason, message: message, source: controller.name, after: writes.count))
    }

    /// Writes the status when it is another one.
    mutating func setStatus(_ status: JSONValue, of item: Item) {
        guard item.tree["status"] ?? [:] != status else { return }
        var tree = item.tree
        tree[field: "status"] = status
        writes.append(.updateStatus(tree))
    }
}

extension Controller {
    public var standingKeys: [ObjectKey] { [] }

    /// The managing owner of what changed, before and after, when it is of this kind.
    func controllers(of change: Change, _ kind: GroupVersionKind) -> [ObjectKey] {
        var keys: [ObjectKey] = []
        for item in [change.old, change.new] {
            guard let item, let owner = item.metadata.controller, owner.kind == kind.kind,
                GroupVersionKind(apiVersion: owner.apiVersion, kind: owner.kind)?.group == kind.group
            else { continue }
            let key = ObjectKey(kind, namespace: item.namespace, name: owner.name)
            if !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    /// The workloads that could adopt what has no owner.
    func adopters(of change: Change, _ kind: GroupVersionKind, in world: World) -> [ObjectKey] {
        guard let item = change.new, item.metadata.controller == nil, !item.isBeingDeleted else { return [] }
        return world.all(kind, in: item.namespace).filter { $0.workloadSelector?.matches(item.labels) == true }.map(\.key)
    }
}

/// Randomness that a seed repeats (SplitMix64).
public struct Dice: RandomNumberGenerator, Hashable, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// 0 ..< 1.
    mutating func fraction() -> Double { Double.random(in: 0..<1, using: &self) }
}
