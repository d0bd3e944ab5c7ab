import NFTables
import NFTablesKernel
public import Netlink
import Plan

/// What the rules of policies have counted in a network namespace, as the kernel tells it: no agent is asked, and none need run.
public struct PolicyListing: Sendable {
    public struct Row: Hashable, Sendable {
        /// `ip` or `ip6`.
        public var family: String
        /// `ingress`, `egress`, or `egress to its node`.
        public var direction: String
        /// The rule and its policy, as `ingress[0] of shop/db`; of what nothing opens, who isolates.
        public var rule: String
        /// `allowed`, `denied`, `passed`; of what is tried out alone with `shadow-` before it.
        public var outcome: String
        public var packets: UInt64
    }

    /// By family and direction, those that counted most first.
    public private(set) var rows: [Row] = []

    /// Of the namespace that the calling thread is in.
    public init() throws(KernelError) {
        let kernel = try KernelTables(in: NetworkNamespace.current())
        for family in [TableFamily.ip, .ip6] {
            let id = Table.ID(family, PacketPath.policyTable)
            guard let table = try kernel.observe(id)?.table else { continue }
            add(table, try kernel.ruleCounts(in: id))
        }
    }

    init(_ table: Table, _ counts: [String: [Counted?]]) { add(table, counts) }

    private mutating func add(_ table: Table, _ counts: [String: [Counted?]]) {
        var sums: [Row: UInt64] = [:]
        for (name, chain) in table.chains {
            guard let direction = Self.direction(name), let counted = counts[name], counted.count == chain.rules.count else {
                continue
            }
            for (rule, count) in zip(chain.rules, counted) {
                guard let comment = rule.comment, let count, let outcome = Self.outcome(of: rule, in: name) else { continue }
                let row = Row(family: table.id.family.name, direction: direction, rule: comment, outcome: outcome, packets: 0)
                sums[row, default: 0] += count.packets
            }
        }
        for (row, packets) in sums {
            var row = row
            row.packets = packets
            rows.append(row)
        }
        rows.sort { a, b in
            (a.family, a.direction) == (b.family, b.direction)
                ? a.packets == b.packets ? a.rule < b.rule : a.packets > b.packets
                : (a.family, a.direction) < (b.family, b.direction)
        }
    }

    private static func direction(_ chain: String) -> String? {
        if chain.hasPrefix("in-") { return "ingress" }
        if chain.hasPrefix("out-") { return "egress" }
        return chain.hasPrefix("node-") ? "egress to its node" : nil
    }

    private static func outcome(of rule: NFTables.Rule, in chain: String) -> String? {
        let isTrial = chain.contains("-shadow")
        switch rule.expressions.last {
        case .verdict(.drop)?: return "denied"
        case .verdict(.goto(let target))?: return target.hasSuffix("-refused") ? "denied" : isTrial ? "shadow-passed" : "passed"
        case .verdict(.comeBack)? where isTrial:
            return rule.comment?.hasPrefix("would") == true ? "shadow-denied" : "shadow-allowed"
        case .verdict(.accept)?, .verdict(.comeBack)?: return "allowed"
        default: return nil
        }
    }
}

extension PolicyListing: CustomStringConvertible {
    /// A table for a person.
    public var description: String {
        guard !rows.isEmpty else { return "no policy speaks of a pod of this node" }
        let head = ["FAMILY", "DIRECTION", "OUTCOME", "PACKETS", "RULE"]
        let lines = [head] + rows.map { [$0.family, $0.direction, $0.outcome, "\($0.packets)", $0.rule] }
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            // What stands last may be as long as it likes.
            let padded = zip(line, widths).dropLast().map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return (padded + line.suffix(1)).joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
