/// Figures as Prometheus reads them (text format 0.0.4).
///
/// ```swift
/// var page = Exposition()
/// page.add("tulle_problems", .gauge, "Problems that stand now.", Exposition.Sample(2, ["id": "node-unknown"]))
/// ```
/// Families stand in the order in which they were added, samples of a family too. A name is added once.
public struct Exposition: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Only grows while the program runs; its name ends in `_total`, but for names that others chose.
        case counter
        case gauge
        case histogram
    }

    public struct Sample: Hashable, Sendable {
        public var value: Double
        /// In the order of their names.
        public var labels: [String: String]

        public init(_ value: Double, _ labels: [String: String] = [:]) { (self.value, self.labels) = (value, labels) }
        public init(_ value: Int, _ labels: [String: String] = [:]) { self.init(Double(value), labels) }
    }

    /// What `Content-Type` says of it.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    public private(set) var text = ""

    public init() {}

    /// - Parameter samples: none: the family is left out.
    public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        begin(name, kind, help)
        for sample in samples { add(name, sample) }
    }

    public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: Sample...) {
        add(name, kind, help, samples)
    }

    /// A histogram, as buckets that each hold what is in those before.
    public mutating func add(_ name: String, _ help: String, _ histogram: Histogram) { add(name, help, [(histogram, [:])]) }

    /// Several of them, which differ by their labels; none: the family is left out.
    public mutating func add(_ name: String, _ help: String, _ histograms: [(histogram: Histogram, labels: [String: String])]) {
        guard !histograms.isEmpty else { return }
        begin(name, .histogram, help)
        for (histogram, labels) in histograms {
            for (bound, count) in histogram.cumulative {
                add("\(name)_bucket", Sample(Double(count), labels.merging(["le": Self.number(bound)]) { $1 }))
            }
            add("\(name)_sum", Sample(histogram.sum, labels))
            add("\(name)_count", Sample(Double(histogram.count), labels))
        }
    }

    private mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help, isLabel: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func add(_ name: String, _ sample: Sample) {
        let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value, isLabel: true))\"" }
        text += "\(name)\(labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") \(Self.number(sample.value))\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escaped(_ text: String, isLabel: Bool) -> String {
        text.reduce(into: "") { escaped, character in
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where isLabel: escaped += "\\\""
            default: escaped.append(character)
            }
        }
    }
}
