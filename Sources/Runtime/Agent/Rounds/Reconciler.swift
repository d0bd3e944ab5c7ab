import Addressing
import Cluster
import HostNetwork
import HostNetworkKernel
import KubeAPI
import KubeClient
import Logging
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Reconcile

/// Keeps this node as the plan says: the only writer of its network apart from the pods' links, which `PodService` makes.
///
/// A round plans the dirty keys, compares them with what was last said for them, and says the difference. At start, at a slow
/// period, after a refusal and after anybody's change all keys are compared with the kernel itself. Both end in the same state.
actor Reconciler {
    private let executor = SessionExecutor(name: "reconciler")
    private let settings: AgentSettings
    private let surroundings: Surroundings
    private let pods: PodService
    private let logger: Logger
    private let host: KernelHost
    private var tables: KernelTables

    private var snapshot = Snapshot()
    private var sourceProblems: [Problem] = []
    private var rounds: Rounds<NodePlan.Key>
    private var facts: NodeFacts
    private var said: [NodePlan.Key: NodePlan.Part] = [:]
    private var isListed = false
    private(set) var report = Report()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, pods: PodService, surroundings: Surroundings, logger: Logger
    ) throws(KernelError) {
        self.settings = settings
        self.surroundings = surroundings
        self.pods = pods
        self.logger = logger
        host = try KernelHost(namespace)
        tables = try KernelTables(in: namespace)
        facts = NodeFacts(name: settings.node, uplinks: [:])
        rounds = Rounds(
            start: surroundings.now(), period: settings.period,
            debounce: Debounce(quiet: .milliseconds(5), limit: .milliseconds(50)))
    }
}

// MARK: - Events

extension Reconciler {
    /// What the objects say.
    func take(_ event: ObjectEvent) {
        let touched: Set<Snapshot.Subject>
        switch event {
        case .listed(let objects):
            touched = snapshot.replace(with: objects)
            isListed = true
        case .added(let object), .modified(let object): touched = snapshot.set(object)
        case .deleted(let key): touched = snapshot.remove(key)
        case .faults(let faults):
            sourceProblems = faults.map {
                Problem($0.key == nil ? .sourceUnreadable : .objectInvalid, $0.key, "\($0.origin): \($0.message)")
            }
            touched = []
            // Said at once: before the first list there is no round that would say it.
            publish(said.values.flatMap(\.problems))
        }
        // Our own node's object decides over everything here.
        if touched.contains(.node(settings.node)) {
            rounds.markAll(at: surroundings.now())
        } else if !touched.isEmpty {
            rounds.mark(touched.flatMap(NodePlan.keys), at: surroundings.now())
        }
    }

    /// Somebody changed the kernel, perhaps we ourselves.
    func kernelChanged() { rounds.markAll(at: surroundings.now()) }

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
}

// MARK: - Rounds

extension Reconciler {
    private func run(_ scope: Rounds<NodePlan.Key>.Scope) {
        var succeeded = true
        do {
            let outcome =
                switch scope {
                case .all: try fullRound()
                case .keys(let keys): try keyedRound(keys)
                }
            report.rounds += 1
            report.changes += outcome.changes
            publish(outcome.problems)
            // A refusal means that the kernel is not what we believed: look at all of it.
            succeeded = outcome.refused == 0
            if !succeeded { rounds.markAll(at: surroundings.now()) }
        } catch {
            succeeded = false
            logger.error("a round broke off", metadata: ["error": "\(error)"])
        }
        rounds.finished(scope, succeeded: succeeded, at: surroundings.now(), random: surroundings.random())
    }

    private struct Outcome {
        var changes = 0
        var refused = 0
        var problems: [Problem] = []
    }

