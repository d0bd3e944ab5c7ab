import Addressing
import KubeAPI
import NFTables
import Plan

/// What a rule of a policy says, read from the kernel's rules that it was made into: which ports, and in which sets its peers are.
public struct PolicyRuleMeaning: Hashable, Sendable {
    /// One for each port, or range of them.
    private var ports: Set<Port> = []
    /// Sets of the table, and what is in them.
    private var peers: [String: Peers] = [:]
    private var isForEveryPort = false
    private var isForEverybody = false

    init() {}

    private struct Port: Hashable {
        var transport: TransportProtocol?
        var first: UInt16?
        var last: UInt16?
        /// Where pods have a port of a name, each its own.
        var set: String?
    }

    private struct Peers: Hashable {
        var count: Int
        /// From and to; of pods only how many there are is told.
        var ranges: [String] = []
    }

    /// With what one more rule says.
    func joined(by rule: NFTables.Rule, in chain: String, of table: Table) -> PolicyRuleMeaning {
        var meaning = self
        var (port, peer) = (Self.door(chain), String?.none)
        var loaded: Expression?
        for expression in rule.expressions {
            switch expression {
            case .meta, .payload: loaded = expression
            case .compare(_, let comparison, let value):
                if case .meta(.transportProtocol, _)? = loaded, comparison == .equal, let number = value.bytes.first {
                    port.transport = TransportProtocol(number: number)
                } else if case .payload(.transport, 2, 2, _)? = loaded {
                    let number = value.bytes.reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
                    if comparison != .lessOrEqual { port.first = number }
                    if comparison != .greaterOrEqual { port.last = number }
                }
            case .lookup(let set, _, _, _):
                if set.hasPrefix("ports-") { port.set = set } else if PolicySetWords.isPeer(set) { peer = set }
            default: break
            }
        }
        if port == Port() { meaning.isForEveryPort = true } else { meaning.ports.insert(port) }
        if let peer { meaning.peers[peer] = Self.peers(peer, table) } else { meaning.isForEverybody = true }
        return meaning
    }

    /// Chains whose rules are about one port alone are called after it: `in-00000005-tcp-80`.
    private static func door(_ chain: String) -> Port {
        let words = chain.split(separator: "-").suffix(2)
        guard words.count == 2, let number = words.last.flatMap({ UInt16($0) }), let word = words.first,
            let transport = TransportProtocol(rawValue: word.uppercased())
        else { return Port() }
        return Port(transport: transport, first: number, last: number)
    }

    private static func peers(_ set: String, _ table: Table) -> Peers {
        let elements = table.sets[set]?.elements ?? [:]
        guard set.hasPrefix("ranges-") else { return Peers(count: elements.count) }
        let ranges = elements.sorted { $0.key < $1.key }.compactMap { first, content -> String? in
            guard let from = IPAddress(bytes: first.bytes) else { return nil }
            guard let to = content.last.flatMap({ IPAddress(bytes: $0.bytes) }), to != from else { return "\(from)" }
            return "\(from)-\(to)"
        }
        return Peers(count: elements.count, ranges: ranges)
    }

    /// `ports` and `peers`; one that is not there means all of them.
    var members: [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if !isForEveryPort, !ports.isEmpty {
            members.append(("ports", .array(ports.sorted(by: Self.precedes).map(Self.tree))))
        }
        if !isForEverybody, !peers.isEmpty {
            let list = peers.sorted { $0.key < $1.key }.map { name, peers -> JSONValue in
                if name.hasPrefix("ranges-") {
                    return ["set": .string(name), "ranges": .array(peers.ranges.map(JSONValue.string))]
                }
                return ["set": .string(name), "addresses": .number(JSONNumber(Int64(peers.count)))]
            }
            members.append(("peers", .array(list)))
        }
        return members
    }

    private static func precedes(_ a: Port, _ b: Port) -> Bool {
        (a.transport?.number ?? 0, a.first ?? 0, a.last ?? 0, a.set ?? "")
            < (b.transport?.number ?? 0, b.first ?? 0, b.last ?? 0, b.set ?? "")
    }

    /// As a policy has it: `{"protocol": "TCP", "port": 80, "endPort": 90}`.
    private static func tree(_ port: Port) -> JSONValue {
        var tree: JSONValue = [:]
        if let transport = port.transport { tree[at: "protocol"] = .string(transport.rawValue) }
        if let first = port.first { tree[at: "port"] = .number(JSONNumber(Int64(first))) }
        if let last = port.last, last != port.first { tree[at: "endPort"] = .number(JSONNumber(Int64(last))) }
        if let set = port.set { tree[at: "set"] = .string(set) }
        return tree
    }
}

private enum PolicySetWords {
    /// Whether a set says who is meant by a rule.
    static func isPeer(_ set: String) -> Bool { set.hasPrefix("pods-") || set.hasPrefix("ranges-") }
}

/// What the comment of a rule says, read again.
struct RuleComment {
    /// `shop/db`, and `lock` for one of the cluster.
    private(set) var policies: [Substring] = []
    /// It is of a rule, and not of what nothing opens.
    let isRule: Bool
    /// Which of its policy's rules for the direction, from 0.
    private(set) var index: Int?
    /// What the rule is called in the policy.
    private(set) var name: String?

    init(_ text: String) {
        var rest = text[...]
        if let shadow = rest.firstRange(of: "would refuse: "), shadow.lowerBound == rest.startIndex {
            rest = rest[shadow.upperBound...]
        }
        isRule = rest.hasPrefix("ingress[") || rest.hasPrefix("egress[")
        if isRule {
            // Names have no blanks, and what rules are called may.
            guard let of = rest.ranges(of: " of ").last else { return }
            policies = [rest[of.upperBound...].prefix { $0 != " " }]
            let place = rest[..<of.lowerBound]
            index = place.firstIndex(of: "[").flatMap { Int(place[place.index(after: $0)...].prefix { $0 != "]" }) }
            name = place.firstRange(of: "]/").map { String(place[$0.upperBound...]) }
        } else if let by = rest.firstRange(of: " by ") {
            policies = rest[by.upperBound...].split(separator: " ").prefix { $0.contains("/") }
        }
    }

    var kind: String {
        if !isRule { return policies.isEmpty ? "" : NetworkPolicy.resource.kind.kind }
        return policies.first?.contains("/") == true
            ? NetworkPolicy.resource.kind.kind : ClusterNetworkPolicy.resource.kind.kind
    }
}
