/// How long a container that ended waits before it is started again, as kubelet counts it: the first time not at all, then
/// 10 s, doubling up to 5 minutes; one that ran well for 10 minutes starts from the beginning.
public struct CrashBackoff: Hashable, Sendable {
    public var first: Duration
    public var limit: Duration
    /// What was given last, and when.
    private var last: (wait: Duration, at: Moment)? { wait.flatMap { wait in at.map { (wait, $0) } } }
    private var wait: Duration?
    private var at: Moment?

    /// - Parameter factor: below 1 everything is quicker, as tests and a lab want it.
    public init(factor: Double = 1) {
        first = .seconds(10) * factor
        limit = .seconds(300) * factor
    }

    /// How long after its end a container that ended at that moment waits.
    public func delay(endedAt end: Moment) -> Duration {
        guard let last, end - last.at <= limit * 2 else { return .zero }
        return last.wait
    }

    /// It is started again.
    public mutating func restarted(at now: Moment) {
        if let last, now - last.at <= limit * 2 { wait = min(limit, last.wait * 2) } else { wait = first }
        at = now
    }
}
