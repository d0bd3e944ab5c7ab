import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

extension ServiceFacts {
    /// Node n1 in zone-a, whose pods are in 10.244.1.0/24 and fd00:10:244:1::/64.
    static let n1 = ServiceFacts(
        node: "n1", zone: "zone-a",
        ownSources: ["10.244.1.0/24", "fd00:10:244:1::/64", "192.0.2.1/32", "2001:db8::1/128"].compactMap(IPPrefix.init),
        serviceRanges: ["10.96.0.0/16", "fd00:10:96::/112"].compactMap(IPPrefix.init))
}

extension ServicePort {
    /// A port of shop/web, to be changed by who asks.
    static func web(
        _ name: String = "web", _ transport: TransportProtocol = .tcp,
        at clusterIPs: [String] = ["10.96.0.10", "fd00:10:96::10"],
        _ number: UInt16 = 80, to endpoints: [ServicePort.Endpoint] = [], _ change: (inout ServicePort) -> Void = { _ in }
    ) -> ServicePort {
        var port = ServicePort(
            id: ServicePort.ID(namespace: "shop", service: name, port: ""), transport: transport, number: number,
            clusterIPs: clusterIPs.compactMap(IPAddress.init), externalIPs: [], loadBalancerIPs: [], sourceRanges: nil,
            nodePort: nil, affinity: nil, internalTrafficPolicy: .cluster, externalTrafficPolicy: .cluster,
            healthCheckNodePort: nil, endpoints: endpoints)
        change(&port)
        return port
    }

    var name: ServiceIndex.Name { ServiceIndex.Name(namespace: id.namespace, name: id.service) }
}

extension ServicePort.Endpoint {
    /// A ready one.
    static func at(_ address: String, _ port: UInt16 = 8080, on node: String = "n1", _ change: (inout Self) -> Void = { _ in })
        throws -> Self
    {
        var endpoint = Self(
            address: try ip(address), port: port, isReady: true, isServing: true, isTerminating: false, node: node, zoneHints: [],
            nodeHints: [])
        change(&endpoint)
        return endpoint
    }

    mutating func end() { (isReady, isTerminating) = (false, true) }
}

extension ServiceTable {
    init(_ ports: [ServicePort], _ family: IPFamily = .v4, facts: ServiceFacts = .n1, after observed: Table? = nil) {
        self.init(facts, family, Dictionary(grouping: ports, by: \.name), after: observed)
    }
}

/// What a table says about a first packet, found by going through its maps as the rules do.
enum Answer: Hashable, CustomStringConvertible {
    case refused
    case dropped
    case untouched
    case balanced(Set<SocketAddress>, seconds: Int?)

    var description: String {
        switch self {
        case .refused: "refused"
        case .dropped: "dropped"
        case .untouched: "untouched"
        case .balanced(let endpoints, let seconds):
            endpoints.sorted().map(\.description).joined(separator: " ") + (seconds.map { " for \($0) s" } ?? "")
        }
    }
}

extension Table {
    /// - Parameters:
    ///   - address: `nil`: one of the node's.
    ///   - inside: the client is a pod of this node, or the node.
    func answer(_ transport: TransportProtocol, _ address: IPAddress?, _ port: UInt16, from source: IPAddress, inside: Bool)
        -> Answer
    {
        let door = address == nil ? Door.nodePort : .address
        let front = Value(fields: (address.map { [.address($0)] } ?? []) + [.transport(transport), .port(port)])
        func find(_ set: ServiceSet) -> String? { datum(set, front).flatMap { verdict(door, $0) } }
        guard var chain = find(.fronts(door)) else {
            guard let address, has(.clusterAddresses, address) || ranges(.serviceRanges).contains(where: { $0(address) }) else {
                return .untouched
            }
            return has(.clusterAddresses, address) ? .refused : .dropped
        }
        if chain == "guarded" {
            guard isSource(source, front) else { return .dropped }
            chain = "split"
        }
        if chain.hasSuffix("split") {
            let outside = inside ? nil : find(.outside(door))
            guard let next = outside ?? find(.inside(door)) else { return .untouched }
            chain = next
        }
        if chain == "refuse" { return .refused }
        if chain == "drop" { return .dropped }
        return balanced(chain, door, front)
    }

    private func balanced(_ chain: String, _ door: Door, _ front: Value) -> Answer {
        let words = chain.split(separator: "-").map(String.init).drop { $0 == "node" }
        guard let kind = words.first, let count = words.dropFirst().first.flatMap({ UInt32($0) }) else { return .untouched }
        let reach = kind == "lb" ? Reach.cluster : .local
        let seconds = words.count == 3 ? words.last.flatMap { Int($0) } : nil
        let endpoints = (0..<count).compactMap { place -> SocketAddress? in
            var number = front.bytes + withUnsafeBytes(of: place) { Array($0) }
            if seconds != nil {
                guard let chosen = datum(.choices(door, reach), Value(number)) else { return nil }
                number = front.bytes + chosen.bytes
            }
            return datum(.endpoints(door, reach), Value(number)).flatMap { value in
                IPAddress(bytes: value.bytes.dropLast(4)).map {
                    SocketAddress($0, UInt16(value.bytes.suffix(4)[value.count - 4]) << 8 | UInt16(value.bytes[value.count - 3]))
                }
            }
        }
        // A hole shows as an endpoint too few.
        #expect(endpoints.count == Int(count))
        return .balanced(Set(endpoints), seconds: seconds)
    }

    private func datum(_ set: ServiceSet, _ key: Value) -> Value? {
        if case .value(let value)? = sets[set.name]?.elements[key]?.data { value } else { nil }
    }

    private func verdict(_ door: Door, _ kind: Value) -> String? {
        switch sets[ServiceSet.classes(door).name]?.elements[kind]?.data {
        case .verdict(.goto(let chain)): chain
        case .verdict(.drop): "drop"
        default: nil
        }
    }

    private func has(_ set: ServiceSet, _ address: IPAddress) -> Bool {
        sets[set.name]?.elements[Value(.address(address))] != nil
    }

    private func ranges(_ set: ServiceSet) -> [(IPAddress) -> Bool] {
        (sets[set.name]?.elements ?? [:]).map { first, content in
            { address in first <= Value(.address(address)) && Value(.address(address)) <= content.last ?? first }
        }
    }

    private func isSource(_ source: IPAddress, _ front: Value) -> Bool {
        (sets[ServiceSet.sources.name]?.elements ?? [:]).contains { key, content in
            let size = source.bytes.count
            let asked = Value(source.bytes)
            return Value(key.bytes.dropFirst(size)) == front && Value(key.bytes.prefix(size)) <= asked
                && asked <= Value((content.last ?? key).bytes.prefix(size))
        }
    }
}

extension Sequence<NFTables.Change> {
    /// How many elements are touched.
    var elementCount: Int {
        reduce(0) { count, change in
            switch change {
            case .addElements(_, _, let elements), .deleteElements(_, _, let elements): count + elements.count
            default: count
            }
        }
    }
}
