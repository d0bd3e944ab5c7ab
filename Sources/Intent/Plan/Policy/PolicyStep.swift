import Addressing
import Cluster
import KubeAPI

/// One thing that a rule of a policy says, in one family: of these peers at this port, yes or no.
struct PolicyStep: Hashable, Sendable {
    var policy: ObjectKey
    /// Which of its rules: `ingress[0]`.
    var place: String
    var effect: Effect
    var peer: Peer
    var port: Port
    /// What the rule is called; may be empty.
    var title = ""
    /// Why it is not what was written; empty where it is.
    var remark = ""
    var isLogged = false

    enum Effect: String, Hashable, Sendable {
        case allow
        case refuse
        /// On to the policies behind the tier.
        case pass
    }

    enum Peer: Hashable, Sendable {
        case anybody
        case members(PeerSelector)
        case ranges(AddressRanges)
    }

    enum Port: Hashable, Sendable {
        /// Of any protocol, also of those that have none.
        case any
        case every(TransportProtocol)
        case one(TransportProtocol, UInt16)
        case range(TransportProtocol, UInt16, UInt16)
        case named(NamedPort)
    }

    /// With the name that it was given: `ingress[0]/no-udp`.
    var rule: String { title.isEmpty ? place : "\(place)/\(title)" }

    /// For people: `ingress[0] of shop/db`, and of a policy of the cluster `ingress[0]/no-udp of lock`; without the name it was given where
    /// that is too long.
    func name(within limit: Int) -> String {
        let rest =
            " of \(policy.namespace.isEmpty ? "" : policy.namespace + "/")\(policy.name)" + (remark.isEmpty ? "" : " (\(remark))")
        let name = rule + rest
        return name.utf8.count <= limit ? name : place + rest
    }

    private static func place(_ direction: NetworkPolicy.Direction, _ position: Int) -> String {
        "\(direction == .ingress ? "ingress" : "egress")[\(position)]"
    }
}

// MARK: - Of network policies

extension PolicyStep {
    /// What a policy opens, each once; nothing where its rules mean nobody of this family.
    static func all(_ policy: NetworkPolicy, _ direction: NetworkPolicy.Direction, _ family: IPFamily) -> [PolicyStep] {
        let rules = direction == .ingress ? policy.ingress : policy.egress
        var seen: Set<PolicyStep> = []
        return rules.enumerated().flatMap { position, rule in
            // What cannot be read opens nothing: it is left out, and does not count.
            let ports = rule.ports.isEmpty ? [.any] : rule.ports.filter { $0 != .unreadable }.map(Port.init)
            return peers(rule, policy, family).flatMap { peer in
                ports.map {
                    PolicyStep(policy: policy.key, place: place(direction, position), effect: .allow, peer: peer, port: $0)
                }
            }
        }.filter { seen.insert($0).inserted }
    }

    /// All blocks of a rule together are one peer.
    private static func peers(_ rule: NetworkPolicy.Rule, _ policy: NetworkPolicy, _ family: IPFamily) -> [Peer] {
        guard !rule.peers.isEmpty else { return [.anybody] }
        let blocks = rule.peers.compactMap { peer -> (prefix: IPPrefix, except: [IPPrefix])? in
            if case .block(let prefix, let except) = peer { (prefix, except) } else { nil }
        }
        let ranges = AddressRanges(family, blocks)
        if ranges.isEverything { return [.anybody] }
        return rule.peers.compactMap { PeerSelector($0, in: policy.metadata.namespace) }.map(Peer.members)
            + (ranges.isEmpty ? [] : [.ranges(ranges)])
    }
}

extension PolicyStep.Port {
    fileprivate init(_ port: NetworkPolicy.Port) {
        switch port.port {
        case nil: self = .every(port.transport)
        case .name(let name): self = .named(NamedPort(name, port.transport))
        case .number(let first): self = .numbers(port.transport, first...max(first, port.last ?? first))
        }
    }

    fileprivate static func numbers(_ transport: TransportProtocol, _ range: ClosedRange<UInt16>) -> Self {
        range.count == 1 ? .one(transport, range.lowerBound) : .range(transport, range.lowerBound, range.upperBound)
    }
}

// MARK: - Of policies of the cluster

extension PolicyStep {
    /// What a policy of the cluster says, in its order.
    ///
    /// - Parameter isCertain: whether it is about the pod for certain: otherwise it opens nothing, and closes all that it speaks of.
    static func all(
        _ policy: ClusterNetworkPolicy, isCertain: Bool, _ way: PolicyWay, _ family: IPFamily, _ index: PolicyIndex
    ) -> [PolicyStep] {
        let direction = way.direction
        return policy.rules(for: direction).enumerated().flatMap { position, rule -> [PolicyStep] in
            let ports = rule.ports.isEmpty ? [.any] : rule.ports.flatMap(Port.all)
            return peers(rule, way, family, index).flatMap { peer -> [PolicyStep] in
                let isCertain = isCertain && peer.isCertain
                guard let effect = effect(rule.action, isCertain: isCertain) else { return [] }
                return ports.map {
                    PolicyStep(
                        policy: policy.key, place: place(direction, position), effect: effect, peer: peer.peer, port: $0,
                        title: rule.name, remark: remark(rule.obstacle, isCertain: isCertain))
                }
            }
        }
    }

