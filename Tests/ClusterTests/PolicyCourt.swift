import Addressing
import KubeAPI
import PolicyTrials
import Testing

@testable import Cluster

/// The evaluator and the slow judge in one world, asked the same: what they say must be the same, and what a test expects.
struct PolicyCourt {
    private(set) var world = PolicyWorld()
    private let judge: SlowJudge
    private let trialJudge: SlowJudge
    private let ends: [String: String]

    init(_ policies: [Tree], family: Int = 0, changed objects: [Tree] = [], without gone: [Tree.Name] = []) throws {
        let standard = TrialWorld.withSidecars
        let names = Set(objects.map(\.name))
        let all = standard.objects.filter { !names.contains($0.name) && !gone.contains($0.name) } + objects + policies
        judge = SlowJudge(all)
        trialJudge = SlowJudge(all, withShadows: true)
        ends = Dictionary(uniqueKeysWithValues: standard.ends(family: family).map { ($0.title, $0.address) })
        var nodes: [Node] = []
        for tree in all { if let object = try Self.object(tree) { world.put(object, &nodes) } }
    }

    static func object(_ tree: Tree) throws -> (any KubernetesObject)? {
        try Registry.standard.read(JSONReader().value(Array(tree.description.utf8))).object
    }

    /// - Parameter from: `x/a`, `n1`, or an address; likewise `to`.
    func verdict(_ from: String, _ to: String, _ transport: String? = "TCP", _ port: Int = 80) throws -> PolicyVerdict {
        let source = try #require(IPAddress(ends[from] ?? from), "\(from)")
        let destination = try #require(IPAddress(ends[to] ?? to), "\(to)")
        let verdict = world.verdict(
            on: PolicyWorld.Conversation(
                from: source, to: destination, transport.flatMap(TransportProtocol.init), port: UInt16(port)))
        let rulings = [judge, trialJudge].map {
            $0.judge(from: source.description, to: destination.description, [.init(transport, port)])[0]
        }
        #expect(verdict.isSame(as: rulings[0], rulings[1]), "\(from) → \(to): \(verdict), but \(rulings)")
        return verdict
    }

    func allows(_ from: String, _ to: String, _ transport: String? = "TCP", _ port: Int = 80) throws -> Bool {
        try verdict(from, to, transport, port).isAllowed
    }
}

extension PolicyWorld {
    mutating func put(_ object: any KubernetesObject, _ nodes: inout [Node]) {
        switch object {
        case let node as Node:
            nodes.append(node)
            set(node)
            setNodes(nodes.map { Member(name: $0.metadata.name, addresses: $0.internalAddresses, podPrefixes: []) })
        case let namespace as Namespace: set(namespace)
        case let pod as Pod: set(pod)
        case let policy as NetworkPolicy: set(policy)
        case let policy as ClusterNetworkPolicy: set(policy)
        default: break
        }
    }
}

extension PolicyVerdict {
    /// The same answers for reasons that are among the slow judge's.
    ///
    /// - Parameter trial: the judge's with the shadows in force.
    func isSame(as ruling: SlowJudge.Ruling, _ trial: SlowJudge.Ruling) -> Bool {
        let inForce = Sides(egress: egress, ingress: ingress)
        return inForce.isSame(as: ruling) && (onTrial ?? inForce).isSame(as: trial)
    }
}

extension PolicyVerdict.Sides {
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
        case (.decided(_, let decision), .decided(let isAllowed, let rule)):
            decision.isAllowed == isAllowed && "\(decision.policy) \(decision.rule)" == rule
        default: false
        }
    }
}
