import Addressing
import Cluster
import Glibc
import NFTables
import NFTablesKernel
import PolicyTrials

/// The matrix of network policies in a lab: sets of policies made by chance are written to its server, one after the other, and
/// change while packets are on their way. What happens to every packet has to be what the evaluator says.
///
/// ```
/// policies, pods, namespaces ─► API server ─► agents ─► kernels of three nodes
///                                    │                        ▲ nine pods ask each other
///                                    └─► evaluator ── same? ──┘ answers, and counters of what was refused
/// ```
/// That a set is in force is seen in the kernels: their tables are what the plan makes of the server's objects.
final class PolicySoak {
    /// Until so many sets were asked, or so many seconds have passed.
    struct Extent {
        var sets: Int?
        var seconds: Int
    }

    private let extent: Extent
    private let first: UInt64
    private let cluster: MatrixCluster
    private let bench: MatrixBench
    private var dice: Dice
    private var sets = 0
    private var changes = 0
    private var coverage: [PolicyForm: Int] = [:]
    private var disagreements: [String] = []

    private init(_ extent: Extent, seed: UInt64, _ cluster: MatrixCluster) {
        (self.extent, first, self.cluster) = (extent, seed, cluster)
        dice = Dice(seed: seed)
        bench = MatrixBench(cluster)
    }

    /// - Returns: whether all was well.
    static func run(_ extent: Extent, seed: UInt64) async throws -> Bool {
        print("soak of policies, \(extent.sets.map { "\($0) sets" } ?? "\(extent.seconds) s"), seed \(seed)")
        let lab = try await MatrixLab(nodes: 3)
        do {
            let soak = PolicySoak(extent, seed: seed, try await MatrixCluster(lab))
            let isWell = try await soak.run()
            await lab.end()
            return isWell
        } catch {
            print("  \(error)\n  the agents said:\n\(lab.log)")
            await lab.end()
            return false
        }
    }

    private func run() async throws -> Bool {
        try await reset()
        let census = try census()
        var thirds: [[SoakScene.Footprint]] = [[], [], []]
        let begin = ContinuousClock.now
        var told = begin
        while bench.mismatches.isEmpty, disagreements.isEmpty {
            let elapsed = ContinuousClock.now - begin
            if let most = extent.sets, sets >= most { break }
            if extent.sets == nil, elapsed >= .seconds(extent.seconds) { break }
            try await set(first &+ UInt64(sets))
            sets += 1
            let part = extent.sets.map { Double(sets) / Double($0) } ?? elapsed / .seconds(extent.seconds)
            thirds[min(2, Int(part * 3))].append(cluster.lab.footprint())
            if ContinuousClock.now - told > .seconds(60) {
                told = .now
                print(
                    "  after \(Int(elapsed / .seconds(1))) s: \(sets) sets, \(bench.counts.answered + bench.counts.refused) questions"
                )
                // Who follows it in a file sees how far it is.
                fflush(nil)
            }
        }
        // Back to the beginning: what is there now must be what was there then.
        try await reset()
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        return report(seconds, census, try self.census(), thirds)
    }

    // MARK: - One set

    /// All pods, and no policies.
    private func reset() async throws {
        try await move(to: cluster.world.objects, title: "reset")
        if let lag = try cluster.lag(behind: cluster.state) { throw MatrixLab.Trouble("after everything was taken back: \(lag)") }
    }

    private func set(_ seed: UInt64) async throws {
        // Policies name the addresses that pods have: first all have to be there.
        if cluster.state.pods.count < cluster.world.pods.count { try await reset() }
        let trial = PolicyTrial(seed: seed, in: cluster.world, hasClusterPolicies: cluster.hasClusterPolicies, isReadable: true)
        for form in trial.forms { coverage[form, default: 0] += 1 }
        try await move(to: trial.objects(after: 0), title: "\(trial)")
        if !trial.changes.isEmpty { try bench.askAll([IPFamily.allCases[sets % 2]], "\(trial)") }
        for number in trial.changes.indices where bench.mismatches.isEmpty {
            try await change(to: trial.objects(after: number + 1), title: "\(trial), change \(number + 1)")
        }
        guard bench.mismatches.isEmpty else { return explain(trial) }
        try bench.askAll(IPFamily.allCases, "\(trial), at the end")
        compareJudges("\(trial)")
        if !bench.mismatches.isEmpty { explain(trial) }
    }

    private func explain(_ trial: PolicyTrial) {
        for tree in cluster.state.trees where tree.name.kind.hasSuffix("Policy") { print("      \(tree)") }
    }

    /// All at once.
    private func move(to objects: [Tree], title: String) async throws {
        for step in cluster.steps(to: objects) { try await cluster.carryOut(step) }
        try await settle(from: nil, title)
    }

    /// One write after the other, under traffic.
    private func change(to objects: [Tree], title: String) async throws {
        for step in cluster.steps(to: objects) {
            changes += 1
            let old = cluster.state
            let begin = ContinuousClock.now
            let early = try bench.begin(old, old, &dice)
            try await cluster.carryOut(step)
            // Nobody answers meanwhile; the answer to what is forgotten is no answer but a question of its own.
            let isFresh = ContinuousClock.now - begin < .seconds(MatrixLab.memory) / 2
            try await settle(from: (old, isFresh ? early : []), "\(title), \(step)")
            guard bench.mismatches.isEmpty else { return }
        }
    }

