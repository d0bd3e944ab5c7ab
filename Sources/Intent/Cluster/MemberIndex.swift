import Addressing
import KubeAPI

/// The nodes, resolved, and what is needed to resolve a few of them again.
///
/// Which of two nodes gets what both claim is ``MemberResolution``'s to say, of all nodes at once or of those that can be at odds:
/// it comes to the same (there is a test). So a node that comes costs what it claims, however many there are.
struct MemberIndex {
    private(set) var members: [String: Member] = [:]
    /// Of the nodes that have any.
    private(set) var problems: [String: [Problem]] = [:]
    private var claims = ClaimIndex()

    /// Takes these nodes for everything there is.
    ///
    /// - Returns: those that came out differently.
    mutating func replace(with nodes: [String: Node]) -> Set<String> {
        let before = self
        claims = ClaimIndex(nodes.mapValues(\.claimedPrefixes))
        let resolution = MemberResolution(nodes.values)
        (members, problems) = (resolution.members, Self.byNode(resolution.problems))
        return Set(before.members.keys).union(members.keys).filter { differs($0, from: before) }
    }

    /// One node came, changed or went.
    ///
    /// - Parameter nodes: all there are now.
    /// - Returns: those that came out differently.
    mutating func update(_ name: String, in nodes: [String: Node]) -> Set<String> {
        // Those that were at odds with what it was, and those that are with what it is.
        var concerned = claims.neighbourhood(of: name)
        claims.set(name, to: nodes[name]?.claimedPrefixes ?? [])
        concerned.formUnion(claims.neighbourhood(of: name))
        let resolution = MemberResolution(concerned.compactMap { nodes[$0] })
        let reported = Self.byNode(resolution.problems)
        return concerned.filter { name in
            let isSame = members[name] == resolution.members[name] && Set(problems[name] ?? []) == Set(reported[name] ?? [])
            members[name] = resolution.members[name]
            problems[name] = reported[name]
            return !isSame
        }
    }

    private func differs(_ name: String, from other: MemberIndex) -> Bool {
        members[name] != other.members[name] || Set(problems[name] ?? []) != Set(other.problems[name] ?? [])
    }

    private static func byNode(_ problems: [Problem]) -> [String: [Problem]] {
        Dictionary(grouping: problems) { $0.subject?.name ?? "" }
    }
}

extension Node {
    /// All that can be at odds with another node's: its addresses, each as a range of one, and its ranges.
    fileprivate var claimedPrefixes: [IPPrefix] {
        firstOfEachFamily(internalAddresses).map(IPPrefix.init(host:))
            + spec.podCIDRs.filter { PodRangeRules.fault(of: $0) == nil }
    }
}
