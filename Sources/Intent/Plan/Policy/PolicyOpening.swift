import Addressing
import Cluster
import KubeAPI

/// One thing that a rule of a policy allows, in one family: these peers at this port.
struct PolicyOpening: Hashable, Sendable {
    /// Which rule, for people: `ingress[0] of shop/db`.
    var name: String
    var peer: Peer
    var port: Port

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

    /// What a policy opens, each once; nothing where its rules mean nobody of this family.
    static func all(_ policy: NetworkPolicy, _ direction: NetworkPolicy.Direction, _ family: IPFamily) -> [PolicyOpening] {
        let rules = direction == .ingress ? policy.ingress : policy.egress
        var seen: Set<PolicyOpening> = []
        return rules.enumerated().flatMap { position, rule in
            let place = "\(direction == .ingress ? "ingress" : "egress")[\(position)]"
            let name = "\(place) of \(policy.metadata.namespace)/\(policy.metadata.name)"
            let ports = rule.ports.isEmpty ? [.any] : rule.ports.map(Port.init)
            return peers(rule, policy, family).flatMap { peer in
                ports.map { PolicyOpening(name: name, peer: peer, port: $0) }
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

extension PolicyOpening.Port {
    fileprivate init(_ port: NetworkPolicy.Port) {
        switch port.port {
        case nil: self = .every(port.transport)
        case .name(let name): self = .named(NamedPort(name, port.transport))
        case .number(let first):
            let last = max(first, port.last ?? first)
            self = first == last ? .one(port.transport, first) : .range(port.transport, first, last)
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
        }
        add(peer.pods)
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

    mutating func add(_ opening: PolicyOpening) {
        add(opening.name)
        switch opening.peer {
        case .anybody: add("anybody")
        case .members(let peer):
            add("members")
            add(peer)
        case .ranges(let ranges):
            add("ranges")
            add(ranges)
        }
        switch opening.port {
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
