import Addressing
import KubeAPI

@testable import Cluster
@testable import Plan

/// services.md, said once more and slowly.
struct PlainRules {
    let family: IPFamily
    var owned: [Front: Owner] = [:]

    struct Front: Hashable {
        var transport: TransportProtocol
        var address: IPAddress?
        var port: UInt16
    }
    struct Owner {
        var port: ServicePort
        var kind: Kind
    }
    enum Kind { case cluster, loadBalancer, external, nodePort }

    init(_ services: [ServiceIndex.Name: [ServicePort]], _ family: IPFamily) {
        self.family = family
        // Cluster IPs first, then by name; within one port, a balancer's address before the same one as external.
        let ports = services.values.joined().sorted { $0.id < $1.id }
        func claim(_ front: Front, _ port: ServicePort, _ kind: Kind) {
            if owned[front] == nil { owned[front] = Owner(port: port, kind: kind) }
        }
        for port in ports {
            for address in port.clusterIPs where address.family == family {
                claim(Front(transport: port.transport, address: address, port: port.number), port, .cluster)
            }
        }
        for port in ports {
            for (kind, addresses) in [(Kind.loadBalancer, port.loadBalancerIPs), (.external, port.externalIPs)] {
                for address in addresses where address.family == family {
                    claim(Front(transport: port.transport, address: address, port: port.number), port, kind)
                }
            }
            if let number = port.nodePort, port.clusterIPs.contains(where: { $0.family == family }) {
                claim(Front(transport: port.transport, address: nil, port: number), port, .nodePort)
            }
        }
    }

    var everyFront: [Front] {
        let addresses =
            (0..<7).flatMap { ["10.96.0.\($0)", "fd00:10:96::\($0)"] } + [
                "203.0.113.1", "203.0.113.2", "203.0.113.9", "2001:db8:5::1", "2001:db8:5::9",
            ]
        return TransportProtocol.allCases.flatMap { transport in
            addresses.compactMap(IPAddress.init).filter { $0.family == family }.flatMap { address in
                [80, 443, 8080].map { Front(transport: transport, address: address, port: $0) }
            } + (30000..<30004).map { Front(transport: transport, address: nil, port: $0) }
        }
    }

    func answer(_ front: Front, from source: IPAddress, inside: Bool) -> Answer {
        guard let owner = owned[front] else {
            guard let address = front.address else { return .untouched }
            if owned.contains(where: { $0.key.address == address && $0.value.kind == .cluster }) { return .refused }
            return ServiceFacts.n1.serviceRanges.contains { $0.contains(address) } ? .dropped : .untouched
        }
        let port = owner.port
        let kind = owner.kind
        if kind == .loadBalancer, let ranges = port.sourceRanges, !ranges.contains(where: { $0.contains(source) }) {
            return .dropped
        }
        let isLocal = kind == .cluster ? port.internalTrafficPolicy == .local : port.externalTrafficPolicy == .local && !inside
        let choice = EndpointChoice(port, family, node: "n1", zone: "zone-a")
        let endpoints = isLocal ? choice.local : choice.cluster
        if endpoints.isEmpty { return choice.cluster.isEmpty ? .refused : .dropped }
        return .balanced(Set(endpoints), seconds: port.affinity.map { Int($0.components.seconds) })
    }

    /// How many endpoints stand in all maps together.
    var placeCount: Int { owned.reduce(0) { $0 + count($1.key, $1.value.port, $1.value.kind) } }
    var keptCount: Int {
        owned.reduce(0) { $0 + ($1.value.port.affinity == nil ? 0 : count($1.key, $1.value.port, $1.value.kind)) }
    }

    private func count(_ front: Front, _ port: ServicePort, _ kind: Kind) -> Int {
        let choice = EndpointChoice(port, family, node: "n1", zone: "zone-a")
        if kind == .cluster { return (port.internalTrafficPolicy == .local ? choice.local : choice.cluster).count }
        return choice.cluster.count + (port.externalTrafficPolicy == .local ? choice.local.count : 0)
    }
}
