import Addressing
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Services, pods and nodes that come, change and go by chance, a real agent that follows, and a prober that never pauses.
///
/// After each step the kernel is compared with the plan, by a plan that is made here from the same objects; at the end everything is
/// as it was at the beginning, and nothing may have grown.
final class ServiceSoak {
    private let seconds: Int
    private var dice: SoakDice
    private let scene: SoakScene
    private let services = 20
    private var model = SoakModel()
    private var pods: [String: SoakPod] = [:]
    private var podCount = 0
    private var words: [String] = []
    private var steps = 0
    private var changes = 0

    private init(seconds: Int, seed: UInt64) throws {
        self.seconds = seconds
        dice = SoakDice(seed)
        scene = try SoakScene()
    }

    /// - Returns: whether all was well.
    static func run(seconds: Int, seed: UInt64) throws -> Bool {
        print("soak of services for \(seconds) s, seed \(seed)")
        let soak = try ServiceSoak(seconds: seconds, seed: seed)
        defer { soak.scene.end() }
        do {
            return try soak.run()
        } catch {
            print(
                "  \(error)\n  in step \(soak.steps): \(soak.words.joined(separator: ", "))\n  the agent said:\n\(soak.scene.log.suffix(3000))"
            )
            return false
        }
    }

    private func run() throws -> Bool {
        let prober = try begin()
        let (start, first) = (model, try scene.census())
        // What an agent needs for a moment comes and goes: the least of each third is compared.
        var thirds: [[SoakScene.Footprint]] = [[], [], []]
        let begun = ContinuousClock.now
        prober.start(dice.next())
        while ContinuousClock.now - begun < .seconds(seconds) {
            try step(prober)
            thirds[min(2, Int((ContinuousClock.now - begun) / .seconds(seconds) * 3))].append(scene.footprint())
        }
        // Back to the beginning, with other pods: what is there now must be what was there then.
        words = ["back to the beginning"]
        var end = start
        end.pods = model.pods
        let names = Array(zip(start.pods.keys.sorted(), model.pods.keys.sorted()))
        let others = Dictionary(names) { first, _ in first }
        for number in end.services.keys {
            let members = end.services[number]?.members ?? []
            end.services[number]?.members = Set(members.compactMap { others[$0] })
        }
        try settle(end, prober)
        prober.stop()
        let last = try scene.census()
        thirds[2].append(scene.footprint())
        let footprints = thirds.map { third in
            SoakScene.Footprint(
                kibibytes: third.map(\.kibibytes).min() ?? .max, descriptors: third.map(\.descriptors).min() ?? .max)
        }
        // The first one takes chains away that nobody needs any more.
        _ = try scene.restart()
        try scene.awaitPlan(of: model)
        let writes = try scene.restart()
        return report(prober.counts, (first, last), footprints, writes)
    }

    private func begin() throws -> SoakProber {
        try scene.write(model)
        try scene.start()
        let client = try scene.attach("client")
        scene.responder.take(client.responder)
        pods["client"] = client
        for _ in 0..<10 { try addPod() }
        for number in 1...services {
            model.services[number] = SoakModel.Service(
                members: Set(model.pods.keys.sorted().shuffled(using: &dice).prefix(1 + number % 4)))
        }
        for number in 1...4 { model.peers[number] = SoakModel.Peer(address: 10 + number, range: 10 + number) }
        let prober = try SoakProber(in: client.namespace, services: services)
        try settle(model, prober)
        return prober
    }

    // MARK: - Steps

    private func step(_ prober: SoakProber) throws {
        steps += 1
        words = []
        var next = model
        for _ in 0..<(1 + dice.below(6)) { words.append(next.change(&dice, maximum: services)) }
        try settle(next, prober)
        guard dice.below(2) == 0 else { return }
        // A pod is replaced: no service has it any more when it goes.
        try addPod()
        guard let old = model.pods.keys.sorted().randomElement(using: &dice), pods.count > 10 else { return }
        next = model
        words = ["pod \(old) goes"]
        for number in next.services.keys { next.services[number]?.members.remove(old) }
        try settle(next, prober)
        try removePod(old)
    }

