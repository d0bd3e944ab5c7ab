public import Addressing
public import KubeAPI

/// A pod's life on a node, decided: what happened goes in, what is to be done comes out. No process, no clock, no socket.
///
/// ```
///   volumes ─► sandbox ─► network (CNI ADD) ─► running ─► stopping ─► network (DEL) ─► sandbox away ─► finished | ended
///                 ▲          │ ADD failed                      │ the sandbox died under the pod            │
///                 └──────────┴─────────────────────────────────┴───────────────────────────────────────────┘
/// ```
public struct PodWorker: Sendable {
    /// What is the same for all pods of a node.
    public struct Settings: Hashable, Sendable {
        public var node: String
        /// The addresses of the node, the primary one first.
        public var nodeAddresses: [IPAddress]
        /// What kubelet's waits are multiplied by: CrashLoopBackOff and tries after failures.
        public var factor: Double

        public init(node: String, nodeAddresses: [IPAddress], factor: Double = 1) {
            (self.node, self.nodeAddresses, self.factor) = (node, nodeAddresses, factor)
        }
    }

    /// What happened. A container's `run` is the one its order named.
    public enum Event: Sendable {
        case changed(PodManifest)
        /// The object is not there any more.
        case gone
        case volumesReady
        case volumesFailed(String)
        case sandboxReady
        case sandboxFailed(String)
        /// The holder of the pod's namespaces ended without being asked.
        case sandboxEnded
        case attached([IPAddress])
        case attachFailed(String)
        case detached
        case detachFailed(String)
        case sandboxRemoved
        case started(container: String, run: Int, id: String, image: String, note: String?)
        case startFailed(container: String, run: Int, reason: String, message: String)
        case exited(container: String, run: Int, code: Int32, message: String)
        case probed(container: String, run: Int, ProbeKind, failure: String?)
        case hookEnded(container: String, run: Int, Hook, failure: String?)
        /// The node has these addresses now.
        case moved([IPAddress])
        /// A moment named by ``PodWorker/nextDeadline`` has come.
        case timer
    }

    public enum Hook: String, Hashable, Sendable { case postStart = "PostStart", preStop = "PreStop" }

    /// What is to be done.
    public enum Order: Hashable, Sendable {
        case prepareVolumes
        case makeSandbox
        case attach
        case detach
        case removeSandbox
        case start(ContainerManifest, run: Int, addresses: [IPAddress])
        case terminate(container: String, run: Int)
        case kill(container: String, run: Int)
        case probe(container: String, run: Int, ProbeKind, Probe, address: IPAddress?)
        case hook(container: String, run: Int, Hook, Action, limit: Duration, address: IPAddress?)
        /// The whole status.
        case write(JSONValue)
        case record(PodEvent)
        /// From the API, with a grace period of zero: all of it has ended here.
        case removeObject
        /// Nothing is left to do: the worker can go.
        case forget
    }

    enum Stage: Hashable, Sendable { case volumes, sandbox, attaching, running, stopping, detaching, removing, finished, ended }
    enum After: Hashable, Sendable { case restart, finish, delete }

    private(set) var settings: Settings
    public internal(set) var manifest: PodManifest
    var stage = Stage.volumes
    /// An order of this stage is out.
    var isBusy = false
    var retryAt: Moment?
    var failures = 0
    var after = After.finish
    var stopGrace = Duration.zero
    /// ADD was ordered: DEL has to follow, whatever came of it.
    var isAttached = false
    /// How often ADD has failed, each time in a sandbox of its own.
    var failedAttachments = 0
    var hasSandbox = false
    var isGone = false
    /// It was active for longer than it may be.
    var isPastDeadline = false
    /// The init containers have done their work in this sandbox.
    var isInitialized = false
    var addresses: [IPAddress] = []
    var containers: [ContainerRecord]
    /// It had succeeded or failed before this worker: its last status stands, nothing is known here that would be better.
    var wasOver = false
    var transitions: [String: (status: Bool, since: Moment)] = [:]
    var written: JSONValue?
    /// Statuses that were written and may not have come back by the watch yet, oldest first.
    var unheard: [StatusDigest] = []
    var orders: [Order] = []
    var now: Moment

