import Cluster
import KubeAPI
import KubeClient

/// What policies of the cluster are told in their status: that they are not enforced as they are written, or only tried out, and when
/// they are.
///
/// It follows from the object alone, so that all agents say the same, and the first one's words stand. A value.
struct PolicyConditions: Sendable {
    /// The generation that something was said of last, and what.
    private var told: [ObjectKey: (generation: Int64, condition: Condition)] = [:]

    static let type = "tulle.dev/Enforced"

    /// What is to be said that was not said yet.
    mutating func notes(on policies: some Collection<ClusterNetworkPolicy>) -> [ConditionNote] {
        if !told.isEmpty {
            let keys = Set(policies.map(\.key))
            told = told.filter { keys.contains($0.key) }
        }
        return policies.compactMap { policy in
            let (condition, generation) = (Self.condition(of: policy), policy.metadata.generation)
            if let last = told[policy.key], last == (generation, condition) { return nil }
            // Where it was never otherwise nobody needs to be told that all is well.
            let isOtherwise = policy.conditions.contains { $0.type == Self.type && $0.status != .true }
            guard condition.status != .true || isOtherwise || told[policy.key]?.condition.status == .false else { return nil }
            told[policy.key] = (generation, condition)
            return ConditionNote(
                ClusterNetworkPolicy.resource, name: policy.metadata.name, condition, generation: generation)
        }
    }

    private static func condition(of policy: ClusterNetworkPolicy) -> Condition {
        if policy.isShadow {
            let message = "it is tried out, and nothing of it enforced, by its annotation \(PolicyMode.annotation)"
            return Condition(type, .false, reason: "Shadow", message: message)
        }
        let problems = policy.problems
        guard let first = problems.first else {
            return Condition(type, .true, reason: "AsWritten", message: "all of it is enforced as it is written")
        }
        return Condition(
            type, .false, reason: first.id.reason,
            message: problems.map { "\($0.message); \($0.id.remedy)" }.joined(separator: ". "))
    }
}