    /// Until what the server holds is in force.
    ///
    /// - Parameter traffic: what was before, and what was asked then; `nil`: nobody asks meanwhile.
    private func settle(from traffic: (old: MatrixState, early: [MatrixProbe])?, _ title: String) async throws {
        let new = try await cluster.observe()
        if let (old, early) = traffic { bench.judge(early, from: old, to: new, title) }
        let deadline = ContinuousClock.now + .seconds(60)
        while let lag = try cluster.lag(behind: new) ?? serviceLag(new, traffic?.old) {
            guard ContinuousClock.now < deadline else { throw MatrixLab.Trouble("\(title): not in force after a minute: \(lag)") }
            if let old = traffic?.old {
                bench.judge(try bench.begin(old, new, &dice), from: old, to: new, title)
            } else {
                try await Task.sleep(for: .milliseconds(3))
            }
        }
        cluster.adopt(new)
        try bench.seat(new)
    }

    /// Services change with pods alone.
    private func serviceLag(_ new: MatrixState, _ old: MatrixState?) throws -> String? {
        let before = (old ?? cluster.state).pods.mapValues(\.uid)
        return before == new.pods.mapValues(\.uid) ? nil : try cluster.serviceLag(behind: new)
    }

    /// The evaluator, which the matrix is held against, and the judge that shares no code with it.
    private func compareJudges(_ title: String) {
        let (state, judge) = (cluster.state, SlowJudge(cluster.state.trees))
        let family = IPFamily.allCases[sets % 2]
        for (from, source) in state.pods {
            for (to, destination) in state.pods {
                guard let one = source.addresses[family], let other = destination.addresses[family] else { continue }
                let questions = ["TCP", "UDP", "SCTP"].flatMap { name in
                    MatrixProber.ports.map { TrialWorld.Question(name, Int($0)) }
                }
                let rulings = judge.judge(from: one.description, to: other.description, questions)
                for (question, ruling) in zip(questions, rulings) {
                    let transport = question.transport.flatMap(TransportProtocol.init) ?? .tcp
                    let verdict = state.verdict(from, to, family, transport, UInt16(question.port))
                    guard verdict?.isAllowed != ruling.isAllowed, disagreements.count < 5 else { continue }
                    disagreements.append("\(title): \(one) → \(other) \(question): \(verdict.map { "\($0)" } ?? ""), \(ruling)")
                }
            }
        }
    }

    // MARK: - The end

    /// How many of what the kernels have of ours.
    private func census() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for (name, node) in cluster.lab.nodes {
            for id in try node.tables.tables() where id.name != PolicySoak.portTable {
                guard let table = try node.tables.observe(id)?.table else { continue }
                for set in table.sets.values where set.shape.data != .verdict && !set.shape.isDynamic {
                    counts["elements of \(id) \(set.name) on \(name)"] = set.elements.count
                }
                counts["chains of \(id) on \(name)"] = table.chains.count
            }
        }
        return counts.filter { $0.value > 0 }
    }

    private static let portTable = "tulle-ports"

    private func report(
        _ seconds: Double, _ before: [String: Int], _ after: [String: Int], _ thirds: [[SoakScene.Footprint]]
    ) -> Bool {
        var isWell = true
        func line(_ isRight: Bool, _ text: String) {
            isWell = isWell && isRight
            print("  \(isRight ? "ok " : "NOT") \(text)")
        }
        let counts = bench.counts
        print("  \(sets) sets and \(changes) changes under traffic in \(Int(seconds)) s")
        line(
            counts.answered > 0 && counts.refused > 0,
            "\(counts.answered) questions answered, \(counts.refused) refused, by evidence")
        line(
            changes == 0 || counts.meanwhile > 0,
            "\(counts.meanwhile) judged in \(counts.batches) batches while something changed")
        line(bench.mismatches.isEmpty, "\(bench.mismatches.count) mismatches with the evaluator")
        for text in bench.mismatches + disagreements { print("      \(text)") }
        line(disagreements.isEmpty, "\(disagreements.count) disagreements of the evaluator and the slow judge")
        line(true, "\(counts.repeated) batches asked again, since they took too long")
        let wanted = PolicyForm.allCases.filter { $0.isServed && (cluster.hasClusterPolicies || !$0.isOfClusterPolicies) }
        let missing = wanted.filter { coverage[$0] == nil }
        let rarest = coverage.sorted { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }.prefix(3)
            .map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        // A few sets cannot have everything.
        line(
            missing.isEmpty || sets < 200,
            "\(wanted.count - missing.count) of \(wanted.count) forms"
                + (missing.isEmpty || sets < 200 ? ", the rarest: \(rarest)" : "; not \(missing.map(\.rawValue))"))
        let grown = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.sorted()
        line(
            grown.isEmpty,
            "kernel objects as at the beginning"
                + (grown.isEmpty ? "" : ": \(grown.map { "\($0) \(before[$0] ?? 0) → \(after[$0] ?? 0)" })"))
        let footprints = thirds.map { third in
            SoakScene.Footprint(
                kibibytes: third.map(\.kibibytes).min() ?? .max, descriptors: third.map(\.descriptors).min() ?? .max)
        }
        // As in the soak of services, for three agents.
        let (middle, last) = (footprints[1], footprints[2])
        line(
            last.kibibytes - min(last.kibibytes, middle.kibibytes) <= 48 << 10,
            "the agents' memory, the least in each third: "
                + footprints.map { $0.kibibytes == .max ? "–" : "\($0.kibibytes >> 10) MiB" }.joined(separator: ", "))
        line(
            last.descriptors <= middle.descriptors,
            "their descriptors: " + footprints.map { $0.descriptors == .max ? "–" : "\($0.descriptors)" }.joined(separator: ", "))
        print(isWell ? "soak: all is well" : "soak: NOT well; again with --seed \(first)")
        return isWell
    }
}
