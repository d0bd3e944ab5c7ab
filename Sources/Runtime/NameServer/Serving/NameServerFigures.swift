public import Addressing
public import DNS

/// What a server has done so far, as counters that only grow but where it is said otherwise.
public struct NameServerFigures: Hashable, Sendable {
    /// CoreDNS's name is `coredns_dns_requests_total`.
    public var requests: [Request: UInt64] = [:]
    /// CoreDNS's name is `coredns_dns_responses_total`.
    public var responses: [Response: UInt64] = [:]
    /// Bytes. CoreDNS's name is `coredns_dns_request_size_bytes`.
    public var requestSizes: [Transport: Spread] = [:]
    /// Bytes. CoreDNS's name is `coredns_dns_response_size_bytes`.
    public var responseSizes: [Transport: Spread] = [:]
    /// Seconds from when a query was read to when its answer was sent. CoreDNS's name is `coredns_dns_request_duration_seconds`.
    public var durations: Spread = Spread(bounds: Spread.durations)
    /// Packets that are no query, and got no answer.
    public var silences: UInt64 = 0
    /// Answers that the response limit kept back, and those that it sent without records.
    public var kept: UInt64 = 0
    public var slipped: UInt64 = 0
    /// Queries that got SERVFAIL as too many waited for the world outside.
    public var overflows: UInt64 = 0
    /// Queries that got SERVFAIL as too many of their client's waited for the world outside.
    public var clientOverflows: UInt64 = 0
    /// First queries of a search list that were answered with the name that exists.
    public var collapsed: UInt64 = 0
    /// Answers that the kernel did not take.
    public var unsent: UInt64 = 0
    /// Connections that were closed at once, as there were too many.
    public var refusedConnections: UInt64 = 0
    /// Now: connections that are open.
    public var connections: Int = 0
    /// Now: queries that wait for the world outside.
    public var underWay: Int = 0

    public init() {}

    public struct Transport: Hashable, Sendable {
        public var transport: Circumstances.Transport
        public var family: IPFamily

        public init(_ transport: Circumstances.Transport, _ family: IPFamily) {
            (self.transport, self.family) = (transport, family)
        }
    }

    public struct Request: Hashable, Sendable {
        public var transport: Transport
        /// `nil`: one of those that are seldom asked for, together.
        public var type: RecordType?
    }

    public struct Response: Hashable, Sendable {
        public var transport: Transport
        /// `nil`: one beyond the 24 first.
        public var code: ResponseCode?
    }

    /// How often a value lay at or below each of some bounds.
    public struct Spread: Hashable, Sendable {
        /// Ascending.
        public var bounds: [Double]
        /// One more than bounds; the last is above all of them.
        public var counts: [UInt64]
        public var sum: Double

        public init(bounds: [Double]) {
            (self.bounds, counts, sum) = (bounds, Array(repeating: 0, count: bounds.count + 1), 0)
        }
    }
}

extension NameServerFigures.Spread {
    /// CoreDNS's bounds of time, in seconds.
    public static let durations = (0..<16).map { 0.00025 * Double(1 << $0) }
    /// CoreDNS's bounds of sizes, in bytes.
    public static let sizes: [Double] = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3]

    public var count: UInt64 { counts.reduce(0, +) }
}
