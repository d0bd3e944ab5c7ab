public import Addressing

/// A part of the endpoints of a service: at most a thousand addresses of one family, all with the same ports.
public struct EndpointSlice: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice"), plural: "endpointslices",
        isNamespaced: true)

    /// Names the service that the slice belongs to.
    public static let serviceLabel = "kubernetes.io/service-name"

    public enum AddressType: String, Hashable, Sendable, CaseIterable {
        case v4 = "IPv4"
        case v6 = "IPv6"
        /// Names, which nobody balances over.
        case fqdn = "FQDN"
    }

    public struct Endpoint: Hashable, Sendable {
        /// Consumers use the first one; empty for names.
        public var addresses: [IPAddress]
        public var isReady: Bool
        public var isServing: Bool
        public var isTerminating: Bool
        public var hostname: String
        public var nodeName: String
        public var zone: String
        /// Who is to use it first; empty: everybody.
        public var zoneHints: [String]
        public var nodeHints: [String]
        /// The pod behind it, or another object.
        public var target: Target?
    }

    public struct Target: Hashable, Sendable {
        public var kind: String
        public var namespace: String
        public var name: String
        public var uid: String
    }

    public struct Port: Hashable, Sendable {
        public var name: String
        public var transport: TransportProtocol
        /// `nil`: any.
        public var number: UInt16?
        public var applicationProtocol: String
    }

    public var metadata: ObjectMeta
    /// `nil` only beside a fault.
    public var addressType: AddressType?
    public var endpoints: [Endpoint]
    public var ports: [Port]

    public init(metadata: ObjectMeta, addressType: AddressType, endpoints: [Endpoint] = [], ports: [Port] = []) {
        self.metadata = metadata
        self.addressType = addressType
        self.endpoints = endpoints
        self.ports = ports
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        let type = fields.word("addressType", AddressType.self)
        addressType = type
        endpoints = fields.list("endpoints") { Endpoint(reading: &$0, type: type) }
        ports = fields.list("ports", Port.init(reading:))
    }

    /// `nil` for a slice of nobody's.
    public var serviceName: String? { metadata.labels[Self.serviceLabel].flatMap { $0.isEmpty ? nil : $0 } }
}

extension EndpointSlice.Endpoint {
    fileprivate init(reading fields: inout FieldReader, type: EndpointSlice.AddressType?) {
        addresses = type == .v4 || type == .v6 ? fields.addresses("addresses") : []
        (isReady, isServing, isTerminating) = fields.section("conditions") { fields in
            // An unknown readiness counts as ready, and serving is what ready is when nobody says it.
            let ready = fields.bool("ready") ?? true
            return (ready, fields.bool("serving") ?? ready, fields.bool("terminating") ?? false)
        }
        hostname = fields.string("hostname") ?? ""
        nodeName = fields.string("nodeName") ?? ""
        zone = fields.string("zone") ?? ""
        (zoneHints, nodeHints) = fields.section("hints") { fields in
            (fields.list("forZones") { $0.string("name") ?? "" }, fields.list("forNodes") { $0.string("name") ?? "" })
        }
        target = fields.object("targetRef", EndpointSlice.Target.init(reading:))
    }
}

extension EndpointSlice.Target {
    init(reading fields: inout FieldReader) {
        kind = fields.string("kind") ?? ""
        namespace = fields.string("namespace") ?? ""
        name = fields.string("name") ?? ""
        uid = fields.string("uid") ?? ""
    }
}

extension EndpointSlice.Port {
    init(reading fields: inout FieldReader) {
        name = fields.string("name") ?? ""
        transport = fields.word("protocol", TransportProtocol.self) ?? .tcp
        number = fields.port("port")
        applicationProtocol = fields.string("appProtocol") ?? ""
    }
}

// MARK: - Validation

extension EndpointSlice {
    public func faults() -> [FieldError] {
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain)
        if addressType == nil { errors.append(.required(FieldPath("addressType"))) }
        if endpoints.count > 1000 { errors.append(.tooMany(FieldPath("endpoints"), endpoints.count, limit: 1000)) }
        for (position, endpoint) in endpoints.enumerated() where addressType != .fqdn {
            let path = FieldPath("endpoints").index(position).child("addresses")
            if endpoint.addresses.isEmpty { errors.append(.required(path, "must contain at least 1 address")) }
            if endpoint.addresses.count > 100 { errors.append(.tooMany(path, endpoint.addresses.count, limit: 100)) }
            for (position, address) in endpoint.addresses.enumerated() {
                guard let addressType, addressType != (address.family == .v4 ? .v4 : .v6) else { continue }
                let wanted = addressType == .v4 ? "must be an IPv4 address" : "must be an IPv6 address"
                errors.append(.invalid(path.index(position), .string(address.description), wanted))
            }
        }
        var names: Set<String> = []
        for (position, port) in ports.enumerated() where !names.insert(port.name).inserted {
            errors.append(.duplicate(FieldPath("ports").index(position).child("name"), .string(port.name)))
        }
        return errors
    }
}
