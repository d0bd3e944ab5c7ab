import Addressing
import Cluster
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
/// It knows when a round is due and of what: of some keys after their objects changed or their attachments ended a call; of the
/// tables after somebody committed some; of all at start, at a slow period, after a refusal and after somebody changed what the
/// node stands on. What a round does, and which changes matter, ``NodeKeeper`` knows.
actor Reconciler {
    private let executor: SessionExecutor
    /// For tasks whose steps are all to be on the thread of this actor.
    nonisolated let thread: SessionTasks
    private let surroundings: Surroundings
    private let hasServices: Bool
    /// Takes what is to be told on objects.
    private let tell: @Sendable (EventNote) -> Void
    /// Takes what is to be told in their status.
    private let tellStatus: @Sendable (ConditionNote) -> Void
    private let logger: Logger

    private var keeper: NodeKeeper<CountedTables>
    private let policies: PolicyKeeper?
    private let names: LocalNameKeeper?
    private var sourceProblems: [Problem] = []
    private var probeProblems: [Problem] = []
    private var doorProblems: [Problem] = []
    private var logProblem: Problem?
    private var notes = ProblemNotes()
    private var figures = AgentFigures()
    private var rounds: Rounds<Errand>
    private var tableLooks = Crowding()
    private var areTablesDue = false
    private var flannel: FlannelWriter?
    private var isListed = false
    private let node: String
    private let settings: AgentSettings
    /// The node's object neither ends nor is about to be taken away by an autoscaler.
    private var isNodeEligible = true
    private(set) var report = Report()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, pods: any AttachmentBook,
        policies: PolicyKeeper? = nil, names: LocalNameKeeper? = nil, surroundings: Surroundings,
        tell: @escaping @Sendable (EventNote) -> Void = { _ in },
        tellStatus: @escaping @Sendable (ConditionNote) -> Void = { _ in }, logger: Logger
    ) throws(KernelError) {
        executor = SessionExecutor(name: "reconciler")
        thread = SessionTasks(on: executor)
        (node, self.settings) = (settings.node, settings)
        self.surroundings = surroundings
        self.tell = tell
        self.tellStatus = tellStatus
        self.logger = logger
        hasServices = settings.duties.contains(.services)
        (self.policies, self.names) = (policies, names)
        flannel = settings.flannelFile.map(FlannelWriter.init)
        keeper = NodeKeeper(
            node: settings.node, host: try KernelHost(namespace),
            tables: CountedTables(kernel: try KernelTables(in: namespace), policies: policies, names: names), pods: pods,
            duties: settings.duties, network: settings.plannedNetwork,
            services: ServiceKeeper(
                ranges: settings.serviceRanges, nodePortAddresses: settings.nodePortAddresses,
                isOurs: settings.duties.contains(.services), connections: KernelConnections(in: namespace)))
        rounds = Rounds(
            start: surroundings.now(), period: settings.period, pace: Pace(distance: .milliseconds(10)),
            debounce: Debounce(quiet: .milliseconds(5), limit: .milliseconds(50)))
    }

    private enum Errand: Hashable, Sendable {
        case key(NodePlan.Key)
        /// The tables, compared with the kernel.
        case tables
        /// What objects said of policies.
        case policies
        /// Who answers queries on this node.
        case names
        /// The same, compared with the kernel.
        case namePlaces

        var isOfService: Bool { if case .key(.service) = self { true } else { false } }
    }

    /// What the rounds came to.
    struct Report: Sendable {
        /// Rounds that came to their end, of whatever scope.
        var rounds = 0
        /// Those of them that compared everything with the kernel.
        var wholeRounds = 0
        /// Steps written to the kernel: a second agent on an unchanged node writes none.
        var changes = 0
        var problems: [Problem] = []
        /// Where this node answers its own questions for names.
        var names: [IPAddress] = []
    }
}

// MARK: - Events

