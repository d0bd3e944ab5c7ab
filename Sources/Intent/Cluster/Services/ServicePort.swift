public import Addressing
public import KubeAPI

/// One port of a service, resolved: where it is asked for, by which rules, and who is behind it.
public struct ServicePort: Hashable, Sendable {
    public var id: ID
    public var transport: TransportProtocol
    public var number: UInt16
    /// At most one a family.
    public var clusterIPs: [IPAddress]
    /// `spec.externalIPs`, of the service's families.
    public var externalIPs: [IPAddress]
    /// Those of a load balancer that hands packets on unchanged (`ipMode: VIP`).
    public var loadBalancerIPs: [IPAddress]
    /// Who may ask at the load balancer's addresses; `nil`: everybody. A family without a range is shut.
    public var sourceRanges: [IPPrefix]?
    public var nodePort: UInt16?
    /// How long a client keeps its endpoint; `nil`: not at all.
    public var affinity: Duration?
    public var internalTrafficPolicy: Service.TrafficPolicy
    public var externalTrafficPolicy: Service.TrafficPolicy
    /// Where a load balancer asks whether this node has endpoints.
    public var healthCheckNodePort: UInt16?
    /// By address, then by port; an address and port once.
    public var endpoints: [Endpoint]

    public struct ID: Hashable, Sendable, Comparable, CustomStringConvertible {
        public var namespace: String
        public var service: String
        /// Empty when it is the only one.
        public var port: String

        public init(namespace: String, service: String, port: String) {
            (self.namespace, self.service, self.port) = (namespace, service, port)
        }

        public var description: String { "\(namespace)/\(service)" + (port.isEmpty ? "" : ":\(port)") }

        public static func < (a: Self, b: Self) -> Bool {
            (a.namespace, a.service, a.port) < (b.namespace, b.service, b.port)
        }
    }

    /// Somebody who answers for a service.
    public struct Endpoint: Hashable, Sendable {
        public var address: IPAddress
        public var port: UInt16
        /// New clients may be sent there: it serves and does not end, or the service publishes whoever is not ready.
        public var isReady: Bool
        /// It answers, whether or not it is about to end.
        public var isServing: Bool
        public var isTerminating: Bool
        /// Empty when nobody said it.
        public var node: String
        public var zoneHints: Set<String>
        public var nodeHints: Set<String>
    }

    public func endpoints(_ family: IPFamily) -> [Endpoint] { endpoints.filter { $0.address.family == family } }
}

extension ServicePort.Endpoint: Comparable {
    public static func < (a: Self, b: Self) -> Bool { (a.address, a.port) < (b.address, b.port) }
}
