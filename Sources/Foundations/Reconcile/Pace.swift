/// Lets the first event after a rest be acted upon at once, and keeps a distance between acts while events go on: one change is
/// not late, and many are gathered.
public struct Pace: Hashable, Sendable {
    /// From the end of one act to the beginning of the next.
    public let distance: Duration
    private var waiting: Duration?
    private var last: Duration?

    public init(distance: Duration) { self.distance = distance }

    /// Something happened. Times are counted from any fixed moment.
    public mutating func event(at now: Duration) { waiting = waiting ?? now }

    /// When to act; `nil` while nothing happened.
    public var due: Duration? { waiting.map { max($0, notBefore) } }

    /// Nothing that happens now can be acted upon before.
    public var notBefore: Duration { last.map { $0 + distance } ?? .zero }

    /// What happened so far is acted upon from now on.
    public mutating func begin() { waiting = nil }

    /// It was acted upon.
    public mutating func end(at now: Duration) { last = now }
}