extension Reconciler {
    /// What the objects say.
    func take(_ event: ObjectEvent) {
        switch event {
        case .listed(let objects):
            if policies?.list(objects) == true { markPolicies() }
            names?.list(objects)
            for object in objects { look(atNode: object) }
            mark(keeper.list(objects))
            isListed = true
        case .added(let object), .modified(let object):
            if policies?.set(object) == true { markPolicies() }
            if names?.note(object) == true { rounds.mark([.names], at: surroundings.now()) }
            look(atNode: object)
            note(keeper.set(object)) { $0.note(object, isNew: !isListed, at: $1) }
        case .deleted(let key, _):
            if policies?.remove(key) == true { markPolicies() }
            if names?.note(gone: key) == true { rounds.mark([.names], at: surroundings.now()) }
            if key == ObjectKey(Node.resource.kind, namespace: "", name: node) { isNodeEligible = false }
            note(keeper.remove(key)) { $0.note(key, at: $1) }
        case .faults(let faults):
            sourceProblems = faults.map { Problem(settings.remarked($0)) }
            // Said at once: before the first list there is no round that would say it.
            publish()
        }
    }

    /// As kube-proxy judges it (KEP 3836): such a node is not to get new connections from outside.
    private func look(atNode object: any KubernetesObject) {
        guard let object = object as? Node, object.metadata.name == node else { return }
        isNodeEligible =
            !object.metadata.isBeingDeleted && !object.spec.taints.contains { $0.key == "ToBeDeletedByClusterAutoscaler" }
    }

    /// What trying the tunnels came to.
    func take(probed problems: [Problem], _ narrowRoads: NodeFacts.NarrowRoads) {
        mark(keeper.take(narrowRoads))
        guard problems != probeProblems else { return }
        probeProblems = problems
        publish()
    }

    /// What could not be opened to be asked over HTTP.
    func take(unopened problems: [Problem]) {
        guard problems != doorProblems else { return }
        doorProblems = problems
        publish()
    }

    /// What is wrong with the log of policies.
    func take(logging problem: Problem?) {
        guard problem != logProblem else { return }
        logProblem = problem
        publish()
    }

    /// How names are served here is said otherwise than before.
    func namesChanged() {
        rounds.mark([.names], at: surroundings.now())
        publish()
    }

    /// What load balancers are told here.
    var healthChecks: [LocalServices.HealthCheck] { keeper.localServices.healthChecks }

    /// What has to be looked at again when it is another.
    var doorsNeeded: DoorsNeeded {
        DoorsNeeded(
            revision: keeper.localServices.revision, isHealthy: report.wholeRounds > 0 && keeper.areServicesRight,
            attempt: report.wholeRounds)
    }

    struct DoorsNeeded: Hashable, Sendable {
        /// Of ``healthChecks``.
        var revision: Int
        /// Services are served as they were asked for.
        var isHealthy: Bool
        /// What could not be opened is tried again when everything was looked at again.
        var attempt: Int
    }

    /// What the agent shows of itself.
    var state: StatusBoard.State {
        StatusBoard.State(
            report: report, figures: figures, deserted: keeper.localServices.deserted, services: keeper.snapshot.services.count,
            families: Set(keeper.facts.families),
            areServicesRight: keeper.areServicesRight, isNodeEligible: isNodeEligible)
    }

    /// The other nodes to try the tunnels with, as the last whole round saw them.
    var tunnelTargets: [TunnelTarget] { keeper.tunnelTargets }

    /// Somebody changed the kernel, perhaps we ourselves.
    func take(_ notice: KernelWatch.Notice) {
        mark(keeper.due(notice.news))
        if let names, notice.news.contains(where: { names.isConcerned($0) }) {
            rounds.mark([.namePlaces], at: surroundings.now())
        }
        if notice.hasNewTables, keeper.isTableNews() {
            areTablesDue = true
            figures.foreignCommits += 1
        }
    }

    /// A call about an attachment came to its end.
    func attachmentsChanged() {
        mark(keeper.dueAttachments())
        // What is wrong may have changed though no round is due.
        publish()
    }

