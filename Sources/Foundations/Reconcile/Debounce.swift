/// Gathers a burst of events into one action: it is due when nothing came for `quiet`, and at the latest `limit` after the
/// first event, so that a steady stream of events cannot put it off for ever.
public struct Debounce: Hashable, Sendable {
    public let quiet: Duration
    public let limit: Duration
    private var first: Duration?
    private var last: Duration = .zero

    public init(quiet: Duration, limit: Duration) {
        self.quiet = quiet
        self.limit = limit
    }

    /// Something happened. Times are counted from any fixed moment.
    public mutating func event(at now: Duration) {
        if first == nil { first = now }
        last = now
    }

    /// When to act; `nil` while nothing happened.
    public var due: Duration? {
        first.map { min(last + quiet, $0 + limit) }
    }

    /// It was acted upon.
    public mutating func clear() { first = nil }
}
