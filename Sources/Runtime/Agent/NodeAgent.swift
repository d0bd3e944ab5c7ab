import CNI
import Cluster
public import KubeClient
public import Logging
import Netlink
import Plan
public import ServiceLifecycle
import Telemetry

/// The node's daemon: keeps the node as the objects ask, and answers `tulle-cni`.
///
/// ```
///  ObjectSource ──► Reconciler ──► kernel
///                     ▲    │ the node's ranges
///   KernelWatch ──────┘    ▼
///  tulle-cni ──► CourierEndpoint ──► PodService ──► kernel, <state>/attachments
/// ```
/// It works in the network namespace it was started in. Killed at any moment and started again, it comes to the same state, and
/// on a node where nothing changed it writes nothing.
public struct NodeAgent: Service {
    private let settings: AgentSettings
    private let source: any ObjectSource
    private let surroundings: Surroundings
    private let events: EventRecorder?
    private let conditions: ConditionWriter?
    private let logger: Logger

    /// - Parameters:
    ///   - events: writes what is wrong with an object on the object; the agent runs it.
    ///   - conditions: writes it in the object's status; the agent runs it.
    public init(
        _ settings: AgentSettings, source: any ObjectSource, events: EventRecorder? = nil, conditions: ConditionWriter? = nil,
        surroundings: Surroundings, logger: Logger
    ) {
        self.settings = settings
        self.events = events
        self.conditions = conditions
        self.source = source
        self.surroundings = surroundings
        self.logger = logger
    }

    private enum Event: Sendable {
        case objects(ObjectBatch)
        case kernel(KernelWatch.Notice)
        /// Calls about attachments ended.
        case attachments
        /// Tunnels were tried, and this is wrong with them.
        case probed(TunnelProber.Report)
        /// How names are served here is said otherwise.
        case named
        /// This is wrong with the log of policies.
        case logged(Problem?)
        case timer
    }

    /// Runs until it is asked to stop. What it made stays: pods go on talking without an agent.
    public func run() async throws {
        let lock = try StateLock(directory: settings.stateDirectory)
        let namespace = try NetworkNamespace.current()
        let namespaceLock = try NamespaceLock(namespace)
        defer { withExtendedLifetime((lock, namespaceLock)) {} }
        let post = Mailbox<Event>()
        let desk = settings.duties.contains(.pods) ? PodDesk(settings, surroundings: surroundings, logger: logger) : nil
        let (calls, call) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let policies = PolicyKeeper(settings, in: namespace)
        let nameServer =
            settings.duties.contains(.dns)
            ? LocalNameServer(
                settings.names, node: settings.node, namespace: namespace, knowsAllPods: settings.knowsAllPods,
                canAskForPods: settings.duties.contains(.policies),
                surroundings: surroundings, logger: logger) : nil
        let names = LocalNameKeeper(settings, in: namespace, policies: policies, serving: nameServer)
        // Before the first look at the kernel, and before the first list: pods that ended while we were away.
        let pods = try await desk?.begin(namespace, policies: policies, names: names, changed: { call.yield() })
        let book = pods.map { RememberingBook($0, of: settings, logger: logger) }
        // Before the first look too, so that nothing happens between the two unseen.
        let watch = try KernelWatch(namespace)
        let reconciler = try Reconciler(
            settings, namespace: namespace, pods: book ?? NoAttachments(), policies: policies, names: names,
            surroundings: surroundings, tell: { [recorder = self.events] in recorder?.record($0) },
            tellStatus: { [writer = conditions] in writer?.record($0) }, logger: logger)
        let logCounts = PolicyLogger.Counts()
        let board = StatusBoard(settings, now: surroundings.now, date: surroundings.date) { page in
            policies.addFigures(to: &page)
            names.addFigures(to: &page)
            nameServer?.addFigures(to: &page)
            logCounts.add(to: &page)
        }
        let policyLogger =
            settings.duties.contains(.policies)
            ? PolicyLogger(in: namespace, policies: policies, names: names, counts: logCounts, logger: logger) : nil
        let doors = AgentDoors(settings, board: board, logger: logger)
        let people = nameServer.map { NameDesk(settings.node, $0, names) }
        let window = await people?.open(in: settings.stateDirectory, logger: logger)
        let mark = UInt16(truncatingIfNeeded: Int(surroundings.random() * 65536))
        let prober = settings.probePeriod == nil ? nil : try TunnelProber(in: namespace, mark: mark, logger: logger)
        let end: Result<Void, any Error>
        do {
            let yard = Yard(
                reconciler: reconciler, prober: prober, policies: policies, policyLogger: policyLogger, nameServer: nameServer,
                desk: desk,
                board: board,
                doors: doors)
            end = .success(try await serve(post, watch, calls, yard, isReady: book?.recall() ?? false))
        } catch {
            end = .failure(error)
        }
        // Nothing new is led to a server that ends; then it answers what it has, and then its answers need no way any more.
        names.leave()
        await nameServer?.finish()
        names.end()
        nameServer?.stop()
        await doors.close()
        await window?.close()
        await desk?.close()
        try end.get()
        logger.info("stopped; what was made stays")
    }

    /// Who works here.
    private struct Yard: Sendable {
        let reconciler: Reconciler
        let prober: TunnelProber?
        let policies: PolicyKeeper
        /// `nil` without policies.
        let policyLogger: PolicyLogger?
        /// `nil`: queries are answered elsewhere.
        let nameServer: LocalNameServer?
        /// `nil` without pods.
        let desk: PodDesk?
        let board: StatusBoard
        let doors: AgentDoors
    }

