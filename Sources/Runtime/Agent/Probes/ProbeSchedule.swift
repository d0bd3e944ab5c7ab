import Cluster
import KubeAPI
import Plan

/// When tunnels are tried, and what is said of it: at start, on change, and now and then.
///
/// What fails once may be a node that is about to start: only what failed twice in a row, of the same node, is a problem.
struct ProbeSchedule: Sendable {
    /// Between two tries while something fails. Ten times as long while nothing does; `nil`: never.
    private let period: Duration?
    private var targets: [TunnelTarget] = []
    private var next: Duration?
    private var isRunning = false
    private var failures: [Problem] = []
    private(set) var problems: [Problem] = []
    /// Those of ``problems``.
    private(set) var narrowRoads = NodeFacts.NarrowRoads()

    init(period: Duration?) { self.period = period }

    /// These should be tried: whether to begin now. Nothing else begins before ``ended(with:at:)``.
    mutating func begin(_ wanted: [TunnelTarget], at now: Duration) -> Bool {
        guard period != nil, !isRunning else { return false }
        if wanted.isEmpty {
            (targets, next, failures, problems) = ([], nil, [], [])
            narrowRoads = NodeFacts.NarrowRoads()
            return false
        }
        guard wanted != targets || next.map({ $0 <= now }) ?? true else { return false }
        targets = wanted
        isRunning = true
        return true
    }

    mutating func ended(
        with found: [Problem], narrowRoads roads: NodeFacts.NarrowRoads = NodeFacts.NarrowRoads(), at now: Duration
    ) {
        isRunning = false
        guard let period else { return }
        let isNew = !found.isEmpty && failures.isEmpty
        problems = found.filter { problem in failures.contains { $0.id == problem.id && $0.subject == problem.subject } }
        failures = found
        let narrow = Set(problems.lazy.filter { $0.id == .tunnelNarrow }.compactMap { $0.subject?.name })
        narrowRoads.toNode = roads.toNode.filter { narrow.contains($0.key) }
        narrowRoads.toOthers = narrowRoads.toNode.count == roads.toNode.count ? roads.toOthers : nil
        next = now + (found.isEmpty ? period * 10 : isNew ? period / 4 : period)
    }

    /// When to ask again; `nil` while one runs or nothing is to be tried.
    var waking: Duration? { isRunning || targets.isEmpty ? nil : next }
}
