public import Reconcile

/// Whether and when a request is sent again. Only where that cannot do something twice:
///
/// | what came | sent again |
/// |---|---|
/// | no connection | always: nothing was asked yet |
/// | 429, or 503 with `Retry-After` | always: the server says that it did nothing |
/// | 500, 502, 503, 504, or a broken connection | only reads: a write may have been done, and doing it twice ends in a conflict, a second object or a 404 that mean nothing |
/// | anything else | never |
///
/// A value without a clock.
public struct Retries: Hashable, Sendable {
    public let attempts: Int
    /// A server may ask for a long pause; the caller of a single request is not to hang for it.
    public let longestPause: Duration
    private var backoff: Backoff
    private var failures = 0

    /// - Parameter attempts: all together, the first among them.
    public init(
        attempts: Int = 5, backoff: Backoff = Backoff(first: .milliseconds(100), limit: .seconds(5)),
        longestPause: Duration = .seconds(30)
    ) {
        precondition(attempts > 0, "a request that may not be sent")
        self.attempts = attempts
        self.backoff = backoff
        self.longestPause = longestPause
    }

    public static let none = Retries(attempts: 1)

    /// What one attempt came to when it did not succeed.
    public enum Outcome: Hashable, Sendable {
        case notConnected
        case broken
        case refused(status: Int, retryAfter: Duration?)
    }

    /// How long to wait before the next attempt; `nil`: it is over.
    ///
    /// - Parameter random: 0 ..< 1, spreads the attempts of many clients.
    public mutating func pause(after outcome: Outcome, isRead: Bool, random: Double) -> Duration? {
        failures += 1
        guard failures < attempts, Self.isSafe(outcome, isRead: isRead) else { return nil }
        let own = backoff.next(random: random)
        guard case .refused(_, let asked?) = outcome else { return own }
        return asked > longestPause ? nil : max(own, asked)
    }

    private static func isSafe(_ outcome: Outcome, isRead: Bool) -> Bool {
        switch outcome {
        case .notConnected: true
        case .broken: isRead
        case .refused(429, _): true
        case .refused(503, .some): true
        case .refused(let status, _): isRead && [500, 502, 503, 504].contains(status)
        }
    }
}