    /// A pod this node is given. What its status says of earlier runs is kept: a kubelet that starts goes on from there, and a
    /// pod that has succeeded or failed is not run again.
    public init(_ manifest: PodManifest, settings: Settings, at now: Moment) {
        (self.manifest, self.settings, self.now) = (manifest, settings, now)
        let backoff = CrashBackoff(factor: settings.factor)
        containers =
            manifest.initContainers.map { ContainerRecord($0, $0.isSidecar ? .sidecar : .initial, backoff: backoff) }
            + manifest.containers.map { ContainerRecord($0, .main, backoff: backoff) }
        recall()
    }
}

/// What a kubelet tells people of a pod.
public struct PodEvent: Hashable, Sendable {
    public var isWarning: Bool
    public var reason: String
    public var message: String
    /// `spec.containers{web}`; empty for the pod itself.
    public var fieldPath: String
}

// MARK: - Events

extension PodWorker {
    /// The orders to begin with.
    public mutating func begin(at now: Moment) -> [Order] { handle(.timer, at: now) }

    public mutating func handle(_ event: Event, at now: Moment) -> [Order] {
        self.now = now
        take(event)
        advance()
        writeStatus()
        defer { orders = [] }
        return orders
    }

    /// When ``Event/timer`` is due; `nil`: nothing is waited for.
    public var nextDeadline: Moment? {
        var moments = [retryAt, isPastDeadline ? nil : deadline].compactMap(\.self)
        for record in containers {
            if let killAt = record.killAt, record.isAlive { moments.append(killAt) }
            if let retryAt = record.retryAt, stage == .running { moments.append(retryAt) }
            if record.isRunning { moments += askable(record).compactMap { record.probes[$0]?.nextAt } }
        }
        return moments.min()
    }

    private mutating func take(_ event: Event) {
        switch event {
        case .changed(let manifest): take(manifest)
        case .gone:
            isGone = true
            stop(then: .delete, grace: manifest.isBeingDeleted ? .zero : .seconds(1))
        case .volumesReady: if stage == .volumes { enter(.sandbox) } else { isBusy = false }
        case .volumesFailed(let message): fail("FailedMount", message)
        case .sandboxReady:
            hasSandbox = true
            if stage == .sandbox { enter(manifest.usesHostNetwork ? .running : .attaching) } else { isBusy = false }
            if manifest.usesHostNetwork { addresses = settings.nodeAddresses }
        case .sandboxFailed(let message): fail("FailedCreatePodSandBox", "Failed to create pod sandbox: \(message)")
        case .sandboxEnded: loseSandbox()
        case .attached(let addresses):
            (self.addresses, failedAttachments) = (addresses, 0)
            if stage == .attaching {
                for fault in manifest.bandwidthFaults { record("BandwidthIgnored", fault, isWarning: true) }
                enter(.running)
            } else {
                isBusy = false
            }
        case .attachFailed(let message): attachFailed(message)
        case .detached:
            isAttached = false
            if stage == .detaching { enter(.removing) }
        case .detachFailed(let message): fail("FailedKillPod", "network: plugin type=\"tulle-cni\" failed (delete): \(message)")
        case .sandboxRemoved: removed()
        case .started(let name, let run, let id, let image, let note):
            change(name, run) { $0.started(&$1, id: id, image: image, note: note) }
        case .startFailed(let name, let run, let reason, let message):
            change(name, run) { $0.startFailed(&$1, reason, message) }
        case .exited(let name, let run, let code, let message):
            change(name, run) { $0.exited(&$1, code, message) }
        case .probed(let name, let run, let kind, let failure):
            change(name, run) { $0.probed(&$1, kind, failure) }
        case .hookEnded(let name, let run, let hook, let failure):
            change(name, run) { $0.hookEnded(&$1, hook, failure) }
        case .moved(let nodeAddresses):
            settings.nodeAddresses = nodeAddresses
            if manifest.usesHostNetwork, hasSandbox { addresses = nodeAddresses }
        case .timer: break
        }
    }

