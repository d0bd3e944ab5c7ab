public import Addressing

/// The endpoints of a service in their older form, which some programs still write and read. ``EndpointSlice`` is what counts.
public struct Endpoints: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Endpoints"), plural: "endpoints", shortNames: ["ep"], isNamespaced: true)

    public struct Address: Hashable, Sendable {
        /// `nil` only beside a fault.
        public var address: IPAddress?
        public var hostname: String
        public var nodeName: String
        public var target: EndpointSlice.Target?
    }

    /// Every address with every port.
    public struct Subset: Hashable, Sendable {
        public var ready: [Address]
        public var notReady: [Address]
        public var ports: [EndpointSlice.Port]
    }

    public var metadata: ObjectMeta
    public var subsets: [Subset]

    public init(metadata: ObjectMeta, subsets: [Subset] = []) {
        self.metadata = metadata
        self.subsets = subsets
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        subsets = fields.list("subsets") { fields in
            Subset(
                ready: fields.list("addresses", Address.init(reading:)),
                notReady: fields.list("notReadyAddresses", Address.init(reading:)),
                ports: fields.list("ports", EndpointSlice.Port.init(reading:)))
        }
    }

    public func faults() -> [FieldError] {
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain)
        for (position, subset) in subsets.enumerated() {
            let path = FieldPath("subsets").index(position)
            if subset.ready.isEmpty, subset.notReady.isEmpty {
                errors.append(.required(path, "must specify `addresses` or `notReadyAddresses`"))
            }
            for (field, addresses) in [("addresses", subset.ready), ("notReadyAddresses", subset.notReady)] {
                for (position, address) in addresses.enumerated() where address.address == nil {
                    errors.append(.required(path.child(field).index(position).child("ip")))
                }
            }
            for (position, port) in subset.ports.enumerated() {
                let path = path.child("ports").index(position)
                if port.name.isEmpty, subset.ports.count > 1 { errors.append(.required(path.child("name"))) }
                if port.number == nil {
                    errors.append(.invalid(path.child("port"), 0, "must be between 1 and 65535, inclusive"))
                }
            }
        }
        return errors
    }
}

extension Endpoints.Address {
    fileprivate init(reading fields: inout FieldReader) {
        address = fields.address("ip")
        hostname = fields.string("hostname") ?? ""
        nodeName = fields.string("nodeName") ?? ""
        target = fields.object("targetRef", EndpointSlice.Target.init(reading:))
    }
}
