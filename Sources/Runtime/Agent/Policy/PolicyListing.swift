public import KubeAPI
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
        /// `NetworkPolicy` or `ClusterNetworkPolicy`; empty where nothing is known of the pod.
        public var kind: String
        /// `Admin` or `Baseline`; empty for network policies.
        public var tier: String
        /// The rule and its policy, as `ingress[0] of shop/db`; of what nothing opens, who isolates.
        public var rule: String
        /// `allowed`, `denied`, `passed`; of what is tried out alone with `shadow-` before it.
        public var outcome: String
        public var packets: UInt64
        /// What the rule says, as far as the kernel's rules tell it: of several rules there, which one of the object is made of, together.
        public var meaning = PolicyRuleMeaning()
    }

    /// What this node's agent says that it does; `nil`: nothing is known of one.
    public var agentParts: String?

    /// By family and direction, in the order in which they are asked, so far as policies have one.
    public private(set) var rows: [Row] = []

    /// Of the namespace that the calling thread is in.
    public init() throws(KernelError) {
        let kernel = try KernelTables(in: NetworkNamespace.current())
        for family in [TableFamily.ip, .ip6] {
            let id = Table.ID(family, PacketPath.policyTable)
            if let table = try kernel.observe(id)?.table { add(table, try kernel.ruleCounts(in: id)) }
        }
        for id in NodePlan.nameTables where try kernel.observe(id) != nil {
            // Which policies it was is in no rule: who may not ask is in a set.
            guard let count = try kernel.ruleCounters(in: id)[LocalNameTable.refusal], count.packets > 0 else { continue }
            rows.append(
                Row(
                    family: id.family.name, direction: "egress", kind: "", tier: "",
                    rule: "questions for names, answered on the node",
                    outcome: "denied", packets: count.packets))
        }
    }

    init(_ table: Table, _ counts: [String: [Counted?]]) { add(table, counts) }

    /// Those alone that name a policy of the namespace, or that have counted something.
    public func filtered(namespace: String? = nil, isNonzero: Bool = false) -> PolicyListing {
        var listing = self
        listing.rows.removeAll { row in
            let names = RuleComment(row.rule).policies
            let isMeant = namespace.map { space in names.contains { $0.hasPrefix(space + "/") } } ?? true
            return !isMeant || isNonzero && row.packets == 0
        }
        return listing
    }

    private mutating func add(_ table: Table, _ counts: [String: [Counted?]]) {
        var sums: [Row: (packets: UInt64, position: Int, meaning: PolicyRuleMeaning)] = [:]
        /// How far down the last rule of a policy stands: policies are asked one after the other.
        var last: [Owner: Int] = [:]
        for (name, chain) in table.chains {
            guard let direction = Self.direction(name), let counted = counts[name], counted.count == chain.rules.count else {
                continue
            }
            for (position, (rule, count)) in zip(chain.rules, counted).enumerated() {
                guard let text = rule.comment, let count, let outcome = Self.outcome(of: rule, in: name) else { continue }
                let kind = RuleComment(text).kind
                let row = Row(
                    family: table.id.family.name, direction: direction, kind: kind, tier: Self.tier(kind, name, table),
                    rule: text,
                    outcome: outcome, packets: 0)
                let sum = sums[row] ?? (0, 0, PolicyRuleMeaning())
                // Of several chains the longest says most about what stands before it.
                let deepest = max(sum.position, position)
                sums[row] = (sum.packets + count.packets, deepest, sum.meaning.joined(by: rule, in: name, of: table))
                last[Owner(row), default: 0] = max(last[Owner(row)] ?? 0, position)
            }
        }
        let ways = ["ingress", "egress"]
        func order(_ row: Row) -> (Int, Int, Int) {
            let tier = row.tier == "Admin" ? 0 : row.tier == "Baseline" ? 3 : RuleComment(row.rule).isRule ? 1 : 2
            return (ways.firstIndex(of: row.direction) ?? ways.count, tier, row.tier.isEmpty ? 0 : last[Owner(row)] ?? 0)
        }
        // A policy's rules in its own order.
        func place(_ row: Row) -> (String, Int, String, String) {
            let comment = RuleComment(row.rule)
            return (comment.isRule ? comment.policies.joined(separator: " ") : "", comment.index ?? 0, row.rule, row.outcome)
        }
        let sorted = sums.sorted { a, b in
            let (left, right) = (order(a.key), order(b.key))
            return left == right ? place(a.key) < place(b.key) : left < right
        }
        rows += sorted.map { row, sum in
            var row = row
            (row.packets, row.meaning) = (sum.packets, sum.meaning)
            return row
        }
    }

    /// Whose rules stand together.
    private struct Owner: Hashable {
        let (direction, tier, policies): (String, String, [Substring])

        init(_ row: Row) {
            (direction, tier, policies) = (row.direction, row.tier, RuleComment(row.rule).policies)
        }
    }

    private static func direction(_ chain: String) -> String? {
        if chain.hasPrefix("in-") { return "ingress" }
        if chain.hasPrefix("out-") { return "egress" }
        return chain.hasPrefix("node-") ? "egress to its node" : nil
    }

    /// What stands before the network policies of a class is in a chain that leads to theirs.
    private static func tier(_ kind: String, _ chain: String, _ table: Table) -> String {
        guard kind == ClusterNetworkPolicy.resource.kind.kind else { return "" }
        return table.chains[chain + "-policies"] == nil
            ? ClusterNetworkPolicy.Tier.baseline.rawValue : ClusterNetworkPolicy.Tier.admin.rawValue
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
        ([enforcement].compactMap(\.self) + [table]).joined(separator: "\n")
    }

    /// `nil`: this node's agent enforces policies.
    private var enforcement: String? {
        guard let agentParts else { return "whether policies are enforced on this node is not known: no agent of Tulle says so" }
        return hasPart
            ? nil : "policies are not enforced on this node: its agent runs without the part policies (--parts \(agentParts))"
    }

    private var hasPart: Bool { agentParts?.split(separator: ",").contains { $0 == Duty.policies.rawValue } ?? false }

    private var table: String {
        guard !rows.isEmpty else { return "no rule of a policy to show on this node" }
        let head = ["FAMILY", "DIRECTION", "KIND", "TIER", "OUTCOME", "PACKETS", "RULE"]
        let lines =
            [head]
            + rows.map {
                [$0.family, $0.direction, $0.kind, $0.tier, $0.outcome, "\($0.packets)", $0.rule].map { $0.isEmpty ? "-" : $0 }
            }
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            // What stands last may be as long as it likes.
            let padded = zip(line, widths).dropLast().map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return (padded + line.suffix(1)).joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// The same for a program: `{"enforced": …, "items": […]}`, each row with its members.
    public var tree: JSONValue {
        let items = rows.map { row -> JSONValue in
            var tree: JSONValue = [
                "family": .string(row.family), "direction": .string(row.direction), "kind": .string(row.kind),
                "tier": .string(row.tier), "rule": .string(row.rule), "outcome": .string(row.outcome),
                "packets": .number(JSONNumber(Int64(clamping: row.packets))),
            ]
            let comment = RuleComment(row.rule)
            tree[at: "policies"] = .array(
                comment.policies.map { policy in
                    let words = policy.split(separator: "/").map { JSONValue.string(String($0)) }
                    return words.count == 2 ? ["namespace": words[0], "name": words[1]] : ["name": words.first ?? ""]
                })
            // Of what nothing opens there is no place.
            guard comment.isRule else { return tree }
            if let index = comment.index { tree[at: "index"] = .number(JSONNumber(Int64(index))) }
            if let name = comment.name { tree[at: "name"] = .string(name) }
            for (key, value) in row.meaning.members { tree[at: key] = value }
            return tree
        }
        return ["enforced": agentParts == nil ? .null : .bool(hasPart), "items": .array(items)]
    }
}