    private func addPod() throws {
        podCount += 1
        let pod = try scene.attach("pod-\(podCount)")
        scene.responder.take(pod.responder)
        pods[pod.name] = pod
        model.pods[pod.name] = pod.address
    }

    private func removePod(_ name: String) throws {
        guard let pod = pods.removeValue(forKey: name) else { return }
        try scene.detach(pod)
        scene.responder.forget(name)
        model.pods[name] = nil
    }

    /// Asks for it, and waits until the kernel is so.
    private func settle(_ next: SoakModel, _ prober: SoakProber) throws {
        changes += words.count
        prober.expect(Self.expectations(from: model, to: next, upTo: services))
        try scene.write(next)
        try scene.awaitPlan(of: next)
        model = next
        prober.expect(Self.expectations(from: next, to: next, upTo: services))
    }

    private static func expectations(from old: SoakModel, to new: SoakModel, upTo count: Int) -> [Int: SoakProber.Expectation] {
        var expectations: [Int: SoakProber.Expectation] = [:]
        for number in 1...count {
            let (before, after) = (old.services[number], new.services[number])
            let port = (before ?? after)?.port ?? 80
            let isSame = before == nil || after == nil || before?.port == after?.port
            let versions = isSame ? [before, after] : [before]
            expectations[number] = SoakProber.Expectation(
                port: port, members: versions.reduce(into: []) { $0.formUnion($1?.members ?? []) },
                mayBeSilent: !isSame || [before, after].contains { $0?.members.isEmpty ?? true })
        }
        return expectations
    }

    // MARK: - The end

    private func report(
        _ counts: SoakProber.Counts, _ census: (first: [String: Int], last: [String: Int]),
        _ footprints: [SoakScene.Footprint], _ writes: Int
    ) -> Bool {
        var isWell = true
        func line(_ isRight: Bool, _ text: String) {
            isWell = isWell && isRight
            print("  \(isRight ? "ok " : "NOT") \(text)")
        }
        print("  \(steps) steps of \(changes) changes, \(podCount) pods")
        let answers = counts.answers.sorted { $0.key < $1.key }.map { "\($0.value) by \($0.key)" }.joined(separator: " and ")
        line(
            counts.answers.values.allSatisfy { $0 > 0 },
            "\(answers) answered by the right pod, \(counts.refusals) refused where nobody is")
        line(counts.wrong == 0, "\(counts.wrong) answered by a wrong one")
        line(counts.unanswered == 0, "\(counts.unanswered) not answered although somebody was there")
        for fault in counts.faults { print("      \(fault)") }
        line(true, "after every step the kernel was as planned")
        line(writes == 0, "a new agent finds \(writes) things to change")
        let grown = census.last.filter { $0.value != census.first[$0.key] ?? 0 }.keys.sorted()
        line(
            grown.isEmpty && census.last.count == census.first.count,
            "kernel objects as at the beginning"
                + (grown.isEmpty ? "" : ": \(grown.map { "\($0) \(census.first[$0] ?? 0) → \(census.last[$0] ?? 0)" })"))
        // An allocator keeps what it once had, and takes a while to have had all: sixteen MiB more than in the middle is more than that.
        let (middle, last) = (footprints[1], footprints[2])
        line(
            last.kibibytes - min(last.kibibytes, middle.kibibytes) <= 16 << 10,
            "the agent's memory, the least in each third: "
                + footprints.map { "\($0.kibibytes >> 10) MiB" }.joined(separator: ", "))
        line(
            last.descriptors <= middle.descriptors,
            "its descriptors, the same: " + footprints.map { "\($0.descriptors)" }.joined(separator: ", "))
        print(isWell ? "soak: all is well" : "soak: NOT well; again with --seed \(dice.seed)")
        return isWell
    }
}
