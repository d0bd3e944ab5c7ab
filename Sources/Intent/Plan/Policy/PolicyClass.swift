import Addressing
import Cluster
import KubeAPI
import NFTables

/// What holds for all pods that the same policies speak of in a direction: chains that say yes, or no.
///
/// ```
/// in-5f3a09c1            the steps of the tier Admin; where there are none, what follows
/// in-5f3a09c1-policies   l4proto . dport vmap @in-5f3a09c1-policies-ports → in-5f3a09c1-policies-tcp-80
/// in-…-policies-tcp-80   the openings at this port alone
/// in-…-policies-rest     the openings at ranges, at names, at any port; then count and drop
/// in-5f3a09c1-shadow…    the same with the shadows in it, jumped to first: it counts, and comes back
/// ```
/// All by `goto`: whoever comes back comes back to the hook's chain. And no chain of a class leads to another class: the kernel walks
/// through all ways there are when a rule is added, and ways would multiply.
/// So what a connection costs does not grow with openings at other ports. Named by what it says: who says the same has the same
/// chain, and one that says something else is another, which pods are moved to in one transaction.
struct PolicyClass: Hashable, Sendable {
    let id: ID
    let course: PolicyCourse
    /// What would be asked were the shadows in force.
    let trial: PolicyCourse?

    struct ID: Hashable, Sendable {
        var way: PolicyWay
        /// In the packet's mark, on the way from one map to the other.
        var number: UInt32

        /// Nothing is known of the pods.
        static func closed(_ way: PolicyWay) -> ID { ID(way: way, number: 1) }

        var chain: String {
            let digits = String(number, radix: 16)
            let prefix =
                switch way {
                case .receive: "in-"
                case .send: "out-"
                case .sendToNode: "node-"
                }
            return prefix + (number == 1 ? "closed" : String(repeating: "0", count: 8 - digits.count) + digits)
        }

        /// How the hook's chain gets there: from what is sent it goes on to what is received.
        var verdict: Verdict { way == .send ? .jump(chain) : .goto(chain) }
        var content: NamedSet.Content { NamedSet.Content(.value(Value(.mark(number)))) }

        var set: PolicySet {
            switch way {
            case .receive: .receivers
            case .send: .senders
            case .sendToNode: .nodeSenders
            }
        }

        var classes: PolicySet {
            switch way {
            case .receive: .receiverClasses
            case .send: .senderClasses
            case .sendToNode: .nodeClasses
            }
        }

        var refused: PolicySet { way == .receive ? .refusedReceivers : .refusedSenders }
    }

    static func closed(_ way: PolicyWay, _ log: PolicyLog) -> PolicyClass {
        PolicyClass(id: .closed(way), course: .closed(log), trial: nil)
    }

    /// - Parameter isTaken: whether a number is another's, which happens once in thousands of millions.
    init(_ way: PolicyWay, _ course: PolicyCourse, trial: PolicyCourse?, isTaken: (ID) -> Bool) {
        var hash = StableHash()
        hash.add(course)
        if let trial { hash.add(trial) }
        var id = ID(way: way, number: UInt32(truncatingIfNeeded: hash.value ^ hash.value >> 32))
        while id.number < 2 || isTaken(id) { id.number &+= 1 }
        self.init(id: id, course: course, trial: trial)
    }

    private init(id: ID, course: PolicyCourse, trial: PolicyCourse?) {
        (self.id, self.course, self.trial) = (id, course, trial)
    }

    /// The sets its rules look into, beside its own.
    var sets: Set<PolicySet> { course.sets.union(trial?.sets ?? []) }

    var isLogged: Bool { course.isLogged || trial?.isLogged == true }
}

// MARK: - In the kernel

extension PolicyClass {
    /// Its chains, those that are jumped to first, and its maps of ports where it has any.
    func rendered(_ family: IPFamily) -> (chains: [Chain], ports: [NamedSet]) {
        let pages = pages(family)
        return (pages.flatMap(\.chains).map { Chain($0.name, rules: $0.lines.map(\.rule)) }, pages.compactMap(\.ports))
    }

    /// Whose each rule is, by chain and in the rules' order; `nil` for those that only lead on.
    func tallies(_ family: IPFamily) -> [String: [PolicyTally?]] {
        Dictionary(uniqueKeysWithValues: pages(family).flatMap(\.chains).map { ($0.name, $0.lines.map(\.tally)) })
    }

    private func pages(_ family: IPFamily) -> [PolicyPage] {
        let table: TableFamily = family == .v4 ? .ip : .ip6
        let own = PolicyPage(id, course, table)
        guard let trial else { return [own] }
        let shadow = PolicyPage(id, trial, table, isTrial: true)
        var page = own
        page.begin(with: PolicyPage.Line(Rule(table, .decide(.jump(shadow.name)))))
        return [shadow, page]
    }
}
