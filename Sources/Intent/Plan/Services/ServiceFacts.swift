public import Addressing

/// What a node has to know of itself to serve services.
public struct ServiceFacts: Hashable, Sendable {
    /// The name of its Node object.
    public var node: String
    /// `topology.kubernetes.io/zone`; empty when it has none.
    public var zone: String
    /// Where this node's pods and the node itself send from: answers to these come back this way whoever gives them. They keep
    /// their address, and for them external addresses stand for all endpoints.
    public var ownSources: [IPPrefix]
    /// Where cluster IPs come from; what no service has of it leads nowhere.
    public var serviceRanges: [IPPrefix]
    /// At which of the node's addresses node ports answer; empty: at all but loopback ones.
    public var nodePortAddresses: [IPPrefix]

    public init(
        node: String, zone: String = "", ownSources: [IPPrefix] = [], serviceRanges: [IPPrefix] = [],
        nodePortAddresses: [IPPrefix] = []
    ) {
        self.node = node
        self.zone = zone
        self.ownSources = ownSources
        self.serviceRanges = serviceRanges
        self.nodePortAddresses = nodePortAddresses
    }
}

extension ServiceFacts {
    /// Node ports shall answer at 127.0.0.1 too. The node's own programs alone may ask there.
    var servesLoopback: Bool { nodePortAddresses.contains { $0.overlaps(Self.loopback(.v4)) } }

    /// The addresses of a family at which node ports answer, as ranges that do not touch. `::1` is never among them: the kernel
    /// routes nothing from there.
    func nodePortRanges(_ family: IPFamily) -> [(first: IPAddress, last: IPAddress)] {
        let loopback = Self.loopback(family)
        let chosen = nodePortAddresses.isEmpty ? [IPPrefix.all(family)] : nodePortAddresses.filter { $0.family == family }
        return disjoint(chosen).flatMap { prefix -> [(first: IPAddress, last: IPAddress)] in
            guard prefix.overlaps(loopback), family == .v6 || nodePortAddresses.isEmpty else {
                return [(prefix.address, prefix.last)]
            }
            var ranges: [(first: IPAddress, last: IPAddress)] = []
            if prefix.address < loopback.address { ranges.append((prefix.address, loopback.address.advanced(by: .max))) }
            if loopback.last < prefix.last { ranges.append((loopback.last.advanced(by: 1), prefix.last)) }
            return ranges
        }
    }

    static func loopback(_ family: IPFamily) -> IPPrefix {
        switch family {
        case .v4: IPPrefix(.v4(.loopback), length: 8)
        case .v6: IPPrefix(host: .v6(IPv6Address(rawValue: 1)))
        }
    }
}

/// Without those that lie in others, sorted: two prefixes either share nothing, or one holds the other.
func disjoint(_ prefixes: [IPPrefix]) -> [IPPrefix] {
    let sorted = prefixes.sorted { ($0.address, $0.length) < ($1.address, $1.length) }
    return sorted.reduce(into: []) { kept, next in
        if kept.last?.contains(next) != true { kept.append(next) }
    }
}
