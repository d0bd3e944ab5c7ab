/// How much of the world outside is remembered, and for how long.
public struct MemorySettings: Hashable, Sendable {
    /// Bytes that the entries may take, what they cost beside their content included. 0: nothing is remembered.
    public var byteLimit: Int
    /// How long an answer with data is kept: never shorter than the first, though its TTL says so, and never longer than the second.
    public var answers: ClosedRange<Duration>
    /// The same for "no such name" and "nothing of this type" (RFC 2308 §5).
    public var denials: ClosedRange<Duration>
    /// How long a failure is remembered, so that a name that cannot be resolved is not asked for by every query anew (RFC 9520).
    public var failures: Duration
    /// How long after its end an answer may still be given when nobody can be asked (RFC 8767); zero: never.
    public var stale: Duration
    /// `nil`: names are asked for again only when their time is over.
    public var prefetch: Prefetch?

    /// Names that are asked for often are asked for again before their time is over, so that nobody waits for them.
    public struct Prefetch: Hashable, Sendable {
        /// How often an answer must have been given since it was heard.
        public var leastUses: Int
        /// In the last part of its time, in percent.
        public var percentage: Int

        public init(leastUses: Int = 3, percentage: Int = 10) {
            (self.leastUses, self.percentage) = (leastUses, percentage)
        }
    }

    public init(
        byteLimit: Int = 8 << 20, answers: ClosedRange<Duration> = .zero ... .seconds(3600),
        denials: ClosedRange<Duration> = .zero ... .seconds(1800), failures: Duration = .seconds(2),
        stale: Duration = .seconds(3600), prefetch: Prefetch? = Prefetch()
    ) {
        (self.byteLimit, self.answers, self.denials) = (byteLimit, answers, denials)
        (self.failures, self.stale, self.prefetch) = (failures, stale, prefetch)
    }

    /// RFC 8767 §4: the TTL of an answer that is given though its time is over.
    static let staleTTL: UInt32 = 30
    /// RFC 8767 §5: how long nobody is asked again after an attempt to refresh an answer failed.
    static let recheck: Duration = .seconds(30)
}

extension Duration {
    /// Whole milliseconds, for keeping and comparing.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