    private mutating func take(_ manifest: PodManifest) {
        self.manifest = manifest
        hear(manifest.status)
        guard manifest.isBeingDeleted else { return }
        stop(then: .delete, grace: manifest.deletionGracePeriod ?? manifest.gracePeriod)
    }

    /// Gives a container's record to be changed, when the news is of its latest start.
    private mutating func change(_ name: String, _ run: Int, _ body: (inout PodWorker, inout ContainerRecord) -> Void) {
        guard let index = containers.firstIndex(where: { $0.name == name }), containers[index].run == run else { return }
        var record = containers[index]
        body(&self, &record)
        containers[index] = record
    }

    private mutating func fail(_ reason: String, _ message: String) {
        isBusy = false
        failures += 1
        wait(failures)
        record(reason, message, isWarning: true)
    }

    /// Not kubelet's figure but its manner: soon, and ever more slowly.
    private mutating func wait(_ failures: Int) {
        retryAt = now + min(.seconds(60), .seconds(1) * Double(1 << min(failures - 1, 6))) * settings.factor
    }

    /// CNI forbids a second ADD without a DEL between them, and what came of a failed one is not known: the sandbox goes, and
    /// the next has another ID.
    private mutating func attachFailed(_ message: String) {
        isBusy = false
        failedAttachments += 1
        record(
            "FailedCreatePodSandBox",
            "Failed to create pod sandbox: plugin type=\"tulle-cni\" failed (add): \(message)", isWarning: true)
        if stage == .attaching { stop(then: .restart, grace: .zero) }
    }

    mutating func enter(_ next: Stage) {
        (stage, isBusy, retryAt, failures) = (next, false, nil, 0)
    }

    mutating func record(_ reason: String, _ message: String, isWarning: Bool = false, of container: ContainerRecord? = nil) {
        let list = container?.role == .main ? "containers" : "initContainers"
        let path = container.map { "spec.\(list){\($0.name)}" } ?? ""
        orders.append(.record(PodEvent(isWarning: isWarning, reason: reason, message: message, fieldPath: path)))
    }
}

// MARK: - Stages

extension PodWorker {
    private mutating func advance() {
        heedDeadline()
        if let retryAt, retryAt <= now { self.retryAt = nil }
        let isFree = !isBusy && retryAt == nil
        switch stage {
        case .volumes: if isFree { order(.prepareVolumes) }
        case .sandbox: if isFree { order(.makeSandbox) }
        case .attaching:
            if isFree {
                isAttached = true
                order(.attach)
            }
        case .running: run()
        case .stopping: continueStopping()
        case .detaching: if isFree { order(.detach) }
        case .removing: if isFree { order(.removeSandbox) }
        case .finished, .ended: break
        }
    }

    private mutating func order(_ order: Order) {
        isBusy = true
        orders.append(order)
    }

    /// What follows when every container has ended.
    mutating func takeDown() {
        enter(isAttached ? .detaching : .removing)
        advance()
    }

    private mutating func removed() {
        hasSandbox = false
        guard stage == .removing else { return }
        switch after {
        case .restart:
            addresses = []
            startAnew()
            enter(.sandbox)
            if failedAttachments > 0 { wait(failedAttachments) }
        case .finish: enter(.finished)
        case .delete: end()
        }
    }

    /// The status that says so is written before the object goes.
    func endOrders() -> [Order] { (isGone ? [] : [.removeObject]) + [.forget] }

    private mutating func end() {
        enter(.ended)
        writeStatus()
        orders += endOrders()
    }

    private mutating func loseSandbox() {
        hasSandbox = false
        guard stage == .running || stage == .attaching else { return }
        record("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        stop(then: .restart, grace: .zero)
    }
}
