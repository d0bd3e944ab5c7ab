import Cluster
import KubeAPI
import NFTables
import NFTablesKernel
import Plan
import Telemetry

/// What the kernel's rules have counted, kept by whose they are: chains come and go with what policies say, and their counters with
/// them.
struct PolicyCounts: Sendable {
    private(set) var packets: [PolicyTally: UInt64] = [:]
    /// What each rule had counted when it was last read.
    private var seen: [Place: [UInt64]] = [:]

    private struct Place: Hashable {
        var table: Table.ID
        var chain: String
    }

    /// - Parameters:
    ///   - counts: of the table's rules, by chain, as they were read now.
    ///   - tallies: whose they are.
    mutating func read(_ counts: [String: [Counted?]], of table: Table.ID, _ tallies: [String: [PolicyTally?]]) {
        var now = seen.filter { $0.key.table != table }
        for (chain, tallies) in tallies {
            // Somebody changed the chain: which rule is whose nobody knows.
            guard let rules = counts[chain], rules.count == tallies.count else { continue }
            let place = Place(table: table, chain: chain)
            let (values, before) = (rules.map { $0?.packets ?? 0 }, seen[place])
            for (position, tally) in tallies.enumerated() {
                guard let tally, values[position] > 0 else { continue }
                // One that was made anew began at nothing.
                let old = before?[position] ?? 0
                packets[tally, default: 0] += values[position] >= old ? values[position] - old : values[position]
            }
            now[place] = values
        }
        seen = now
    }

    /// Forgets policies that are there no more.
    mutating func keep(_ isThere: (ObjectKey) -> Bool) {
        packets = packets.filter { $0.key.policies.isEmpty || $0.key.policies.contains(where: isThere) }
    }

    /// Of each policy and direction what was allowed, denied, and would have been denied; what is refused because nothing opens it is
    /// each isolating policy's.
    func samples(_ most: Int) -> [Exposition.Sample] {
        var sums: [Line: UInt64] = [:]
        for (tally, count) in packets where tally.outcome != .passed && tally.outcome != .shadowPassed {
            for policy in tally.policies {
                sums[Line(policy: policy, direction: tally.direction, outcome: tally.outcome), default: 0] += count
            }
        }
        return sums.sorted { $0.key < $1.key }.prefix(most).map { line, count in
            Exposition.Sample(
                Double(count),
                [
                    "kind": line.policy.kind, "namespace": line.policy.namespace, "policy": line.policy.name,
                    "direction": line.direction.rawValue.lowercased(), "outcome": line.outcome.rawValue,
                ])
        }
    }

    private struct Line: Hashable, Comparable {
        var policy: ObjectKey
        var direction: NetworkPolicy.Direction
        var outcome: PolicyTally.Outcome

        static func < (a: Line, b: Line) -> Bool {
            a.policy == b.policy
                ? (a.direction.rawValue, a.outcome.rawValue) < (b.direction.rawValue, b.outcome.rawValue) : a.policy < b.policy
        }
    }
}
