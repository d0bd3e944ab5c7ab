/// How long to wait before the next try: doubling from `first` up to `limit`, each time somewhere in the upper half of the
/// window, so that a thousand nodes that failed together do not come back together.
public struct Backoff: Hashable, Sendable {
    public let first: Duration
    public let limit: Duration
    private var window: Duration

    public init(first: Duration = .milliseconds(100), limit: Duration = .seconds(30)) {
        self.first = first
        self.limit = limit
        window = min(first, limit)
    }

    /// - Parameter random: 0 ..< 1, from whoever has randomness.
    public mutating func next(random: Double) -> Duration {
        defer { window = window > limit / 2 ? limit : window * 2 }
        return window * (0.5 + random / 2)
    }

    /// The last try worked: the next failure starts from `first` again.
    public mutating func reset() { window = min(first, limit) }
}
