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
        case kernel
        case timer
    }

    /// Runs until it is asked to stop. What it made stays: pods go on talking without an agent.
    public func run() async throws {
        let namespace = try NetworkNamespace.current()
        let pods = try PodService(settings, namespace: namespace, surroundings: surroundings, logger: logger)
        let watch = try KernelWatch(namespace)
        let reconciler = try Reconciler(
            settings, namespace: namespace, pods: pods, surroundings: surroundings, logger: logger)
        let (events, bell) = AsyncStream.makeStream(of: Event.self)
        try await cancelWhenGracefulShutdown { [settings, source, surroundings, logger] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await source.run()
                    bell.finish()
                }
                group.addTask { for await event in source.events { bell.yield(.object(event)) } }
                group.addTask { try await watch.run { bell.yield(.kernel) } }
                var door: Door?
                var timer: Task<Void, Never>?
                for await event in events {
                    switch event {
                    case .object(let event): await reconciler.take(event)
                    case .kernel: await reconciler.kernelChanged()
                    case .timer: break
                    }
                    guard let next = await reconciler.advance() else { continue }
                    // The first round is over: the node is as it should be, and may have pods.
                    if door == nil { door = try Door(settings, pods, logger) }
                    timer?.cancel()
                    timer = Task {
                        guard (try? await Task.sleep(for: max(.zero, next - surroundings.now()))) != nil else { return }
                        bell.yield(.timer)
                    }
                    await door?.report(reconciler.report)
                }
                timer?.cancel()
                door?.close()
                group.cancelAll()
            }
        }
        logger.info("stopped; what was made stays")
    }
}

/// The agent's end of the courier, and the file that says how the node is.
private struct Door {
    private let endpoint: CourierEndpoint
    private let statusPath: String
    private let logger: Logger

    init(_ settings: AgentSettings, _ pods: PodService, _ logger: Logger) throws {
        let queue = QueuedDeletions(directory: settings.queueDirectory)
        try pods.carryOutDeletions(in: queue, logger: logger)
        endpoint = try CourierEndpoint(
            path: settings.socket, incident: { logger.warning("courier", metadata: ["incident": "\($0)"]) },
            handler: { pods.answer($0, queue: queue) })
        // A courier that found nobody a moment ago has left its deletion just now.
        try pods.carryOutDeletions(in: queue, logger: logger)
        statusPath = settings.stateDirectory + "/status"
        self.logger = logger
        logger.info("ready", metadata: ["node": "\(settings.node)", "socket": "\(settings.socket)"])
    }

    func close() { endpoint.stop() }

    /// One line per fact, for people and scripts; whole or not at all.
    func report(_ report: Reconciler.Report) {
        var lines = ["rounds \(report.rounds)", "changes \(report.changes)"]
        lines += report.problems.map { "problem \($0)" }
        do {
            try AddressStore.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: statusPath)
        } catch {
            logger.error("the status cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
