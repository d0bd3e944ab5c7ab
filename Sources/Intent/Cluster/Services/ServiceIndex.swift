internal import Addressing
public import KubeAPI

/// Services and the slices of their endpoints, brought together; a change costs what its service costs, however many there are.
///
/// A service has what nobody but its slices says: slices that were made for its selector, and slices that somebody wrote by hand
/// count the same. Slices may come before their service and stay after it.
public struct ServiceIndex: Sendable {
    private var services: [Name: Service] = [:]
    /// By the slice's own name, since two may tell of the same endpoint.
    private var slices: [Name: [String: EndpointSlice]] = [:]
    /// Whose a slice was, because its label may change.
    private var owners: [Name: Name] = [:]

    /// A service's, or a slice's.
    public struct Name: Hashable, Sendable, Comparable, CustomStringConvertible {
        public var namespace: String
        public var name: String

        public init(namespace: String, name: String) { (self.namespace, self.name) = (namespace, name) }
        public var description: String { "\(namespace)/\(name)" }
        public static func < (a: Self, b: Self) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
    }

    public init() {}

    /// Labels that take a service out of our hands: another proxy serves it, or nobody (`kube-proxy` honours the same).
    static let foreignLabels = ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]
}

// MARK: - Changes

extension ServiceIndex {
    /// - Returns: the services that may have changed; none when the object means what it meant before.
    public mutating func set(_ service: Service) -> Set<Name> {
        let name = Name(namespace: service.metadata.namespace, name: service.metadata.name)
        let before = services.updateValue(service, forKey: name)
        return before.map { $0.means(the: service) } == true ? [] : [name]
    }

    public mutating func set(_ slice: EndpointSlice) -> Set<Name> {
        let name = Name(namespace: slice.metadata.namespace, name: slice.metadata.name)
        let owner = slice.serviceName.map { Name(namespace: slice.metadata.namespace, name: $0) }
        var touched: Set<Name> = []
        if let before = owners[name], before != owner { touched.formUnion(removeSlice(name)) }
        guard let owner else { return touched }
        owners[name] = owner
        let before = slices[owner, default: [:]].updateValue(slice, forKey: slice.metadata.name)
        if before.map({ $0.means(the: slice) }) != true { touched.insert(owner) }
        return touched
    }

    /// Forgets a service or a slice. Forgetting what is not known changes nothing.
    public mutating func remove(_ key: ObjectKey) -> Set<Name> {
        let name = Name(namespace: key.namespace, name: key.name)
        switch (key.group, key.kind) {
        case (Service.resource.kind.group, Service.resource.kind.kind):
            return services.removeValue(forKey: name) == nil ? [] : [name]
        case (EndpointSlice.resource.kind.group, EndpointSlice.resource.kind.kind): return removeSlice(name)
        default: return []
        }
    }

    private mutating func removeSlice(_ name: Name) -> Set<Name> {
        guard let owner = owners.removeValue(forKey: name) else { return [] }
        slices[owner]?[name.name] = nil
        if slices[owner]?.isEmpty == true { slices[owner] = nil }
        return [owner]
    }
}

// MARK: - What it comes to

extension ServiceIndex {
    public var names: Set<Name> { Set(services.keys) }
    public var count: Int { services.count }

    /// Every object that is known.
    var keys: [ObjectKey] {
        services.keys.map { ObjectKey(Service.resource.kind, namespace: $0.namespace, name: $0.name) }
            + owners.keys.map { ObjectKey(EndpointSlice.resource.kind, namespace: $0.namespace, name: $0.name) }
    }

    public func service(_ name: Name) -> Service? { services[name] }

    /// Everything that is said of a service's endpoints, also of a service that is not there, in the order of the slices' names.
    public func slices(of name: Name) -> [EndpointSlice] {
        (slices[name] ?? [:]).values.sorted { $0.metadata.name < $1.metadata.name }
    }