    /// Runs what is due, and says when to come again. Before the first list nothing is known, and nothing is done.
    func advance() -> Duration? {
        guard isListed else { return nil }
        while true {
            let now = surroundings.now()
            let haveNamesRested = names?.wake(at: now) == true
            let haveRested = policies?.wake(at: now) == true || haveNamesRested
            if keeper.wake(at: now) || haveRested { rounds.markAll(at: now) }
            let nextCut = policies?.nextCut
            if let nextCut, now >= nextCut { markPolicies() }
            if areTablesDue, now >= tableLooks.notBefore {
                areTablesDue = false
                rounds.mark([.tables], at: now)
            }
            switch rounds.next(at: now) {
            case .sleep(let until):
                let others = [
                    keeper.nextWaking, policies?.nextWaking, names?.nextWaking, nextCut.flatMap { $0 > now ? $0 : nil },
                    areTablesDue ? tableLooks.notBefore : nil,
                ].compactMap(\.self)
                return others.reduce(until, min)
            case .busy: preconditionFailure("a round inside a round")
            case .run(let scope): run(scope)
            }
        }
    }

    /// For so long nothing that comes would be acted upon; `nil`: whatever comes is.
    var rest: Duration? {
        guard isListed else { return nil }
        let rest = rounds.notBefore - surroundings.now()
        return rest > .zero ? rest : nil
    }

    /// What means nothing to this node is no change.
    private func note(_ due: NodeKeeper<CountedTables>.Due, _ count: (inout AgentFigures, Timestamp) -> Void) {
        mark(due)
        if due != .keys([]) { count(&figures, surroundings.date()) }
    }

    private func markPolicies() { rounds.mark([.policies], at: surroundings.now()) }

    private func mark(_ due: NodeKeeper<CountedTables>.Due) {
        switch due {
        case .all: rounds.markAll(at: surroundings.now())
        case .keys(let keys): rounds.mark(keys.map(Errand.key), at: surroundings.now())
        }
    }
}

// MARK: - Rounds

extension Reconciler {
    private func run(_ scope: Rounds<Errand>.Scope) {
        var succeeded = true
        let begin = surroundings.now()
        do {
            let outcome = try carryOut(scope)
            count(outcome, scope, since: begin)
            flannel?.write(keeper.flannelFile, logger)
            report.rounds += 1
            if scope == .all { report.wholeRounds += 1 }
            report.changes += outcome.steps.count
            if logger.logLevel <= .debug {
                for step in outcome.steps { logger.debug("changed", metadata: ["step": "\(step)"]) }
            }
            publish()
            succeeded = outcome.refused == 0
        } catch {
            succeeded = false
            if hasServices { figures.failedServiceRounds += 1 }
            publish(and: [Problem(.changeRefused, nil, "a round broke off: \(error)")])
        }
        // A refusal means that the kernel is not what we believed: all of it is to be looked at.
        rounds.finished(succeeded ? scope : .all, succeeded: succeeded, at: surroundings.now(), random: surroundings.random())
    }

    private func count(_ outcome: NodeKeeper<CountedTables>.Outcome, _ scope: Rounds<Errand>.Scope, since begin: Duration) {
        figures.elementsWritten += outcome.elements
        figures.restored += outcome.restored
        guard hasServices else { return }
        var isWhole = true
        if case .keys(let errands) = scope {
            isWhole = errands.contains(.tables)
            guard isWhole || errands.contains(where: \.isOfService) else { return }
        }
        guard keeper.areServicesRight else { return figures.failedServiceRounds += 1 }
        figures.end(isWhole: isWhole, took: surroundings.now() - begin, at: surroundings.date())
    }

