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
        for seed in seeds { try compare(PolicyTrial(seed: seed, in: .withSidecars)) }
    }

    @Test("they agree on sets that nobody saw before", arguments: Seed.fresh(4))
    func fresh(_ seed: Seed) throws {
        var seed = seed
        for _ in 0..<10 { try compare(PolicyTrial(seed: seed.next(), in: .withSidecars)) }
    }

    @Test("these sets have every form that policies can have")
    func coverage() {
        let counts = PolicyTrial.coverage(of: Self.batches.joined().map { PolicyTrial(seed: $0) })
        let missing = PolicyForm.allCases.filter { counts[$0] == nil }
        let table = PolicyForm.allCases.map { "\(counts[$0] ?? 0)\t\($0)" }.joined(separator: "\n")
        #expect(missing.isEmpty, "\(table)")
    }

    @Test("sets that an API server is to take have every form that it takes, and no other")
    func served() {
        let counts = PolicyTrial.coverage(of: Self.batches.joined().map { PolicyTrial(seed: $0, isReadable: true) })
        let served = Set(PolicyForm.allCases.filter(\.isServed))
        #expect(Set(counts.keys) == served, "\(Set(counts.keys).symmetricDifference(served))")
    }

    @Test("a set that an API server is to take has no fault, also in a world of one family")
    func readable() throws {
        var world = TrialWorld.standard
        for index in world.pods.indices { world.pods[index].addresses.removeLast() }
        for index in world.nodes.indices { world.nodes[index].addresses.removeLast() }
        for index in world.outside.indices { world.outside[index].removeLast() }
        for seed in UInt64(0)..<60 {
            let trial = PolicyTrial(seed: seed, in: world, isReadable: true)
            for object in trial.objects(after: trial.changes.count) {
                let faults = try Registry.standard.read(JSONReader().value(Array(object.description.utf8))).faults
                #expect(faults.isEmpty, "\(trial): \(object)")
            }
        }
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
        for object in try trial.start.compactMap(PolicyCourt.object) { world.put(object, &nodes) }
        ask(trial, world, after: 0)
        for (position, change) in trial.changes.enumerated() {
            switch change {
            case .put(let tree): if let object = try PolicyCourt.object(tree) { world.put(object, &nodes) }
            case .delete(let name): world.remove(Self.key(name))
            }
            ask(trial, world, after: position + 1)
        }
    }

    /// Everything at the end; of what comes before it, one question of each pair that a few ends are in.
    private func ask(_ trial: PolicyTrial, _ world: PolicyWorld, after count: Int) {
        let objects = trial.objects(after: count)
        let (judge, trialJudge) = (SlowJudge(objects), SlowJudge(objects, withShadows: true))
        let seed = trial.seed
        var dice = Dice(seed: seed &+ UInt64(count))
        let isLast = count == trial.changes.count
        let ends = trial.world.ends(family: Int(trial.seed % 2)).map { (end: $0, address: IPAddress($0.address)) }
        let isPod = Set(trial.world.pods.map(\.title))
        for from in isLast ? ends : Array(ends.shuffled(using: &dice).prefix(3)) {
            // Policies are about pods.
            for to in ends where isPod.contains(from.end.title) || isPod.contains(to.end.title) {
                guard let source = from.address, let destination = to.address else { continue }
                let all = TrialWorld.questions
                let questions = isLast ? all : [all[Int.random(in: all.indices, using: &dice)]]
                let rulings = judge.judge(from: from.end.address, to: to.end.address, questions)
                let onTrial = trialJudge.judge(from: from.end.address, to: to.end.address, questions)
                for (question, (ruling, trial)) in zip(questions, zip(rulings, onTrial)) {
                    let verdict = world.verdict(
                        on: PolicyWorld.Conversation(
                            from: source, to: destination, question.transport.flatMap(TransportProtocol.init),
                            port: UInt16(question.port)))
                    guard !verdict.isSame(as: ruling, trial) else { continue }
                    let policies = objects.filter { $0.name.kind.hasSuffix("Policy") }
                    Issue.record(
                        """
                        seed \(seed) after \(count) changes: \(from.end) → \(to.end) \(question)
                        \(verdict)
                        \(ruling); with the shadows in force \(trial)
                        \(policies.map(\.description).joined(separator: "\n"))
                        """)
                    return
                }
            }
        }
    }

    private static func key(_ name: Tree.Name) -> ObjectKey {
        let kind = Registry.standard.kinds.first { $0.resource.kind.kind == name.kind }?.resource.kind
        return ObjectKey(kind ?? Pod.resource.kind, namespace: name.namespace, name: name.name)
    }
}
