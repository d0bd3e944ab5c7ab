/// A set of policies made by chance, the world they stand in, and what happens to both. The same seed makes the same.
///
/// ```swift
/// for seed in 0..<400 {
///     let trial = PolicyTrial(seed: UInt64(seed))
///     let judge = SlowJudge(trial.objects(after: 0))      // what is right before anything happens
///     …
/// }
/// ```
public struct PolicyTrial: Sendable {
    public enum Change: Hashable, Sendable {
        /// An object comes, or takes the place of the one of its name.
        case put(Tree)
        case delete(Tree.Name)
    }

    public let seed: UInt64
    public let world: TrialWorld
    /// Everything that is there at first: the world's objects and policies.
    public let start: [Tree]
    /// What happens then, one after the other.
    public let changes: [Change]
    public let forms: Set<PolicyForm>

    /// - Parameters:
    ///   - world: where the pods are and what addresses they have; there may be one family alone.
    ///   - hasClusterPolicies: whether there may be ClusterNetworkPolicies among the policies.
    ///   - isReadable: whether all policies are such that an API server takes them.
    public init(
        seed: UInt64, in world: TrialWorld = .standard, hasClusterPolicies: Bool = true, isReadable: Bool = false
    ) {
        var maker = PolicyMaker(seed: seed, world)
        (start, changes) = maker.history(hasClusterPolicies: hasClusterPolicies, isReadable: isReadable)
        (self.seed, self.world, forms) = (seed, world, maker.forms)
    }

    /// What is there after the first changes.
    public func objects(after count: Int) -> [Tree] {
        var objects = Dictionary(start.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        for change in changes.prefix(count) {
            switch change {
            case .put(let object): objects[object.name] = object
            case .delete(let name): objects[name] = nil
            }
        }
        return objects.sorted { $0.key < $1.key }.map(\.value)
    }
}

extension PolicyTrial: CustomStringConvertible {
    public var description: String { "PolicyTrial(seed: \(seed))" }
}

extension PolicyTrial {
    /// How often each form was in these sets: the table that a run shows, and fails by when something is missing.
    public static func coverage(of trials: some Sequence<PolicyTrial>) -> [PolicyForm: Int] {
        trials.reduce(into: [:]) { counts, trial in for form in trial.forms { counts[form, default: 0] += 1 } }
    }
}
