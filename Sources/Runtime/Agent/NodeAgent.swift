import CNI
import Cluster
public import KubeClient
public import Logging
import Netlink
import Plan
public import ServiceLifecycle

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
    private let logger: Logger

    /// - Parameter events: writes what is wrong with an object on the object; the agent runs it.
    public init(
        _ settings: AgentSettings, source: any ObjectSource, events: EventRecorder? = nil, surroundings: Surroundings,
        logger: Logger
    ) {
        self.settings = settings
        self.events = events
        self.source = source
        self.surroundings = surroundings
        self.logger = logger
    }

    private enum Event: Sendable {
        case object(ObjectEvent)
        case kernel(KernelWatch.Notice)
        /// A call about an attachment ended.
        case attachments
        /// Tunnels were tried, and this is wrong with them.
        case probed([Problem])
        case timer
    }

    /// Runs until it is asked to stop. What it made stays: pods go on talking without an agent.
    public func run() async throws {
        let lock = try StateLock(directory: settings.stateDirectory)
        let namespace = try NetworkNamespace.current()
        let namespaceLock = try NamespaceLock(namespace)
        defer { withExtendedLifetime((lock, namespaceLock)) {} }
        let (events, bell) = AsyncStream.makeStream(of: Event.self)
        let desk = settings.duties.contains(.pods) ? PodDesk(settings, surroundings: surroundings, logger: logger) : nil
        // Before the first look at the kernel, and before the first list: pods that ended while we were away.
        let pods = try await desk?.begin(namespace, changed: { bell.yield(.attachments) })
        let book = pods.map { RememberingBook($0, of: settings, logger: logger) }
        // Before the first look too, so that nothing happens between the two unseen.
        let watch = try KernelWatch(namespace)
        let reconciler = try Reconciler(
            settings, namespace: namespace, pods: book ?? NoAttachments(), surroundings: surroundings,
            tell: { [recorder = self.events] in recorder?.record($0) }, logger: logger)
        let board = StatusBoard(settings, now: surroundings.now, date: surroundings.date)
        let doors = AgentDoors(settings, board: board, logger: logger)
        let mark = UInt16(truncatingIfNeeded: Int(surroundings.random() * 65536))
        let prober = settings.probePeriod == nil ? nil : try TunnelProber(in: namespace, mark: mark, logger: logger)
        let end: Result<Void, any Error>
        do {
            let yard = Yard(reconciler: reconciler, prober: prober, desk: desk, board: board, doors: doors)
            end = .success(try await serve(events, bell, watch, yard, isReady: book?.recall() ?? false))
        } catch {
            end = .failure(error)
        }
        await doors.close()
        await desk?.close()
        try end.get()
        logger.info("stopped; what was made stays")
    }

    /// Who works here.
    private struct Yard: Sendable {
        let reconciler: Reconciler
        let prober: TunnelProber?
        /// `nil` without pods.
        let desk: PodDesk?
        let board: StatusBoard
        let doors: AgentDoors
    }

    private func serve(
        _ events: AsyncStream<Event>, _ bell: AsyncStream<Event>.Continuation, _ watch: KernelWatch, _ yard: Yard, isReady: Bool
    ) async throws {
        try await cancelWhenGracefulShutdown { [self] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await source.run()
                    bell.finish()
                }
                group.addTask { for await event in source.events { bell.yield(.object(event)) } }
                group.addTask { try await watch.run { bell.yield(.kernel($0)) } }
                if let recorder = self.events { group.addTask { await recorder.run() } }
                group.addTask { try await follow(events, bell, yard, isReady: isReady) }
                // Whichever ends first, by itself or by an error, ends the others.
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    private func follow(
        _ events: AsyncStream<Event>, _ bell: AsyncStream<Event>.Continuation, _ yard: Yard, isReady: Bool
    ) async throws {
        let (reconciler, prober, desk) = (yard.reconciler, yard.prober, yard.desk)
        var schedule = ProbeSchedule(period: prober == nil ? nil : settings.probePeriod)
        var probing: Task<Void, Never>?
        defer { probing?.cancel() }
        var status = StatusFile(settings.stateDirectory + "/status", logger)
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        var waiting: String? = "the objects of \(settings.origin)"
        var doors = await keepDoors(yard, after: nil)
        status.write(await reconciler.report, waiting: waiting)
        logger.info("started", metadata: ["parts": "\(settings.parts)", "waits for": "\(waiting ?? "")"])
        // What an earlier agent of this node learned is enough to attach pods.
        if isReady { try await desk?.open() }
        for await event in events {
            yard.board.begin()
            switch event {
            case .object(let event):
                if case .listed = event { waiting = nil }
                await reconciler.take(event)
            case .kernel(let notice):
                await reconciler.take(notice)
                if notice.hasNewTables { await desk?.tablesChanged() }
            case .attachments: await reconciler.attachmentsChanged()
            case .probed(let problems):
                schedule.ended(with: problems, at: surroundings.now())
                await reconciler.take(probed: schedule.problems)
            case .timer: break
            }
            var next = await reconciler.advance()
            let targets = await reconciler.tunnelTargets
            if let prober, schedule.begin(targets, at: surroundings.now()) {
                probing = Task { bell.yield(.probed(await prober.problems(targets))) }
            } else if targets.isEmpty {
                await reconciler.take(probed: [])
            }
            next = [next, schedule.waking].compactMap(\.self).min()
            doors = await keepDoors(yard, after: doors)
            let report = await reconciler.report
            status.write(report, waiting: waiting)
            // After the first whole round the node is as it should be as far as it can be, and may have pods.
            if report.rounds > 0 { try await desk?.open() }
            await desk?.tidy()
            yard.board.show(await reconciler.state)
            guard let next else { continue }
            timer?.cancel()
            timer = Task {
                guard (try? await Task.sleep(for: max(.zero, next - surroundings.now()))) != nil else { return }
                bell.yield(.timer)
            }
        }
    }
}

extension NodeAgent {
    /// Opens what is asked over HTTP now, and closes what is not any more.
    private func keepDoors(_ yard: Yard, after before: Reconciler.DoorsNeeded?) async -> Reconciler.DoorsNeeded {
        let needed = await yard.reconciler.doorsNeeded
        guard needed != before else { return needed }
        let problems = await yard.doors.keep(
            await yard.reconciler.healthChecks, isHealthy: needed.isHealthy, attempt: needed.attempt)
        await yard.reconciler.take(unopened: problems)
        return needed
    }
}

extension NodeAgent: CustomStringConvertible {
    /// Short: the service group writes it on every line.
    public var description: String { "agent of \(settings.node)" }
}
