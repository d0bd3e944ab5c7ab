import Cluster
import KubeAPI
import KubeClient
import Plan

/// What is wrong with services, policies and the configuration of names, told on the objects themselves: a note when a problem comes,
/// and another each half hour while it stands, because servers forget events after an hour. A value; time is passed in.
///
/// Never more than a hundred at once and one a second after that: a cluster with ten thousand wrong services is told of bit by
/// bit. Who reads an object finds the same note whichever node wrote it, unless it names a node.
struct ProblemNotes: Sendable {
    private var told: [Problem: Duration] = [:]
    private var tokens = burst
    private var refilled: Duration?

    private static let burst = 100.0
    private static let period = Duration.seconds(1800)

    /// - Parameter uid: of the object, so that `kubectl describe` finds what is told; `nil`: it is not there.
    mutating func notes(on problems: [Problem], at now: Duration, uid: (ObjectKey) -> String?) -> [EventNote] {
        let known = Set(problems)
        told = told.filter { known.contains($0.key) }
        tokens = min(Self.burst, tokens + (refilled.map { now - $0 } ?? .zero) / .seconds(1))
        refilled = now
        var notes: [EventNote] = []
        for (problem, message) in Self.told(of: problems) where tokens >= 1 {
            guard let subject = problem.subject, let kind = Self.kind(subject) else { continue }
            if let last = told[problem], now - last < Self.period { continue }
            guard let uid = uid(subject) else { continue }
            told[problem] = now
            tokens -= 1
            notes.append(
                EventNote(
                    EventNote.Subject(kind, namespace: subject.namespace, name: subject.name, uid: uid),
                    .warning,
                    reason: problem.id.reason, message))
        }
        return notes
    }

    /// One note for each mistake: what cannot be read of a policy is said together with what comes of it.
    private static func told(of problems: [Problem]) -> [(problem: Problem, message: String)] {
        let faults = Dictionary(grouping: problems.filter { $0.id == .objectInvalid && $0.subject != nil }) { $0.subject }
        guard !faults.isEmpty else { return problems.map { ($0, "\($0.message); \($0.id.remedy)") } }
        var explained: Set<Problem> = []
        let consequences = problems.map { problem -> (Problem, String) in
            var message = "\(problem.message); \(problem.id.remedy)"
            guard problem.id == .policyRuleClosed || problem.id == .policySelectsNobody else { return (problem, message) }
            let field = String(problem.message.prefix { $0 != " " })
            let causes = (faults[problem.subject] ?? []).filter { $0.message.contains(field) }
            guard !causes.isEmpty else { return (problem, message) }
            explained.formUnion(causes)
            message = (causes.map(\.message) + [problem.message]).joined(separator: "; ") + "; correct the field"
            return (problem, message)
        }
        return consequences.filter { !explained.contains($0.0) }
    }

    private static let kinds = [
        Service.resource.kind, NetworkPolicy.resource.kind, ClusterNetworkPolicy.resource.kind, ConfigMap.resource.kind,
    ]

    /// `nil`: nothing is told of such objects.
    private static func kind(_ key: ObjectKey) -> GroupVersionKind? {
        kinds.first { $0.kind == key.kind && $0.group == key.group }
    }
}

extension Problem.ID {
    /// As events name their reasons: `service-front-taken` is `ServiceFrontTaken`.
    var reason: String {
        rawValue.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}
