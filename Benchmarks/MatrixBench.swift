import Addressing
import Cluster
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import PolicyTrials

/// Asks the pods of a cluster and holds what comes of it against the evaluator, by evidence: allowed is what was answered, by the
/// right pod; denied is what a counter of refused packets has counted. What is neither is a mismatch too.
final class MatrixBench {
    private let cluster: MatrixCluster
    private let prober: MatrixProber
    /// By number, the pods that have sockets.
    private var seated: [Int: String] = [:]
    private(set) var counts = Counts()
    /// In words, the first ones.
    private(set) var mismatches: [String] = []

    struct Counts {
        var answered = 0
        var refused = 0
        /// While something changed.
        var meanwhile = 0
        var batches = 0
        /// Looked at again, since a connection that waits for more than a second asks once more.
        var repeated = 0
    }

    init(_ cluster: MatrixCluster) {
        self.cluster = cluster
        prober = MatrixProber()
    }

    private func mismatch(_ text: String) { if mismatches.count < 20 { mismatches.append(text) } }

    /// Sockets in the pods that are there now.
    func seat(_ state: MatrixState) throws {
        for number in seated.keys where state.pods[number]?.uid != seated[number] {
            prober.forget(number)
            seated[number] = nil
        }
        for (number, pod) in state.pods where seated[number] == nil {
            guard let namespace = try cluster.lab.namespace(ofPod: pod.uid) else {
                throw MatrixLab.Trouble("pod \(number) runs, and has no process")
            }
            try prober.take(number, in: namespace)
            seated[number] = pod.uid
        }
    }

    // MARK: - Everything

    private static let transports = [TransportProtocol.tcp, .udp, .sctp]

    /// Every pair, port and protocol, at the pods' and at the services' addresses.
    func askAll(_ families: [IPFamily], _ title: String) throws {
        let state = cluster.state
        for family in families {
            for isOfService in [false, true] {
                let probes = try probes(state, family, isOfService)
                try ask(probes, state, family, title)
                guard mismatches.isEmpty else { return }
            }
        }
    }

    private func probes(_ state: MatrixState, _ family: IPFamily, _ isOfService: Bool) throws -> [MatrixProbe] {
        var probes: [MatrixProbe] = []
        for from in state.pods.keys.sorted() {
            for to in state.pods.keys.sorted() {
                for transport in Self.transports {
                    for port in MatrixProber.ports {
                        probes.append(try probe(state, from, to, family, transport, port, isOfService))
                    }
                }
            }
        }
        return probes
    }

    private func probe(
        _ state: MatrixState, _ from: Int, _ to: Int, _ family: IPFamily, _ transport: TransportProtocol, _ port: UInt16,
        _ isOfService: Bool
    ) throws -> MatrixProbe {
        guard let address = isOfService ? state.services[to]?[family] : state.pods[to]?.addresses[family] else {
            throw MatrixLab.Trouble("pod \(to) has no address")
        }
        return MatrixProbe(
            id: prober.takeID(), from: from, to: to,
            target: SocketAddress(address, isOfService ? MatrixCluster.front(port) : port), transport: transport, port: port,
            isOfService: isOfService)
    }

    /// What has to come of a batch.
    private struct Expectation: Equatable {
        /// Who answers, by question.
        var answers: [UInt32: Int] = [:]
        /// What is refused, by node: of the sender, and of the receiver.
        var refused: [String: [Refusal: UInt64]] = [:]
    }

    private struct Refusal: Hashable {
        var set: String
        var address: IPAddress
    }

    private static let senders = "refused-senders"
    private static let receivers = "refused-receivers"

    private func ask(_ probes: [MatrixProbe], _ state: MatrixState, _ family: IPFamily, _ title: String) throws {
        var wanted = Expectation()
        for probe in probes {
            guard let source = state.pods[probe.from], let destination = state.pods[probe.to],
                let verdict = state.verdict(probe.from, probe.to, family, probe.transport, probe.port),
                let from = source.addresses[family], let to = destination.addresses[family]
            else { continue }
            if verdict.isAllowed {
                wanted.answers[probe.id] = probe.to
            } else if !verdict.egress.isAllowed {
                wanted.refused[source.node, default: [:]][Refusal(set: Self.senders, address: from), default: 0] += 1
            } else {
                wanted.refused[destination.node, default: [:]][Refusal(set: Self.receivers, address: to), default: 0] += 1
            }
        }
        for attempt in 1...10 {
            let before = try refused(family)
            let begin = ContinuousClock.now
            try prober.ask(probes)
            var seen = Expectation()
            // A connection asks again after a second; until then each question is one packet.
            while ContinuousClock.now - begin < .milliseconds(900) {
                prober.serve(5)
                seen.answers = prober.answers
                guard seen.answers.count >= wanted.answers.count else { continue }
                seen.refused = Self.rise(from: before, to: try refused(family))
                if seen == wanted || seen.answers != wanted.answers { break }
            }
            if seen == wanted {
                prober.end()
                counts.answered += wanted.answers.count
                counts.refused += probes.count - wanted.answers.count
                return
            }
            if attempt == 10 || seen.answers.contains(where: { wanted.answers[$0.key] != $0.value }) {
                seen.refused = Self.rise(from: before, to: try refused(family))
                return report(probes, state, wanted, seen, title)
            }
            counts.repeated += 1
        }
    }

