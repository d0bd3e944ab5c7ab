import Addressing
import Cluster
import KubeAPI

/// What a new connection of a pod is asked, in this order, the first answer counting: policies of the cluster, network policies,
/// policies of the cluster again where no network policy isolates the pod.
struct PolicyCourse: Hashable, Sendable {
    private(set) var admin: [PolicyStep] = []
    /// The network policies that isolate the pod: what their openings do not open is refused.
    private(set) var isolating: [ObjectKey] = []
    private(set) var openings: [PolicyStep] = []
    private(set) var baseline: [PolicyStep] = []
    /// Nothing is known of the pod: everything is refused.
    private(set) var isClosed = false
    /// What nothing opens is logged.
    private(set) var isRestLogged = false

    static func closed(_ log: PolicyLog) -> PolicyCourse {
        var course = PolicyCourse()
        course.isClosed = true
        course.isRestLogged = log.includes(.refuse)
        return course
    }

    private init() {}

    /// - Parameter log: of policies that say nothing of it.
    init(
        _ policies: PolicyIndex.Policies, _ way: PolicyWay, _ family: IPFamily, _ index: PolicyIndex, _ log: PolicyLog
    ) {
        let direction = way.direction
        func logged(_ steps: [PolicyStep], of policy: ObjectKey) -> [PolicyStep] {
            let log = index.log(of: policy) ?? log
            guard log != .none else { return steps }
            return steps.map { step in
                var step = step
                step.isLogged = log.includes(step.effect)
                return step
            }
        }
        func steps(_ tier: ClusterNetworkPolicy.Tier) -> [PolicyStep] {
            policies.cluster.flatMap { mention -> [PolicyStep] in
                guard let policy = index.clusterPolicy(mention.policy), policy.tier == tier else { return [] }
                return logged(PolicyStep.all(policy, isCertain: mention.isCertain, way, family, index), of: policy.key)
            }
        }
        admin = steps(.admin)
        isolating = policies.isolating(direction)
        if isolating.isEmpty {
            baseline = steps(.baseline)
        } else {
            openings = isolating.compactMap(index.policy).flatMap {
                logged(PolicyStep.all($0, direction, family), of: $0.key)
            }
        }
        isRestLogged = isolating.contains { (index.log(of: $0) ?? log).includes(.refuse) }
        guard way == .sendToNode else { return }
        // Network policies have no say in what a pod asks of its own node.
        (isolating, openings) = ([], [])
        isRestLogged = false
        admin.removeAll { !$0.mayMeanNode }
        baseline.removeAll { !$0.mayMeanNode }
    }

    /// It has no answer to anything, which means yes.
    var isEmpty: Bool { admin.isEmpty && isolating.isEmpty && baseline.isEmpty && !isClosed }

    var isRestRefused: Bool { isClosed || !isolating.isEmpty }
    var refusesSomething: Bool { isRestRefused || steps.contains { $0.effect == .refuse } }
    var isLogged: Bool { isRestLogged || steps.contains(where: \.isLogged) }
    var steps: [PolicyStep] { admin + openings + baseline }

    /// The sets its rules look into.
    var sets: Set<PolicySet> {
        var sets: Set<PolicySet> = []
        for step in steps {
            switch step.peer {
            case .anybody: break
            case .members(let peer): sets.insert(.members(peer))
            case .ranges(let ranges): sets.insert(.ranges(ranges))
            }
            if case .named(let port) = step.port { sets.insert(.named(port)) }
        }
        return sets
    }
}

/// Which packets of a pod: what is sent to it, what it sends, and what it sends to its own node.
enum PolicyWay: Hashable, Sendable, CaseIterable {
    case receive
    case send
    case sendToNode

    var direction: NetworkPolicy.Direction { self == .receive ? .ingress : .egress }
}

extension StableHash {
    mutating func add(_ course: PolicyCourse) {
        add(course.isClosed ? "closed" : "open")
        if course.isRestLogged { add("logged") }
        add(course.admin.count)
        for step in course.admin { add(step) }
        add(course.isolating.count)
        for policy in course.isolating { add(policy) }
        add(course.openings.count)
        for step in course.openings { add(step) }
        add(course.baseline.count)
        for step in course.baseline { add(step) }
    }
}
