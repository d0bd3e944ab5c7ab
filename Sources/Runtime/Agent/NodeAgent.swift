import CNI
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
    private let logger: Logger

    public init(_ settings: AgentSettings, source: any ObjectSource, surroundings: Surroundings, logger: Logger) {
        self.settings = settings
        self.source = source
        self.surroundings = surroundings
        self.logger = logger
    }

    private enum Event: Sendable {
        case object(ObjectEvent)
        /// The kernel or the attachments changed.
        case node
        case timer
    }

    /// Runs until it is asked to stop. What it made stays: pods go on talking without an agent.
    public func run() async throws {
        let lock = try StateLock(directory: settings.stateDirectory)
        defer { withExtendedLifetime(lock) {} }
        let namespace = try NetworkNamespace.current()
        let (events, bell) = AsyncStream.makeStream(of: Event.self)
        let pods =
            settings.duties.contains(.pods)
            ? try PodService(
                settings, namespace: namespace, surroundings: surroundings, logger: logger, changed: { bell.yield(.node) })
            : nil
        // Before the first look at the kernel, and before the first list: pods that ended while we were away.
        pods?.tidy()
        let book = pods.map { RememberingBook($0, of: settings, logger: logger) }
        // Before the first look too, so that nothing happens between the two unseen.
        let watch = try KernelWatch(namespace)
        let reconciler = try Reconciler(
            settings, namespace: namespace, pods: book ?? NoAttachments(), surroundings: surroundings, logger: logger)
        try await cancelWhenGracefulShutdown { [self] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await source.run()
                    bell.finish()
                }
                group.addTask { for await event in source.events { bell.yield(.object(event)) } }
                group.addTask { try await watch.run { bell.yield(.node) } }
                group.addTask { try await follow(events, bell, reconciler, pods, isReady: book?.recall() ?? false) }
                // Whichever ends first, by itself or by an error, ends the others.
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        logger.info("stopped; what was made stays")
    }

    private func follow(
        _ events: AsyncStream<Event>, _ bell: AsyncStream<Event>.Continuation, _ reconciler: Reconciler, _ pods: PodService?,
        isReady: Bool
    ) async throws {
        var status = StatusFile(settings.stateDirectory + "/status", logger)
        var endpoint: CourierEndpoint?
        var timer: Task<Void, Never>?
        defer {
            timer?.cancel()
            endpoint?.stop()
        }
        var waiting: String? = "the objects of \(settings.origin)"
        status.write(await reconciler.report, waiting: waiting)
        logger.info("started", metadata: ["parts": "\(settings.parts)", "waits for": "\(waiting ?? "")"])
        // What an earlier agent of this node learned is enough to attach pods.
        if isReady { endpoint = try pods.map(open) }
        for await event in events {
            switch event {
            case .object(let event):
                if case .listed = event { waiting = nil }
                await reconciler.take(event)
            case .node: await reconciler.nodeChanged()
            case .timer: break
            }
            let next = await reconciler.advance()
            let report = await reconciler.report
            status.write(report, waiting: waiting)
            // After the first whole round the node is as it should be as far as it can be, and may have pods.
            if endpoint == nil, report.rounds > 0 { endpoint = try pods.map(open) }
            // A courier that found nobody, or did not get its answer, has left its deletion.
            pods?.tidy()
            guard let next else { continue }
            timer?.cancel()
            timer = Task {
                guard (try? await Task.sleep(for: max(.zero, next - surroundings.now()))) != nil else { return }
                bell.yield(.timer)
            }
        }
    }

    private func open(_ pods: PodService) throws -> CourierEndpoint {
        let endpoint = try CourierEndpoint(
            path: settings.socket, incident: { [logger] in logger.warning("courier", metadata: ["incident": "\($0)"]) },
            handler: { pods.answer($0) })
        logger.info("ready", metadata: ["node": "\(settings.node)", "socket": "\(settings.socket)"])
        return endpoint
    }
}

extension NodeAgent: CustomStringConvertible {
    /// Short: the service group writes it on every line.
    public var description: String { "agent of \(settings.node)" }
}
