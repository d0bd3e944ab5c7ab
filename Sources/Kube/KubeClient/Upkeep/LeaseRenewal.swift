public import KubeAPI
public import Reconcile

/// When a heartbeat's lease is written and with what, without a server, a task or a clock: as a kubelet keeps the lease of its
/// node in `kube-node-lease`.
///
/// ```
///   start ──► read ──found──► write (renewTime) ──written──► wait a period ──► write …
///              │ ▲                  │ refused, a conflict too
///       absent │ └──────────────────┤
///              ▼                    │
///            create ──refused──► wait (backoff) ──► read
/// ```
/// Between renewals the lease is not read: the written tree is the next one's base. A healthy heartbeat is one request.
public struct LeaseRenewal: Sendable {
    public enum Action: Hashable, Sendable {
        /// ``read(_:at:)``, ``absent(at:)`` or ``refused(random:)``.
        case read
        /// ``written(_:)`` or ``refused(random:)``, also when another was quicker.
        case create(JSONValue)
        case update(JSONValue)
        /// Then ``waited(at:)``.
        case wait(Duration)
    }

    public let name: String
    public let namespace: String
    public let holder: String
    /// How long after the last renewal the holder counts as gone.
    public let duration: Duration
    /// Of renewals: a quarter of the duration, as a kubelet does.
    public let period: Duration
    /// What goes away takes the lease with it, such as the node; an `OwnerReference` as a tree.
    public let owner: JSONValue?
    private var backoff: Backoff
    /// As the server had it last.
    private var known: JSONValue?

    public init(
        name: String, namespace: String = "kube-node-lease", holder: String, duration: Duration = .seconds(40),
        owner: JSONValue? = nil, backoff: Backoff = Backoff(first: .milliseconds(200), limit: .seconds(7))
    ) {
        self.name = name
        self.namespace = namespace
        self.holder = holder
        self.duration = duration
        period = duration / 4
        self.owner = owner
        self.backoff = backoff
    }

    public func start() -> Action { .read }

    public mutating func read(_ tree: JSONValue, at now: Timestamp) -> Action {
        known = tree
        return .update(renewed(tree, at: now))
    }

    public func absent(at now: Timestamp) -> Action { .create(renewed(nil, at: now)) }

    public mutating func written(_ tree: JSONValue) -> Action {
        backoff.reset()
        known = tree
        return .wait(period)
    }

    /// - Parameter random: 0 ..< 1, spreads retries.
    public mutating func refused(random: Double) -> Action {
        known = nil
        return .wait(backoff.next(random: random))
    }

    public func waited(at now: Timestamp) -> Action { known.map { .update(renewed($0, at: now)) } ?? .read }

    private func renewed(_ base: JSONValue?, at now: Timestamp) -> JSONValue {
        var tree = base ?? .object(JSONObject())
        tree[at: "apiVersion"] = "coordination.k8s.io/v1"
        tree[at: "kind"] = "Lease"
        tree[at: "metadata", "name"] = .string(name)
        tree[at: "metadata", "namespace"] = .string(namespace)
        if let owner, tree[at: "metadata", "ownerReferences"]?.array?.isEmpty ?? true {
            tree[at: "metadata", "ownerReferences"] = .array([owner])
        }
        if tree[at: "spec", "holderIdentity"]?.string != holder {
            if base != nil {
                let before = tree[at: "spec", "leaseTransitions"]?.number?.integer ?? 0
                tree[at: "spec", "leaseTransitions"] = .number(JSONNumber(before &+ 1))
            }
            tree[at: "spec", "holderIdentity"] = .string(holder)
            tree[at: "spec", "acquireTime"] = .string(now.microTime)
        }
        tree[at: "spec", "leaseDurationSeconds"] = .number(JSONNumber(duration.components.seconds))
        tree[at: "spec", "renewTime"] = .string(now.microTime)
        return tree
    }
}
