/// How long to wait before the next try: doubling from `first` up to `limit`, each time somewhere in the upper half of the
/// window, so that a thousand nodes that failed together do not come back together.
public struct Backoff: Hashable, Sendable {
    public let first: Duration
    public let limit: Duration
    private var failures = 0

    public init(first: Duration = .milliseconds(100), limit: Duration = .seconds(30)) {
        self.first = first
        self.limit = limit
    }

    /// - Parameter random: 0 ..< 1, from whoever has randomness.
    public mutating func next(random: Double) -> Duration {
        let doubled = failures < 62 ? first * Double(UInt64(1) << UInt64(failures)) : limit
        failures += 1
        return min(limit, doubled) * (0.5 + random / 2)
    }

    /// The last try worked: the next failure starts from `first` again.
    public mutating func reset() { failures = 0 }
}
