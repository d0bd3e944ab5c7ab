public import DNS

/// Counters of the forwarder since it was made, and how its upstreams do.
public struct ForwarderFigures: Hashable, Sendable {
    public var memory = MemoryFigures()
    /// Those that were asked since the last change of settings, in no order.
    public var upstreams: [Peer] = []
    /// Times when all upstreams of a name rested, as none had answered lately. `coredns_forward_healthcheck_broken_total`
    public var broken: UInt64 = 0
    /// Wishes that were turned away as too many were waiting. `coredns_forward_max_concurrent_rejects_total`
    public var rejected: UInt64 = 0
    /// Wishes that had the answer of a question that was under way already.
    public var shared: UInt64 = 0
    /// Wishes that are under way.
    public var underWay = 0

    /// An upstream.
    public struct Peer: Hashable, Sendable {
        public var upstream: Upstream
        /// Questions that were sent to it, again and over TCP included. `coredns_forward_requests_total`
        public var questions: UInt64 = 0
        /// `coredns_proxy_request_duration_seconds`, by response code.
        public var answers: [ResponseCode: Durations] = [:]
        /// Attempts that came to nothing. `coredns_proxy_healthcheck_failures_total`
        public var failures: UInt64 = 0
        /// Messages that were no answer to what was asked: lost, or forged.
        public var strangers: UInt64 = 0
        /// Smoothed; `nil` until it has answered.
        public var latency: Duration?
        public var isResting = false
        /// What is sent to it comes back to us.
        public var isLoop = false

        init(_ upstream: Upstream) { self.upstream = upstream }
    }

    /// How long answers took.
    public struct Durations: Hashable, Sendable {
        /// The upper limits of the buckets: 0.25 ms, doubled fifteen times.
        public static let limits: [Duration] = (0..<16).map { .microseconds(250 * (1 << $0)) }
        /// How many were within each limit, and not within the one before; the last counts those beyond.
        public private(set) var counts: [UInt64] = Array(repeating: 0, count: limits.count + 1)
        public private(set) var sum: Duration = .zero
        public var count: UInt64 { counts.reduce(0, +) }

        mutating func add(_ time: Duration) {
            counts[Self.limits.firstIndex { time <= $0 } ?? Self.limits.count] += 1
            sum += time
        }
    }
}