    private func serve(
        _ post: Mailbox<Event>, _ watch: KernelWatch, _ calls: AsyncStream<Void>, _ yard: Yard, isReady: Bool
    ) async throws {
        try await cancelWhenGracefulShutdown { [self] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await source.run()
                    post.close()
                }
                group.addTask(executorPreference: yard.reconciler.thread) { await hear(post, on: yard.reconciler) }
                group.addTask { try await watch.run { post.put(.kernel($0)) } }
                // Many pods come at once, and what the kernel says of them comes a little later: it is to come first. What was
                // made is looked at once more, which nobody waits for, and which would take the time of those that are made.
                group.addTask {
                    for await _ in calls {
                        // Being asked to stop is no error.
                        guard (try? await Task.sleep(for: .milliseconds(50))) != nil else { return }
                        post.put(.attachments)
                    }
                }
                if let policyLogger = yard.policyLogger {
                    group.addTask {
                        await policyLogger.run(now: self.surroundings.now) { post.put(.logged($0)) }
                    }
                }
                if let nameServer = yard.nameServer {
                    group.addTask { await nameServer.run { post.put(.named) } }
                    group.addTask { await nameServer.writeLog() }
                }
                if let recorder = self.events { group.addTask { await recorder.run() } }
                if let conditions { group.addTask { await conditions.run() } }
                group.addTask(executorPreference: yard.reconciler.thread) {
                    try await follow(post, yard, isReady: isReady, on: yard.reconciler)
                }
                // Whichever ends first, by itself or by an error, ends the others.
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    /// On the reconciler's thread too, so that what is heard wakes no other.
    private func hear(_ post: Mailbox<Event>, on reconciler: isolated Reconciler) async {
        for await batch in source.events { post.put(.objects(batch)) }
    }

    /// On the reconciler's thread: going to another one and back for every step would cost more than most steps.
    private func follow(
        _ post: Mailbox<Event>, _ yard: Yard, isReady: Bool, on reconciler: isolated Reconciler
    ) async throws {
        let prober = yard.prober
        var schedule = ProbeSchedule(period: prober == nil ? nil : settings.probePeriod)
        var probing: Task<Void, Never>?
        defer { probing?.cancel() }
        var status = StatusFile(
            settings.stateDirectory + "/status", parts: settings.parts, now: surroundings.now, logger)
        var alarm = Alarm(now: surroundings.now) { post.put(.timer) }
        defer { alarm.stop() }
        var waiting: String? = "the objects of \(settings.origin)"
        var doors = await keepDoors(yard, after: nil, on: reconciler)
        status.write(reconciler.report, waiting: waiting)
        logger.info("started", metadata: ["parts": "\(settings.parts)", "waits for": "\(waiting ?? "")"])
        var desk = DeskHours(desk: yard.desk, now: surroundings.now)
        // What an earlier agent of this node learned is enough to attach pods.
        if isReady { try await desk.open() }
        for await _ in post.bell {
            // What came so soon cannot be acted upon at once: nor need what comes until then wake anybody, one by one.
            if let rest = reconciler.rest { try? await Task.sleep(for: rest) }
            yard.board.begin()
            for event in post.take() {
                switch event {
                case .objects(let batch):
                    let haveOtherFaults = yard.nameServer?.take(batch.events, age: batch.age) == true
                    for event in batch.events {
                        if case .listed = event, waiting != nil {
                            waiting = nil
                            surroundings.hasListed()
                        }
                        reconciler.take(event)
                    }
                    if haveOtherFaults { reconciler.namesChanged() }
                case .kernel(let notice):
                    reconciler.take(notice)
                    if notice.hasNewTables { await yard.desk?.tablesChanged() }
                case .attachments: reconciler.attachmentsChanged()
                case .probed(let report):
                    schedule.ended(with: report.problems, narrowRoads: report.narrowRoads, at: surroundings.now())
                    reconciler.take(probed: schedule.problems, schedule.narrowRoads)
                case .named: reconciler.namesChanged()
                case .logged(let problem): reconciler.take(logging: problem)
                case .timer: alarm.rang()
                }
            }
            // Here both have taken the same events.
            if let names = yard.nameServer, names.needsPods { yard.policies.ask { names.know($0.world.everyPod) } }
            let next = reconciler.advance()
            let targets = reconciler.tunnelTargets
            if let prober, schedule.begin(targets, at: surroundings.now()) {
                probing = Task { post.put(.probed(await prober.report(targets))) }
            } else if targets.isEmpty {
                reconciler.take(probed: [], NodeFacts.NarrowRoads())
            }
            doors = await keepDoors(yard, after: doors, on: reconciler)
            status.write(reconciler.report, waiting: waiting)
            // After the first whole round the node is as it should be as far as it can be, and may have pods.
            if reconciler.report.rounds > 0 { try await desk.open() }
            await desk.tidy()
            yard.board.show(reconciler.state)
            alarm.set([next, schedule.waking, status.waking, desk.waking].compactMap(\.self).min())
        }
        // The last status is of a node whose names are answered elsewhere.
        reconciler.end()
        status.write(reconciler.report, waiting: waiting, isLast: true)
    }
}

extension NodeAgent {
    /// Opens what is asked over HTTP now, and closes what is not any more.
    private func keepDoors(
        _ yard: Yard, after before: Reconciler.DoorsNeeded?, on reconciler: isolated Reconciler
    ) async -> Reconciler.DoorsNeeded {
        let needed = reconciler.doorsNeeded
        guard needed != before else { return needed }
        let problems = await yard.doors.keep(reconciler.healthChecks, isHealthy: needed.isHealthy, attempt: needed.attempt)
        reconciler.take(unopened: problems)
        return needed
    }
}

extension NodeAgent: CustomStringConvertible {
    /// Short: the service group writes it on every line.
    public var description: String { "agent of \(settings.node)" }
}
