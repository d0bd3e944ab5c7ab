public import Addressing
public import Cluster
import KubeAPI

/// What services under a policy Local come to on this node: what a load balancer is told at their ports for that, and how many
/// have nobody here.
///
/// It is kept service by service, as ``ServiceTable`` is; services under policy Cluster cost a look at two fields.
public struct LocalServices: Sendable {
    private var entries: [ServiceIndex.Name: Entry] = [:]
    /// Of all services together, by family.
    public private(set) var deserted: [IPFamily: Deserted] = [:]
    /// Another whenever ``healthChecks`` are others: who has seen them need not look again.
    public private(set) var revision = 0

    private struct Entry: Hashable, Sendable {
        var check: HealthCheck?
        var deserted: [IPFamily: Deserted] = [:]
    }

    /// What a load balancer asks of this node about one service.
    public struct HealthCheck: Hashable, Sendable {
        public var service: ServiceIndex.Name
        /// `spec.healthCheckNodePort`.
        public var port: UInt16
        /// Of this node, ready, each address once; of the service's families alone.
        public var endpoints: [IPFamily: Int]
    }

    /// Ports of services that are served somewhere, and by nobody here.
    public struct Deserted: Hashable, Sendable {
        /// Under an internal policy Local.
        public var inside = 0
        /// Under an external policy Local.
        public var outside = 0

        public init(inside: Int = 0, outside: Int = 0) { (self.inside, self.outside) = (inside, outside) }
    }

    public init() {}

    /// Takes these services for what they are now: no ports for one that is gone. The others stay.
    ///
    /// - Parameter node: the name of this node.
    public mutating func set(_ services: [ServiceIndex.Name: [ServicePort]], node: String) {
        for (name, ports) in services { put(Self.entry(name, ports, node), for: name) }
    }

    private mutating func put(_ new: Entry?, for name: ServiceIndex.Name) {
        let old = entries[name]
        guard new != old else { return }
        entries[name] = new
        for family in IPFamily.allCases {
            let (new, old) = (new?.deserted[family], old?.deserted[family])
            var sum = deserted[family] ?? Deserted()
            sum.inside += (new?.inside ?? 0) - (old?.inside ?? 0)
            sum.outside += (new?.outside ?? 0) - (old?.outside ?? 0)
            deserted[family] = sum == Deserted() ? nil : sum
        }
        if new?.check != old?.check { revision += 1 }
    }

    /// Takes these services for all there are.
    public mutating func replace(with services: [ServiceIndex.Name: [ServicePort]], node: String) {
        for name in entries.keys where services[name] == nil { put(nil, for: name) }
        set(services, node: node)
    }

    private static func entry(_ name: ServiceIndex.Name, _ ports: [ServicePort], _ node: String) -> Entry? {
        guard ports.contains(where: { $0.internalTrafficPolicy == .local || $0.externalTrafficPolicy == .local }) else {
            return nil
        }
        var entry = Entry(check: check(name, ports, node))
        for port in ports {
            for family in IPFamily.allCases {
                let choice = EndpointChoice(port, family, node: node, zone: "")
                guard choice.isServed, choice.local.isEmpty else { continue }
                if port.internalTrafficPolicy == .local { entry.deserted[family, default: Deserted()].inside += 1 }
                let isExternal = port.nodePort != nil || !port.loadBalancerIPs.isEmpty || !port.externalIPs.isEmpty
                if port.externalTrafficPolicy == .local, isExternal { entry.deserted[family, default: Deserted()].outside += 1 }
            }
        }
        return entry.check == nil && entry.deserted.isEmpty ? nil : entry
    }

    private static func check(_ name: ServiceIndex.Name, _ ports: [ServicePort], _ node: String) -> HealthCheck? {
        guard let port = ports.lazy.compactMap(\.healthCheckNodePort).first, port != 0 else { return nil }
        let here = Set(ports.flatMap(\.endpoints).filter { $0.isReady && !$0.node.isEmpty && $0.node == node }.map(\.address))
        let families = Set(ports.flatMap(\.clusterIPs).map(\.family))
        return HealthCheck(
            service: name, port: port,
            endpoints: families.reduce(into: [:]) { counts, family in counts[family] = here.count { $0.family == family } })
    }

    /// By the name of the service.
    public var healthChecks: [HealthCheck] { entries.values.compactMap(\.check).sorted { $0.service < $1.service } }
}
