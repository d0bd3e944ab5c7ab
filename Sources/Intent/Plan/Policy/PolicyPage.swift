import Addressing
import Cluster
import KubeAPI
import NFTables

/// A course as chains of rules.
struct PolicyPage {
    struct Line {
        var rule: NFTables.Rule
        /// `nil`: it only leads on, or logs what the next one counts.
        var tally: PolicyTally?

        init(_ rule: NFTables.Rule, _ tally: PolicyTally? = nil) { (self.rule, self.tally) = (rule, tally) }
    }

    /// Of the chain that the others are reached from: the last of ``chains``.
    let name: String
    /// Those that are jumped to first.
    private(set) var chains: [(name: String, lines: [Line])] = []
    private(set) var ports: NamedSet?

    private let id: PolicyClass.ID
    private let table: TableFamily
    private let isTrial: Bool

    /// - Parameter isTrial: it counts, and whoever comes goes back as they came.
    init(_ id: PolicyClass.ID, _ course: PolicyCourse, _ table: TableFamily, isTrial: Bool = false) {
        (self.id, self.table, self.isTrial) = (id, table, isTrial)
        name = id.chain + (isTrial ? "-shadow" : "")
        let policies = course.admin.isEmpty ? name : name + "-policies"
        // Not in the rule that refuses: there it would be a condition.
        if !isTrial, course.steps.contains(where: { $0.effect == .refuse }) {
            chains.append((refusal, [Line(counted()), Line(drop)]))
        }
        if course.isRestRefused {
            open(course, in: policies)
        } else {
            let steps = course.baseline.flatMap { lines($0, passing: yes) }
            chains.append((policies, steps + [Line(Rule(table, .decide(yes)))]))
        }
        guard !course.admin.isEmpty else { return }
        let onward = Verdict.goto(policies)
        chains.append((name, course.admin.flatMap { lines($0, passing: onward) } + [Line(Rule(table, .decide(onward)))]))
    }

    mutating func begin(with line: Line) { chains[chains.count - 1].lines.insert(line, at: 0) }

    /// What a pod may send, another of this node may still refuse to receive.
    private var yes: Verdict { isTrial || id.way == .send ? .comeBack : .accept }

    // MARK: - Openings, and nothing else

    private struct Door: Hashable {
        var transport: TransportProtocol
        var port: UInt16
    }

    /// By ports first.
    private mutating func open(_ course: PolicyCourse, in chain: String) {
        var (doors, wide): ([Door: [Line]], [Line]) = ([:], [])
        for opening in course.openings {
            if case .one(let transport, let port) = opening.port {
                doors[Door(transport: transport, port: port), default: []] += lines(opening, peer(opening.peer), passing: yes)
            } else {
                wide += lines(opening, passing: yes)
            }
        }
        let end = end(course)
        guard !doors.isEmpty else { return chains.append((chain, wide + end)) }
        func name(_ door: Door) -> String { "\(chain)-\(door.transport.rawValue.lowercased())-\(door.port)" }
        let ports = NamedSet(
            .init(chain + "-ports", key: [.transportProtocol, .port], data: .verdict),
            Dictionary(
                uniqueKeysWithValues: doors.keys.map { door in
                    (Value(.transport(door.transport), .port(door.port)), NamedSet.Content(.verdict(.goto(name(door)))))
                }))
        let rest = chain + "-rest"
        let onward = Line(Rule(table, .decide(.goto(rest))))
        chains.append((rest, wide + end))
        chains += doors.sorted { name($0.key) < name($1.key) }.map { (name($0.key), $0.value + [onward]) }
        let dispatch = Rule(table, .verdict(of: [.transportProtocol, .destinationPort], map: ports.shape.name))
        chains.append((chain, [Line(dispatch), onward]))
        self.ports = ports
    }

    private func end(_ course: PolicyCourse) -> [Line] {
        let tally = tally(course.isolating, "", .denied, .shadowDenied)
        var lines = course.isRestLogged ? [logged([], tally)] : []
        if isTrial {
            lines.append(Line(Rule(table, .counter, .decide(.comeBack), comment: Self.comment("would be refused", tally)), tally))
        } else {
            lines += [Line(counted(Self.comment("refused", tally)), tally), Line(drop, tally)]
        }
        return lines
    }

