import Cluster
import HostNetworkKernel
import KubeClient
import Logging
import NFTablesKernel
import Netlink
import Plan
import Reconcile

/// Keeps this node as the plan says: the only writer of its network apart from the pods' links, which `PodService` makes.
///
/// It knows when a round is due and of what: of some keys after their objects changed; of all at start, at a slow period, after
/// a refusal and after anybody changed the kernel. What a round does, ``NodeKeeper`` knows.
actor Reconciler {
    private let executor = SessionExecutor(name: "reconciler")
    private let surroundings: Surroundings
    private let logger: Logger

    private var keeper: NodeKeeper<KernelTables>
    private var sourceProblems: [Problem] = []
    private var rounds: Rounds<NodePlan.Key>
    private var isListed = false
    private(set) var report = Report()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, pods: any AttachmentBook, surroundings: Surroundings,
        logger: Logger
    ) throws(KernelError) {
        self.surroundings = surroundings
        self.logger = logger
        keeper = NodeKeeper(
            node: settings.node, host: try KernelHost(namespace), tables: try KernelTables(in: namespace), pods: pods,
            duties: settings.duties)
        rounds = Rounds(
            start: surroundings.now(), period: settings.period,
            debounce: Debounce(quiet: .milliseconds(5), limit: .milliseconds(50)))
    }

    /// What the rounds came to.
    struct Report: Sendable {
        /// Rounds that came to their end.
        var rounds = 0
        /// Steps written to the kernel: a second agent on an unchanged node writes none.
        var changes = 0
        var problems: [Problem] = []
    }
}

// MARK: - Events

extension Reconciler {
    /// What the objects say.
    func take(_ event: ObjectEvent) {
        switch event {
        case .listed(let objects):
            mark(keeper.list(objects))
            isListed = true
        case .added(let object), .modified(let object): mark(keeper.set(object))
        case .deleted(let key): mark(keeper.remove(key))
        case .faults(let faults):
            sourceProblems = faults.map(Problem.init)
            // Said at once: before the first list there is no round that would say it.
            publish()
        }
    }

    /// Somebody changed the kernel or the attachments, perhaps we ourselves.
    func nodeChanged() { rounds.markAll(at: surroundings.now()) }

    /// Runs what is due, and says when to come again. Before the first list nothing is known, and nothing is done.
    func advance() -> Duration? {
        guard isListed else { return nil }
        while true {
            switch rounds.next(at: surroundings.now()) {
            case .sleep(let until): return until
            case .busy: preconditionFailure("a round inside a round")
            case .run(let scope): run(scope)
            }
        }
    }

    private func mark(_ due: NodeKeeper<KernelTables>.Due) {
        switch due {
        case .all: rounds.markAll(at: surroundings.now())
        case .keys(let keys) where !keys.isEmpty: rounds.mark(keys, at: surroundings.now())
        case .keys: break
        }
    }
}

// MARK: - Rounds

extension Reconciler {
    private func run(_ scope: Rounds<NodePlan.Key>.Scope) {
        var succeeded = true
        do {
            let outcome =
                switch scope {
                case .all: try keeper.settleAll()
                case .keys(let keys): try keeper.settle(keys)
                }
            report.rounds += 1
            report.changes += outcome.changes.count
            for step in outcome.changes { logger.debug("changed", metadata: ["step": "\(step)"]) }
            publish()
            succeeded = outcome.refused == 0
        } catch {
            succeeded = false
            publish(and: [Problem(.changeRefused, nil, "a round broke off: \(error)")])
        }
        // A refusal means that the kernel is not what we believed: all of it is to be looked at.
        rounds.finished(succeeded ? scope : .all, succeeded: succeeded, at: surroundings.now(), random: surroundings.random())
    }

    private func publish(and more: [Problem] = []) {
        let problems = Array(Set(keeper.problems + sourceProblems + more)).sorted()
        for problem in problems where !report.problems.contains(problem) {
            logger.warning("problem", metadata: ["problem": "\(problem)"])
        }
        for problem in report.problems where !problems.contains(problem) {
            logger.info("solved", metadata: ["problem": "\(problem)"])
        }
        report.problems = problems
    }
}

extension Problem {
    /// What a source says of itself, or of one of its objects.
    fileprivate init(_ fault: SourceFault) {
        self.init(fault.isAboutObject ? .objectInvalid : .sourceUnreadable, fault.key, "\(fault.origin): \(fault.message)")
    }
}