    /// The ports of a service that packets can be sent to; empty when there is no such service, when it is headless or a name
    /// alone, when it has no address yet, or when another proxy serves it.
    public func ports(of name: Name) -> [ServicePort] {
        guard let service = services[name] else { return [] }
        let spec = service.spec
        guard spec.exposure != .externalName, !spec.isHeadless, !spec.clusterIPs.isEmpty,
            !Self.foreignLabels.contains(where: { service.metadata.labels[$0] != nil })
        else { return [] }
        let slices = slices(of: name)
        return spec.ports.filter { $0.number != 0 }.map { port in
            Self.resolve(port, of: service, name, slices)
        }.sorted { $0.id < $1.id }
    }

    private static func resolve(
        _ port: Service.Port, of service: Service, _ name: Name, _ slices: [EndpointSlice]
    ) -> ServicePort {
        let spec = service.spec
        let families = Set(spec.clusterIPs.map(\.family))
        let isBalanced = spec.exposure == .loadBalancer
        let isExternal = isBalanced || spec.exposure == .nodePort
        return ServicePort(
            id: ServicePort.ID(namespace: name.namespace, service: name.name, port: port.name),
            transport: port.transport, number: port.number,
            clusterIPs: spec.clusterIPs,
            externalIPs: spec.externalIPs.filter { families.contains($0.family) },
            loadBalancerIPs: isBalanced
                ? service.ingress.filter(\.isVirtual).compactMap(\.address).filter { families.contains($0.family) } : [],
            sourceRanges: isBalanced && !spec.loadBalancerSourceRanges.isEmpty ? spec.loadBalancerSourceRanges : nil,
            nodePort: isExternal ? port.nodePort : nil,
            affinity: spec.affinity,
            internalTrafficPolicy: spec.internalTrafficPolicy,
            // Without a way in from outside there is nothing for it to say, but for external addresses.
            externalTrafficPolicy: spec.externalTrafficPolicy,
            healthCheckNodePort: isBalanced && spec.externalTrafficPolicy == .local ? spec.healthCheckNodePort : nil,
            endpoints: endpoints(of: port, in: slices, families))
    }

    /// Endpoints of all slices. One that is in two, as happens while it moves from one to the other, counts as the better says.
    private static func endpoints(
        of port: Service.Port, in slices: [EndpointSlice], _ families: Set<IPFamily>
    ) -> [ServicePort.Endpoint] {
        var found: [SocketAddress: ServicePort.Endpoint] = [:]
        for slice in slices {
            for slicePort in slice.ports where slicePort.name == port.name && slicePort.transport == port.transport {
                // A slice without a number means any port, which nothing can be translated to.
                guard let number = slicePort.number else { continue }
                for endpoint in slice.endpoints {
                    guard let address = endpoint.addresses.first, families.contains(address.family) else { continue }
                    let new = ServicePort.Endpoint(endpoint, address, number)
                    let key = SocketAddress(address, number)
                    if let old = found[key], old.rank >= new.rank { continue }
                    found[key] = new
                }
            }
        }
        return found.values.sorted()
    }
}

extension ServicePort.Endpoint {
    fileprivate init(_ endpoint: EndpointSlice.Endpoint, _ address: IPAddress, _ port: UInt16) {
        self.init(
            address: address, port: port, isReady: endpoint.isReady, isServing: endpoint.isServing,
            isTerminating: endpoint.isTerminating, node: endpoint.nodeName, zoneHints: Set(endpoint.zoneHints),
            nodeHints: Set(endpoint.nodeHints))
    }

    fileprivate var rank: Int { isReady ? 2 : isServing ? 1 : 0 }
}

// MARK: - Whether a change means something

extension Service {
    /// Whether the network reads the same in both.
    fileprivate func means(the other: Service) -> Bool {
        spec == other.spec && ingress == other.ingress
            && ServiceIndex.foreignLabels.allSatisfy {
                (metadata.labels[$0] == nil) == (other.metadata.labels[$0] == nil)
            }
    }
}

extension EndpointSlice {
    fileprivate func means(the other: EndpointSlice) -> Bool {
        addressType == other.addressType && endpoints == other.endpoints && ports == other.ports
    }
}
