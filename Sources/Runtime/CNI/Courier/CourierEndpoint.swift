internal import CLinux
import Glibc
import Synchronization

/// The agent's end of the way: listens on a path and answers couriers, a bounded number of them at a time.
///
/// ```
///   courier ──connect──► backlog ──accept──► worker: peer? ► header + descriptor ► body ► handler ► answer ► close
///                                            worker: …
/// ```
/// Every worker accepts for itself, so the kernel's backlog is the queue. The handler runs on a worker's thread and may block
/// it: these threads belong to nobody else. What a peer does wrong ends its own connection only, and is told as an
/// ``CourierIncident``.
public final class CourierEndpoint: Sendable {
    public let path: String
    /// In bytes: what fits a unix address.
    public static let pathLimit = Int(CLINUX_UNIX_PATH_LIMIT)
    private let reception: Reception
    private let stopped = Mutex(false)

    /// Listens when it returns. Missing directories are made, for their owner only.
    ///
    /// A socket file that nobody answers on is what a killed agent left, and is replaced. One that is answered on, or a file
    /// that is no socket, is left alone.
    ///
    /// - Parameter workers: how many calls are served at once.
    /// - Parameter patience: how long a peer may let us wait for its bytes.
    /// - Throws: `EADDRINUSE` when another process listens there, `ENAMETOOLONG` when the path has more than 107 bytes.
    public init(
        path: String, workers: Int = 16, patience: Duration = .seconds(10),
        incident: @escaping @Sendable (CourierIncident) -> Void = { _ in },
        handler: @escaping @Sendable (CourierRequest) -> CourierResponse
    ) throws(SystemFailure) {
        precondition(workers > 0, "an endpoint without workers")
        self.path = path
        let listener = try CourierListener(path: path)
        reception = Reception(listener: listener, patience: patience, incident: incident, handler: handler)
        // When one cannot be had, the ones before it go with us: `deinit` runs, for everything is set.
        for _ in 0..<workers { try reception.hire() }
    }

    deinit { stop() }

    /// Takes the socket away, lets the calls whose handler runs end and be answered, and returns when all is quiet. Calls that
    /// did not reach a handler are cut; their couriers say “try again”, and queue deletions. Stopping twice is stopping once.
    ///
    /// Not to be called by a handler: it would wait for itself.
    public func stop() {
        stopped.withLock { stopped in
            if !stopped { reception.close() }
            stopped = true
        }
    }
}

/// What went wrong at the door. The connection is closed already; nothing has to be done.
public enum CourierIncident: Hashable, Sendable {
    /// The peer is neither root nor our own user.
    case refused(user: UInt32)
    /// The peer sent something that is no request.
    case malformed(CourierMalformation)
    /// The descriptor that came is no network namespace.
    case notANamespace
    /// Reading, answering or accepting did not work.
    case system(SystemFailure)
}
