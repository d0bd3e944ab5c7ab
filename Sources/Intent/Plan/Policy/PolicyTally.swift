import Cluster
public import KubeAPI

/// What a rule in the kernel counts and logs: whose it is, and what becomes of the packet.
public struct PolicyTally: Hashable, Sendable {
    /// The rule's policy; of a refusal by isolation all policies that isolate. Empty where nothing is known of the pod.
    public var policies: [ObjectKey]
    public var direction: NetworkPolicy.Direction
    /// Which of the policy's rules: `ingress[0]`, and with the name that it was given `ingress[0]/no-udp`; empty for isolation.
    public var place: String
    public var outcome: Outcome

    public init(policies: [ObjectKey], direction: NetworkPolicy.Direction, place: String, outcome: Outcome) {
        (self.policies, self.direction, self.place, self.outcome) = (policies, direction, place, outcome)
    }

    public enum Outcome: String, Hashable, Sendable, CaseIterable {
        case allowed
        case denied
        /// Left to the policies behind a tier.
        case passed
        /// What a policy would do that is tried out.
        case shadowAllowed = "shadow-allowed"
        case shadowDenied = "shadow-denied"
        case shadowPassed = "shadow-passed"

        public var isShadow: Bool { rawValue.hasPrefix("shadow") }
    }

    /// What the kernel says of it in a log: the same on every node and after every restart.
    public var word: String {
        var hash = StableHash()
        for policy in policies { hash.add(policy) }
        hash.add(direction.rawValue)
        hash.add(place)
        hash.add(outcome.rawValue)
        return "tulle " + hash.text
    }
}

extension PolicyLog {
    func includes(_ effect: PolicyStep.Effect) -> Bool {
        switch effect {
        case .refuse: self != .none
        case .allow: self == .all
        case .pass: false
        }
    }
}