    private func report(
        _ probes: [MatrixProbe], _ state: MatrixState, _ wanted: Expectation, _ seen: Expectation, _ title: String
    ) {
        for probe in probes where wanted.answers[probe.id] != seen.answers[probe.id] {
            let verdict = state.verdict(probe.from, probe.to, probe.family, probe.transport, probe.port)
            let answer = seen.answers[probe.id].map { $0 < 0 ? "errno \(-$0)" : name($0) } ?? "nobody"
            mismatch("\(title): \(describe(probe)): \(answer) answered; \(verdict.map { "\($0)" } ?? "")")
        }
        for node in cluster.lab.nodes.keys.sorted() where wanted.refused[node] ?? [:] != seen.refused[node] ?? [:] {
            let (right, there) = (wanted.refused[node] ?? [:], seen.refused[node] ?? [:])
            for refusal in Set(right.keys).union(there.keys) where right[refusal] != there[refusal] {
                mismatch(
                    "\(title): \(node) \(refusal.set) \(refusal.address): counted \(there[refusal] ?? 0) of \(right[refusal] ?? 0)"
                )
            }
        }
    }

    private func name(_ pod: Int) -> String { cluster.world.pods[pod].title }

    private func describe(_ probe: MatrixProbe) -> String {
        "\(name(probe.from)) → \(probe.isOfService ? "the service of " : "")\(name(probe.to)) "
            + "\(probe.transport.rawValue)/\(probe.port) \(probe.family.name)"
    }

    // MARK: - Counters

    private func refused(_ family: IPFamily) throws -> [String: [Refusal: UInt64]] {
        let id = Table.ID(family == .v4 ? .ip : .ip6, PacketPath.policyTable)
        var found: [String: [Refusal: UInt64]] = [:]
        for (name, node) in cluster.lab.nodes {
            guard try node.tables.tables().contains(id) else { continue }
            for set in [Self.senders, Self.receivers] {
                for (key, counted) in try node.tables.counters(of: set, in: id) where counted.packets > 0 {
                    guard let address = IPAddress(bytes: key.bytes) else { continue }
                    found[name, default: [:]][Refusal(set: set, address: address)] = counted.packets
                }
            }
        }
        return found
    }

    private static func rise(
        from before: [String: [Refusal: UInt64]], to after: [String: [Refusal: UInt64]]
    ) -> [String: [Refusal: UInt64]] {
        var rise: [String: [Refusal: UInt64]] = [:]
        for (node, counters) in after {
            for (refusal, count) in counters where count > before[node]?[refusal] ?? 0 {
                rise[node, default: [:]][refusal] = count - (before[node]?[refusal] ?? 0)
            }
        }
        return rise
    }
}

// MARK: - While something changes

extension MatrixBench {
    /// Asks a few by chance, among the pods that are there in both.
    func begin(_ state: MatrixState, _ next: MatrixState, _ dice: inout Dice) throws -> [MatrixProbe] {
        let pods = state.pods.keys.sorted().filter {
            seated[$0] == state.pods[$0]?.uid && seated[$0] == next.pods[$0]?.uid
        }
        guard let first = pods.first else { return [] }
        let probes = try (0..<40).map { _ in
            try probe(
                state, pods.randomElement(using: &dice) ?? first, pods.randomElement(using: &dice) ?? first,
                Bool.random(using: &dice) ? .v4 : .v6, Self.transports.randomElement(using: &dice) ?? .tcp,
                MatrixProber.ports.randomElement(using: &dice) ?? 80, Bool.random(using: &dice))
        }
        try prober.ask(probes)
        return probes
    }

    /// Judges them: what is allowed before and after has to be answered, and what neither allows must not be. Each end is judged on
    /// its own: the nodes do not change at the same moment.
    func judge(_ probes: [MatrixProbe], from old: MatrixState, to new: MatrixState, _ title: String) {
        var required: Set<UInt32> = []
        var forbidden: Set<UInt32> = []
        for probe in probes {
            // Who comes or goes meanwhile is nobody's to promise.
            guard [probe.from, probe.to].allSatisfy({ old.pods[$0] != nil && old.pods[$0]?.uid == new.pods[$0]?.uid }),
                let before = old.verdict(probe.from, probe.to, probe.family, probe.transport, probe.port),
                let after = new.verdict(probe.from, probe.to, probe.family, probe.transport, probe.port)
            else { continue }
            let (sends, receives) = ([before.egress, after.egress], [before.ingress, after.ingress])
            if (sends + receives).allSatisfy(\.isAllowed) { required.insert(probe.id) }
            if sends.allSatisfy({ !$0.isAllowed }) || receives.allSatisfy({ !$0.isAllowed }) { forbidden.insert(probe.id) }
        }
        let deadline = ContinuousClock.now + .seconds(20)
        repeat { prober.serve(5) } while !required.isSubset(of: prober.answers.keys) && ContinuousClock.now < deadline
        counts.batches += 1
        counts.meanwhile += required.count + forbidden.count
        for probe in probes {
            let answer = prober.answers[probe.id]
            if required.contains(probe.id), answer != probe.to {
                mismatch(
                    "\(title): \(describe(probe)) is allowed before and after; \(answer.map { "\($0)" } ?? "nobody") answered")
            }
            if forbidden.contains(probe.id), answer != nil {
                mismatch("\(title): \(describe(probe)) is denied before and after, and was answered")
            }
        }
    }
}
