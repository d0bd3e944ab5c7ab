import Addressing
import KubeAPI
import PolicyTrials
import Testing

@testable import Cluster

@Suite("policies made by chance", .timeLimit(.minutes(5))) struct PolicyTrialTests {
    /// Every run asks the same sets, so that what one of them found stays found; below, there are others in every run.
    private static let batches = (0..<8).map { UInt64($0) * 50..<UInt64($0 + 1) * 50 }

    @Test("the evaluator and the slow judge agree on every pair, port and protocol, also after changes", arguments: batches)
    func agreement(_ seeds: Range<UInt64>) throws {
        for seed in seeds { try compare(PolicyTrial(seed: seed, hasClusterPolicies: false)) }
    }

    @Test("they agree on sets that nobody saw before", arguments: Seed.fresh(4))
    func fresh(_ seed: Seed) throws {
        var seed = seed
        for _ in 0..<10 { try compare(PolicyTrial(seed: seed.next(), hasClusterPolicies: false)) }
    }

    @Test("these sets have every form that policies can have")
    func coverage() {
        let counts = PolicyTrial.coverage(of: Self.batches.joined().map { PolicyTrial(seed: $0) })
        let missing = PolicyForm.allCases.filter { counts[$0] == nil }
        let table = PolicyForm.allCases.map { "\(counts[$0] ?? 0)\t\($0)" }.joined(separator: "\n")
        #expect(missing.isEmpty, "\(table)")
    }

    @Test("the same seed makes the same policies, and another one others")
    func seeds() {
        func text(_ seed: UInt64) -> String {
            let trial = PolicyTrial(seed: seed)
            return "\(trial.start) \(trial.changes) \(trial.forms.map(\.rawValue).sorted())"
        }
        #expect((0..<20).allSatisfy { text($0) == text($0) })
        #expect(Set((0..<20).map(text)).count == 20)
    }

    @Test("a set says yes and no: neither answer is all there is")
    func answers() {
        var counts: [Bool: Int] = [:]
        for seed in UInt64(0)..<40 {
            let (trial, judge) = (PolicyTrial(seed: seed), SlowJudge(PolicyTrial(seed: seed).objects(after: 0)))
            for from in trial.world.ends(family: 0) {
                for to in trial.world.ends(family: 0) {
                    for ruling in judge.judge(from: from.address, to: to.address, [.init("TCP", 80)]) {
                        counts[ruling.isAllowed, default: 0] += 1
                    }
                }
            }
        }
        let least = min(counts[true] ?? 0, counts[false] ?? 0)
        #expect(least * 10 > counts.values.reduce(0, +), "\(counts)")
    }

    // MARK: - Comparing

    private func compare(_ trial: PolicyTrial) throws {
        var world = PolicyWorld()
        var nodes: [Node] = []
        for object in try trial.start.compactMap(object) { world.put(object, &nodes) }
        ask(trial, world, after: 0)
        for (position, change) in trial.changes.enumerated() {
            switch change {
            case .put(let tree): if let object = try object(tree) { world.put(object, &nodes) }
            case .delete(let name): world.remove(Self.key(name))
            }
            ask(trial, world, after: position + 1)
        }
    }

    /// Everything at the end, and of what comes before it one question of each pair.
    private func ask(_ trial: PolicyTrial, _ world: PolicyWorld, after count: Int) {
        let judge = SlowJudge(trial.objects(after: count))
        var dice = Dice(seed: trial.seed &+ UInt64(count))
        let ends = trial.world.ends(family: Int(trial.seed % 2))
        for from in ends {
            for to in ends {
                let all = TrialWorld.questions
                let questions = count == trial.changes.count ? all : [all[Int.random(in: all.indices, using: &dice)]]
                for (question, ruling) in zip(questions, judge.judge(from: from.address, to: to.address, questions)) {
                    guard let conversation = Self.conversation(from, to, question) else { continue }
                    let verdict = world.verdict(on: conversation)
                    guard !verdict.isSame(as: ruling) else { continue }
                    let policies = trial.objects(after: count).filter { $0.name.kind.hasSuffix("Policy") }
                    Issue.record(
                        """
                        \(trial) after \(count) changes: \(from) → \(to) \(question)
                        \(verdict)
                        \(ruling)
                        \(policies.map(\.description).joined(separator: "\n"))
                        """)
                    return
                }
            }
        }
    }

    private static func conversation(
        _ from: TrialWorld.End, _ to: TrialWorld.End, _ question: TrialWorld.Question
    ) -> PolicyWorld.Conversation? {
        guard let source = IPAddress(from.address), let destination = IPAddress(to.address) else { return nil }
        let transport = question.transport.flatMap(TransportProtocol.init)
        return PolicyWorld.Conversation(from: source, to: destination, transport, port: UInt16(question.port))
    }

    private static func key(_ name: Tree.Name) -> ObjectKey {
        let kind = Registry.standard.kinds.first { $0.resource.kind.kind == name.kind }?.resource.kind
        return ObjectKey(kind ?? Pod.resource.kind, namespace: name.namespace, name: name.name)
    }

    private func object(_ tree: Tree) throws -> (any KubernetesObject)? {
        try Registry.standard.read(JSONReader().value(Array(tree.description.utf8))).object
    }
}

extension PolicyWorld {
    fileprivate mutating func put(_ object: any KubernetesObject, _ nodes: inout [Node]) {
        switch object {
        case let node as Node:
            nodes.append(node)
            setNodes(nodes.map { Member(name: $0.metadata.name, addresses: $0.internalAddresses, podPrefixes: []) })
        case let namespace as Namespace: set(namespace)
        case let pod as Pod: set(pod)
        case let policy as NetworkPolicy: set(policy)
        default: break
        }
    }
}

extension PolicyVerdict {
    /// The same answer for a reason that is among the slow judge's.
    fileprivate func isSame(as ruling: SlowJudge.Ruling) -> Bool {
        isAllowed == ruling.isAllowed && egress.isSame(as: ruling.egress) && ingress.isSame(as: ruling.ingress)
    }
}

extension PolicyVerdict.Side {
    fileprivate func isSame(as side: SlowJudge.Side) -> Bool {
        switch (self, side) {
        case (.exempt, .free), (.open, .free): true
        case (.opened(_, let opening), .opened(let rules)): rules.contains("\(opening.policy) \(opening.rule)")
        case (.closed(_, let policies), .closed(let names)): Set(policies.map(\.description)) == names
        default: false
        }
    }
}
