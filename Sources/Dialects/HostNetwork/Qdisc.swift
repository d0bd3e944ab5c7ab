/// What decides when a link's packets leave it (`tc qdisc … root`). A link has one; without one packets leave at once.
public struct Qdisc: Hashable, Sendable {
    public var link: String
    public var kind: Kind
    /// The major number of its handle (`8400:`): how we know our own.
    public var handle: UInt16

    public enum Kind: Hashable, Sendable {
        case tokenBucket(TokenBucket)
        /// By the kernel's word for it. Observed, never made by us.
        case other(String)
    }

    /// Lets packets through at a rate, and a burst of them at once after a pause (`tbf`).
    public struct TokenBucket: Hashable, Sendable {
        /// Bytes a second.
        public var rate: UInt64
        /// Bytes.
        public var burst: UInt32
        /// Bytes that wait at most; what comes then is dropped.
        public var limit: UInt32

        public init(rate: UInt64, burst: UInt32, limit: UInt32) {
            self.rate = rate
            self.burst = burst
            self.limit = limit
        }
    }

    public init(_ link: String, _ kind: Kind, handle: UInt16) {
        self.link = link
        self.kind = kind
        self.handle = handle
    }

    /// The kernel tells the burst as a time, in steps of 64 ns.
    func satisfies(_ desired: Qdisc) -> Bool {
        guard handle == desired.handle, case .tokenBucket(let here) = kind, case .tokenBucket(let wanted) = desired.kind else {
            return self == desired
        }
        let slack = max(256, Int(wanted.burst) / 100)
        return here.rate == wanted.rate && here.limit == wanted.limit && abs(Int(here.burst) - Int(wanted.burst)) <= slack
    }
}

extension Qdisc: CustomStringConvertible {
    public var description: String {
        "qdisc \(kind) dev \(link) handle \(String(handle, radix: 16)):"
    }
}

extension Qdisc.Kind: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tokenBucket(let bucket): "tbf rate \(bucket.rate) burst \(bucket.burst) limit \(bucket.limit)"
        case .other(let name): name
        }
    }
}