    private static func remark(_ obstacle: ClusterNetworkPolicy.Obstacle?, isCertain: Bool) -> String {
        switch obstacle {
        case .unreadable: "cannot be read"
        case .domainNames: "has domainNames"
        case nil: isCertain ? "" : "labels not known"
        }
    }

    /// What may be meant is not opened, and closed if the rule does anything but open.
    private static func effect(_ action: ClusterNetworkPolicy.Action, isCertain: Bool) -> Effect? {
        switch action {
        case .accept: isCertain ? .allow : nil
        case .deny: .refuse
        case .pass: isCertain ? .pass : .refuse
        }
    }

    /// Those that are meant for certain come first. All networks of a rule together are one peer.
    private static func peers(
        _ rule: ClusterNetworkPolicy.Rule, _ way: PolicyWay, _ family: IPFamily, _ index: PolicyIndex
    ) -> [(peer: Peer, isCertain: Bool)] {
        var (certain, possible): ([Peer], [Peer]) = ([], [])
        var networks: [IPPrefix] = []
        for peer in rule.peers {
            switch peer {
            case .everybody: certain.append(.anybody)
            case .pods(let group):
                certain.append(.members(PeerSelector(group)))
                possible.append(.members(PeerSelector(possibly: group)))
            case .nodes(let labels):
                certain.append(.members(PeerSelector(.nodes, labels)))
                // A node has more addresses than its object names: its bridge's, others' bridges', whatever somebody gave it.
                guard way == .sendToNode else { continue }
                switch index.isThisNode(labels) {
                case true?: certain.append(.anybody)
                case nil: possible.append(.anybody)
                case false?: break
                }
            case .networks(let prefixes): networks += prefixes
            case .nobody: break
            }
        }
        let ranges = AddressRanges(family, networks.map { ($0, []) })
        if ranges.isEverything { return [(.anybody, true)] }
        if !ranges.isEmpty { certain.append(.ranges(ranges)) }
        return certain.map { ($0, true) } + (rule.action == .accept ? [] : possible.map { ($0, false) })
    }

    /// Whether it can be about an address of the pod's own node: that is no pod's, and calls no port by a name.
    var mayMeanNode: Bool {
        if case .named = port { return false }
        guard case .members(let peer) = peer else { return true }
        return peer.scope == .nodes
    }
}

extension PolicyStep.Port {
    fileprivate static func all(_ port: ClusterNetworkPolicy.Port) -> [Self] {
        switch port {
        case .numbers(let transport, let range): [.numbers(transport, range)]
        case .name: NamedPort.all(port).map(Self.named)
        }
    }
}

// MARK: - Names that stay

/// FNV-1a, 64 bits, over parts that cannot run into each other: the same on every node and after every restart.
struct StableHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ text: String) {
        for byte in text.utf8 { add(byte) }
        // No text of UTF-8 has it.
        add(0xFF as UInt8)
    }

    mutating func add(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { for byte in $0 { add(byte) } }
    }

    private mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

    mutating func add(_ selector: LabelSelector) {
        add(selector.requirements.count)
        for requirement in selector.requirements {
            add(requirement.key)
            add(requirement.operator.rawValue)
            add(requirement.values.count)
            for value in requirement.values { add(value) }
        }
    }

    mutating func add(_ peer: PeerSelector) {
        switch peer.scope {
        case .namespace(let name):
            add("namespace")
            add(name)
        case .namespaces(let selector):
            add("namespaces")
            add(selector)
        case .unknownNamespaces: add("unknown namespaces")
        case .nodes: add("nodes")
        }
        add(peer.labels)
    }

    mutating func add(_ ranges: AddressRanges) {
        add(ranges.family.name)
        for range in ranges.ranges {
            add(range.lowerBound)
            add(range.upperBound)
        }
    }

    mutating func add(_ port: NamedPort) {
        add(port.transport.rawValue)
        add(port.name)
    }

    mutating func add(_ key: ObjectKey) {
        add(key.kind)
        add(key.namespace)
        add(key.name)
    }

    mutating func add(_ step: PolicyStep) {
        add(step.policy)
        add(step.place)
        add(step.effect.rawValue)
        if step.isLogged { add("logged") }
        if !step.title.isEmpty || !step.remark.isEmpty {
            add(step.title)
            add(step.remark)
        }
        switch step.peer {
        case .anybody: add("anybody")
        case .members(let peer):
            add("members")
            add(peer)
        case .ranges(let ranges):
            add("ranges")
            add(ranges)
        }
        switch step.port {
        case .any: add("any")
        case .every(let transport):
            add("every")
            add(transport.rawValue)
        case .one(let transport, let port):
            add("one")
            add(transport.rawValue)
            add(port)
        case .range(let transport, let first, let last):
            add("range")
            add(transport.rawValue)
            add(first)
            add(last)
        case .named(let port):
            add("named")
            add(port)
        }
    }

    /// Sixteen hexadecimal digits.
    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