    /// Everything, compared with the kernel.
    private func fullRound() throws -> Outcome {
        let interest = Interest(sysctls: Set(NodePlan.settings))
        let observed = try host.observe(interest)
        // Asked for after the look: a link that was seen belongs to an attachment that was known by then.
        let (attachments, busy) = pods.attachments()
        facts = NodeFacts(name: settings.node, observed: observed)
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: attachments)
        adoptNode(plan)
        let parts = Dictionary(uniqueKeysWithValues: plan.keys.map { ($0, plan.part($0)) })
        let whole = plan.parts(plan.keys)
        let (desired, missing) = withoutImpossible(whole.network, observed, attachments, busy)
        let busyLinks = Set(busy.compactMap { attachments[$0]?.link })
        let steps = difference(
            from: observed.filter { $0.standsOn(busyLinks) == false }, to: desired, owned: NodePlan.ownership)
        var outcome = try say(steps)
        for id in NodePlan.tables { outcome.changes += try tables.settle(id, to: whole.tables[id]).count }
        said = parts
        outcome.problems += whole.problems + missing
        return outcome
    }

    /// Some keys, compared with what was last said for them.
    private func keyedRound(_ keys: Set<NodePlan.Key>) throws -> Outcome {
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: pods.attachments().all)
        let old = keys.reduce(into: State()) { state, key in
            for object in said[key]?.network.objects.values ?? [:].values { state.insert(object) }
        }
        let new = plan.parts(keys)
        var outcome = try say(difference(from: old, to: new.network, owned: NodePlan.ownership))
        let tablesBefore = keys.reduce(into: Set<Table.ID>()) { $0.formUnion(said[$1]?.tables.keys ?? [:].keys) }
        for id in tablesBefore.union(new.tables.keys) { outcome.changes += try tables.settle(id, to: new.tables[id]).count }
        for key in keys { said[key] = plan.keys.contains(key) ? plan.part(key) : nil }
        outcome.problems += said.values.flatMap(\.problems)
        return outcome
    }

    private func say(_ steps: [HostNetwork.Change]) throws -> Outcome {
        var outcome = Outcome(changes: steps.count)
        guard !steps.isEmpty else { return outcome }
        let refusals = try host.apply(steps)
        outcome.refused = refusals.count
        outcome.problems = refusals.map { Problem(.changeRefused, nil, "\($0.kernelError)") }
        for step in steps { logger.debug("changed", metadata: ["step": "\(step)"]) }
        return outcome
    }

    /// A pod's link cannot be made again from here: its other end is in a namespace that only the runtime names.
    private func withoutImpossible(
        _ desired: State, _ observed: State, _ attachments: [Plan.Attachment.ID: Plan.Attachment],
        _ busy: Set<Plan.Attachment.ID>
    ) -> (State, [Problem]) {
        let absent = attachments.values.filter { observed.link($0.link) == nil || busy.contains($0.id) }
        let links = Set(absent.map(\.link))
        let problems = absent.filter { !busy.contains($0.id) }.map {
            Problem(
                .podLinkMissing, nil,
                "link \($0.link) of \($0.id) (\($0.addresses.map(\.description).joined(separator: ", "))) is gone")
        }
        return (desired.filter { !$0.standsOn(links) }, problems)
    }

    private func adoptNode(_ plan: NodePlan) {
        guard let own = plan.own, !own.podPrefixes.isEmpty else { return }
        pods.adopt(
            prefixes: own.podPrefixes, mtu: plan.facts.podMTU(addresses: own.addresses), reserved: Set(own.addresses))
    }

    private func publish(_ found: [Problem]) {
        let problems = Array(Set(snapshot.problems + sourceProblems + found)).sorted()
        for problem in problems where !report.problems.contains(problem) {
            logger.warning("problem", metadata: ["problem": "\(problem)"])
        }
        for problem in report.problems where !problems.contains(problem) {
            logger.info("solved", metadata: ["problem": "\(problem)"])
        }
        report.problems = problems
    }

    /// What the rounds came to.
    struct Report: Sendable {
        var rounds = 0
        /// Steps written to the kernel: a second agent on an unchanged node writes none.
        var changes = 0
        var problems: [Problem] = []
    }
}

extension Object {
    /// Whether it is one of these links, or goes with one of them.
    fileprivate func standsOn(_ links: Set<String>) -> Bool {
        if case .link(let own) = self { return links.contains(own.name) }
        return link.map(links.contains) ?? false
    }
}
