public import Addressing
public import Cluster

/// Which endpoints of a service's port this node sends packets to, in one family.
///
/// - Policy `Cluster`: the ready ones, of those the ones that hints give to this node or this zone; when none is ready, the ones that
///   end but still serve, wherever they are.
/// - Policy `Local`: the same among those of this node, without hints.
///
/// Both are decided independently (as kube-proxy does, pkg/proxy/topology.go; KEP 1669 for those that end, KEP 4444 for hints).
public struct EndpointChoice: Hashable, Sendable {
    /// For traffic under policy Cluster.
    public var cluster: [SocketAddress]
    /// For traffic under policy Local.
    public var local: [SocketAddress]

    /// - Parameter zone: this node's (`topology.kubernetes.io/zone`); empty when it has none.
    public init(_ port: ServicePort, _ family: IPFamily, node: String, zone: String) {
        let endpoints = port.endpoints(family)
        let own = endpoints.filter { !$0.node.isEmpty && $0.node == node }
        let ready = endpoints.filter(\.isReady)
        cluster = Self.addresses(ready.isEmpty ? Self.lastOnes(endpoints) : Self.near(ready, node: node, zone: zone))
        let ownReady = own.filter(\.isReady)
        local = Self.addresses(ownReady.isEmpty ? Self.lastOnes(own) : ownReady)
    }

    /// There is an endpoint somewhere: packets that find none here are dropped, not refused, for a client may try elsewhere.
    public var isServed: Bool { !cluster.isEmpty || !local.isEmpty }

    /// They end, and still answer.
    private static func lastOnes(_ endpoints: [ServicePort.Endpoint]) -> [ServicePort.Endpoint] {
        endpoints.filter { $0.isServing && $0.isTerminating }
    }

    /// Hints count when every ready endpoint has one of the kind, and one of them is for us: half-written hints would send
    /// everybody to the same few.
    private static func near(_ ready: [ServicePort.Endpoint], node: String, zone: String) -> [ServicePort.Endpoint] {
        for (place, hints) in [(node, \ServicePort.Endpoint.nodeHints), (zone, \.zoneHints)] {
            guard !place.isEmpty, ready.allSatisfy({ !$0[keyPath: hints].isEmpty }) else { continue }
            let ours = ready.filter { $0[keyPath: hints].contains(place) }
            if !ours.isEmpty { return ours }
        }
        return ready
    }

    private static func addresses(_ endpoints: [ServicePort.Endpoint]) -> [SocketAddress] {
        endpoints.map { SocketAddress($0.address, $0.port) }
    }
}
