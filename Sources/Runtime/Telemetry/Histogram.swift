/// How often a value lay below each of some bounds.
public struct Histogram: Hashable, Sendable {
    /// Ascending; what is above the last is counted too.
    public let bounds: [Double]
    private var counts: [UInt64]
    public private(set) var sum = 0.0

    public init(_ bounds: [Double]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    /// As somebody else has counted.
    ///
    /// - Parameter counts: for each bound the values up to it and above the one before, and one more for those above all.
    public init(_ bounds: [Double], counts: [UInt64], sum: Double) {
        precondition(counts.count == bounds.count + 1, "a count for each bound, and one more")
        (self.bounds, self.counts, self.sum) = (bounds, counts, sum)
    }

    /// `count` bounds, the first is `first`, each is `factor` times the one before.
    public static func exponential(from first: Double, by factor: Double, count: Int) -> Histogram {
        Histogram(sequence(first: first) { $0 * factor }.prefix(count).map { $0 })
    }

    public var count: UInt64 { counts.reduce(0, +) }

    public mutating func observe(_ value: Double) {
        // A bound belongs to its bucket.
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// Each bound with how many were at or below it; the last is infinite.
    public var cumulative: [(bound: Double, count: UInt64)] {
        var total: UInt64 = 0
        return zip(bounds + [.infinity], counts).map { bound, count in
            total += count
            return (bound, total)
        }
    }
}