    private func carryOut(_ scope: Rounds<Errand>.Scope) throws -> NodeKeeper<CountedTables>.Outcome {
        let now = surroundings.now()
        guard case .keys(let errands) = scope else {
            // First: until they hold, a pod that an earlier agent attached may do what it should not.
            let policies = settlePolicies(isWhole: true, at: now)
            var outcome = try keeper.settleAll(at: now)
            outcome.add(policies)
            outcome.add(settleNames(isWhole: true, at: now))
            return outcome
        }
        let keys = errands.compactMap { if case .key(let key) = $0 { key } else { nil } }
        var outcome = try keeper.settle(Set(keys), at: now)
        if errands.contains(.tables) {
            tableLooks.note(at: now)
            let tables = keeper.settleTables(at: now)
            outcome.add(tables)
        }
        if errands.contains(.tables) || errands.contains(.policies) {
            outcome.add(settlePolicies(isWhole: errands.contains(.tables), at: now))
        }
        let arePlacesDue = errands.contains(.tables) || errands.contains(.namePlaces)
        if arePlacesDue || errands.contains(.names) { outcome.add(settleNames(isWhole: arePlacesDue, at: now)) }
        return outcome
    }

    /// A refusal, which is a problem of its own, does not keep the rest of the node from being right.
    private func settlePolicies(isWhole: Bool, at now: Duration) -> NodeKeeper<CountedTables>.Outcome {
        var outcome = NodeKeeper<CountedTables>.Outcome()
        guard let policies else { return outcome }
        let members = keeper.snapshot.members.values
        guard let result = try? isWhole ? policies.check(members, at: now) : policies.settle(members, at: now) else {
            outcome.refused = 1
            return outcome
        }
        outcome.steps = result.changes.map { .table($0) }
        outcome.restored = result.isRestored ? 1 : 0
        if result.cut > 0 {
            let ends = PolicyNote.quoted(result.cutEnds.joined(separator: ", "))
            logger.info(
                "cut connections that policies no longer allow", metadata: ["count": "\(result.cut)", "between": "\(ends)"])
        }
        return outcome
    }

    /// What is refused is a problem of its own, and the cluster's servers answer meanwhile.
    private func settleNames(isWhole: Bool, at now: Duration) -> NodeKeeper<CountedTables>.Outcome {
        var outcome = NodeKeeper<CountedTables>.Outcome()
        guard let names else { return outcome }
        let result = names.settle(keeper.snapshot.services, families: Set(keeper.facts.families), isWhole: isWhole, at: now)
        outcome.steps = result.network.map { .network($0) } + result.tables.map { .table($0) }
        outcome.restored = result.restored
        return outcome
    }

    /// No new question is answered here any more, and the report says so.
    func end() {
        names?.leave()
        report.names = []
    }

    private func publish(and more: [Problem] = []) {
        let problems = Array(
            Set(
                keeper.problems + (policies?.problems ?? []) + (names?.problems ?? []) + sourceProblems + probeProblems
                    + doorProblems + [logProblem].compactMap(\.self) + more)
        ).sorted()
        for problem in problems where !report.problems.contains(problem) {
            logger.warning("problem", metadata: ["problem": "\(problem)"])
        }
        for problem in report.problems where !problems.contains(problem) {
            logger.info("solved", metadata: ["problem": "\(problem)"])
        }
        report.problems = problems
        report.names = names?.servers.sorted() ?? []
        let said = notes.notes(on: problems, at: surroundings.now()) { [policies, names] subject in
            switch subject.kind {
            case Service.resource.kind.kind: keeper.snapshot.uid(ofService: subject)
            case ConfigMap.resource.kind.kind: names?.uid(of: subject)
            default: policies?.uid(of: subject)
            }
        }
        for note in said { tell(note) }
        for note in policies?.conditionNotes() ?? [] { tellStatus(note) }
    }
}

extension Problem {
    /// What a source says of itself, or of one of its objects.
    init(_ fault: SourceFault) {
        // An object of a server is in one place alone, which its name says.
        let isPlaceKnown = fault.isAboutObject && fault.key != nil && fault.origin.hasPrefix("/api")
        self.init(
            fault.isUnknownField ? .fieldUnknown : fault.isAboutObject ? .objectInvalid : .sourceUnreadable, fault.key,
            isPlaceKnown ? fault.message : "\(fault.origin): \(fault.message)")
    }
}
