import CNI
import Glibc
import Logging
import Netlink

/// Everything of the pods' side that waits: for the disk, for the kernel, for couriers' calls to end. On a thread of its own, so
/// that nobody else waits with it.
actor PodDesk {
    private let executor = SessionExecutor(name: "pods")
    private let settings: AgentSettings
    private let surroundings: Surroundings
    private let logger: Logger
    private var pods: PodService?
    private var endpoint: CourierEndpoint?
    private var queueAsSeen: Stamp?
    private var nextTidying: Duration = .zero

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ settings: AgentSettings, surroundings: Surroundings, logger: Logger) {
        self.settings = settings
        self.surroundings = surroundings
        self.logger = logger
    }

    /// Takes back what a killed agent left half done, and carries out what waits.
    func begin(
        _ namespace: NetworkNamespace, policies: PolicyKeeper? = nil, names: LocalNameKeeper? = nil,
        changed: @escaping @Sendable () -> Void
    ) throws -> PodService {
        let pods = try PodService(
            settings, namespace: namespace, policies: policies, names: names, surroundings: surroundings, logger: logger,
            changed: changed)
        self.pods = pods
        tidy()
        return pods
    }

    /// Couriers are answered from here on. Opening twice is opening once.
    func open() throws {
        guard endpoint == nil, let pods else { return }
        endpoint = try CourierEndpoint(
            path: settings.socket, incident: { [logger] in logger.warning("courier", metadata: ["incident": "\($0)"]) },
            handler: { pods.answer($0) })
        logger.info("ready", metadata: ["node": "\(settings.node)", "socket": "\(settings.socket)"])
        install()
    }

    /// From here on a runtime may call us. That it does not find us is told, and the pods that are there are looked after.
    private func install() {
        guard let installation = settings.installation else { return }
        do {
            if let plugin = settings.plugin { try installation.installBinary(from: plugin) }
            let isNew = try installation.installConfiguration()
            if isNew { logger.info("configured the runtime", metadata: ["file": "\(installation.configurationPath)"]) }
            // Whether the runtime takes ours is looked at with the rest.
            nextTidying = .zero
        } catch {
            logger.error("the runtime cannot be configured", metadata: ["error": "\(error)"])
        }
    }

    /// Calls that are at work come to their end first.
    func close() {
        endpoint?.stop()
        endpoint = nil
    }

    /// A courier that found nobody, or did not get its answer, has left its deletion: it is carried out when the queue's directory
    /// has changed, and now and then in any case.
    func tidy() {
        let now = surroundings.now()
        let queue = Stamp(settings.queueDirectory)
        guard queue != queueAsSeen || now >= nextTidying else { return }
        queueAsSeen = queue
        nextTidying = now + settings.period
        pods?.tidy()
    }

    /// Somebody committed tables: perhaps it was the one of the node's ports that was changed.
    func tablesChanged() { pods?.lookAtPorts() }

    /// When a directory last changed; a directory that is not there has none.
    private struct Stamp: Hashable {
        var seconds = 0
        var nanoseconds = 0
        var inode: UInt = 0

        init(_ path: String) {
            var about = stat()
            guard stat(path, &about) == 0 else { return }
            (seconds, nanoseconds, inode) = (about.st_mtim.tv_sec, about.st_mtim.tv_nsec, about.st_ino)
        }
    }
}

/// When the desk is gone to: once to open it, and to tidy after something happened, but not after every little thing.
struct DeskHours {
    private let desk: PodDesk?
    private let now: @Sendable () -> Duration
    private var isOpen = false
    private var lastTidying: Duration?
    /// When to go again after something happened too soon after the last time.
    private(set) var waking: Duration?

    private static let distance = Duration.milliseconds(200)

    init(desk: PodDesk?, now: @escaping @Sendable () -> Duration) { (self.desk, self.now) = (desk, now) }

    mutating func open() async throws {
        guard let desk, !isOpen else { return }
        try await desk.open()
        isOpen = true
    }

    mutating func tidy() async {
        guard let desk else { return }
        let now = now()
        if let lastTidying, now < lastTidying + Self.distance {
            waking = lastTidying + Self.distance
            return
        }
        (lastTidying, waking) = (now, nil)
        await desk.tidy()
    }
}