    /// For people: of many policies the first ones, as far as a comment goes.
    static func comment(_ word: String, _ tally: PolicyTally) -> String {
        guard !tally.policies.isEmpty else { return "\(word), as nothing is known" }
        var text = "\(word) by"
        for (position, policy) in tally.policies.enumerated() {
            let rest = tally.policies.count - position - 1
            let next = "\(text) \(policy.namespace)/\(policy.name)"
            let isLast = rest == 0
            guard (isLast ? next : "\(next) and \(rest) more").utf8.count <= Rule.commentLimit else {
                return position == 0 ? "\(text) \(rest + 1) policies" : "\(text) and \(rest + 1) more"
            }
            text = next
        }
        return text
    }

    /// Where what a step refuses goes.
    private var refusal: String { name + "-refused" }

    /// What is refused, of each pod's.
    private func counted(_ comment: String? = nil) -> NFTables.Rule {
        let own: Field = id.way == .receive ? .destinationAddress : .sourceAddress
        return Rule(table, .isIn([own], set: id.refused.name), .counter, .decide(.drop), comment: comment)
    }

    /// Whom nobody counts.
    private var drop: NFTables.Rule { Rule(table, .counter, .decide(.drop)) }

    // MARK: - Steps

    private func lines(_ step: PolicyStep, passing: Verdict) -> [Line] {
        lines(step, port(step.port) + peer(step.peer), passing: passing)
    }

    private func lines(_ step: PolicyStep, _ match: [Statement], passing: Verdict) -> [Line] {
        switch step.effect {
        case .allow: return lines(step, match, yes, tally([step.policy], step.rule, .allowed, .shadowAllowed))
        case .pass: return lines(step, match, passing, tally([step.policy], step.rule, .passed, .shadowPassed))
        case .refuse:
            let no = isTrial ? Verdict.comeBack : .goto(refusal)
            return lines(step, match, no, tally([step.policy], step.rule, .denied, .shadowDenied))
        }
    }

    private func lines(_ step: PolicyStep, _ match: [Statement], _ verdict: Verdict, _ tally: PolicyTally) -> [Line] {
        let word = tally.outcome == .shadowDenied ? "would refuse: " : ""
        let comment = word + step.name(within: Rule.commentLimit - word.utf8.count)
        return (step.isLogged ? [logged(match, tally)] : [])
            + [Line(Rule(table, match + [.counter, .decide(verdict)], comment: comment), tally)]
    }

    private func tally(
        _ policies: [ObjectKey], _ place: String, _ outcome: PolicyTally.Outcome, _ onTrial: PolicyTally.Outcome
    ) -> PolicyTally {
        PolicyTally(
            policies: policies, direction: id.way.direction, place: place, outcome: isTrial ? onTrial : outcome)
    }

    /// A rule that logs what the next one decides about: what comes too often is not logged, and decided all the same.
    private func logged(_ match: [Statement], _ tally: PolicyTally) -> Line {
        Line(
            Rule(
                table,
                match + [
                    .limit(perSecond: PacketPath.policyLogRate, burst: PacketPath.policyLogBurst),
                    .log(group: PacketPath.policyLogGroup, prefix: tally.word),
                ]))
    }

    private func port(_ port: PolicyStep.Port) -> [Statement] {
        switch port {
        case .any: []
        case .one(let transport, let number):
            [.match(.transportProtocol, .equal, .transport(transport)), .match(.destinationPort, .equal, .port(number))]
        case .every(let transport): [.match(.transportProtocol, .equal, .transport(transport))]
        case .range(let transport, let first, let last):
            [
                .match(.transportProtocol, .equal, .transport(transport)),
                .match(.destinationPort, .greaterOrEqual, .port(first)), .match(.destinationPort, .lessOrEqual, .port(last)),
            ]
        case .named(let port):
            [
                .match(.transportProtocol, .equal, .transport(port.transport)),
                .isIn([.destinationAddress, .destinationPort], set: PolicySet.named(port).name),
            ]
        }
    }

    private func peer(_ peer: PolicyStep.Peer) -> [Statement] {
        let other: Field = id.way == .receive ? .sourceAddress : .destinationAddress
        return switch peer {
        case .anybody: []
        case .members(let peer): [.isIn([other], set: PolicySet.members(peer).name)]
        case .ranges(let ranges): [.isIn([other], set: PolicySet.ranges(ranges).name)]
        }
    }
}
