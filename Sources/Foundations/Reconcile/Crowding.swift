/// Keeps apart what would otherwise follow itself without end: the first comes at once, and each one that comes soon after another
/// is put off, by more every time. After a quiet while the next comes at once again.
public struct Crowding: Hashable, Sendable {
    public let first: Duration
    public let limit: Duration
    private var last: Duration?
    private var distance: Duration = .zero

    /// - Parameter limit: the greatest distance; after twice that without any, the next is at once.
    public init(first: Duration = .milliseconds(100), limit: Duration = .seconds(2)) {
        self.first = first
        self.limit = limit
    }

    /// One came.
    public mutating func note(at now: Duration) {
        let isSoon = last.map { now - $0 <= limit * 2 } ?? false
        distance = isSoon ? min(max(distance * 2, first), limit) : .zero
        last = now
    }

    /// When the next may come.
    public var notBefore: Duration { last.map { $0 + distance } ?? .zero }
}
