public import Addressing

/// A service: a name and addresses that stand for endpoints.
public struct Service: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Service"), plural: "services", shortNames: ["svc"], isNamespaced: true)

    /// `spec.type`: how far it is seen. Each sees what the ones before it see, but for the last, which is a name alone.
    public enum Exposure: String, Hashable, Sendable, CaseIterable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case loadBalancer = "LoadBalancer"
        case externalName = "ExternalName"
    }

    /// Which endpoints traffic may go to.
    public enum TrafficPolicy: String, Hashable, Sendable, CaseIterable {
        case cluster = "Cluster"
        /// Those of the node that the traffic has reached.
        case local = "Local"
    }

    public enum FamilyPolicy: String, Hashable, Sendable, CaseIterable {
        case singleStack = "SingleStack"
        case preferDualStack = "PreferDualStack"
        case requireDualStack = "RequireDualStack"
    }

    public struct Port: Hashable, Sendable {
        /// May be empty when it is the only one.
        public var name: String
        public var transport: TransportProtocol
        /// 0 only beside a fault.
        public var number: UInt16
        /// `nil`: the same number.
        public var target: PortReference?
        public var nodePort: UInt16?
        public var applicationProtocol: String
    }

    public struct Spec: Hashable, Sendable {
        public var exposure = Exposure.clusterIP
        /// At most one a family, the first the primary one; empty for headless ones, and until the server gives some.
        public var clusterIPs: [IPAddress] = []
        /// `None`: its name stands for its endpoints' own addresses.
        public var isHeadless = false
        public var families: [IPFamily] = []
        public var familyPolicy: FamilyPolicy?
        public var ports: [Port] = []
        /// Empty: its endpoints are written by somebody else.
        public var selector: [String: String] = [:]
        public var externalIPs: [IPAddress] = []
        public var externalName = ""
        /// `nil`: no affinity. Else how long a client keeps its endpoint.
        public var affinity: Duration?
        public var externalTrafficPolicy = TrafficPolicy.cluster
        public var internalTrafficPolicy = TrafficPolicy.cluster
        /// `PreferClose`, `PreferSameZone`, `PreferSameNode` or empty.
        public var trafficDistribution = ""
        public var healthCheckNodePort: UInt16?
        public var loadBalancerIP: IPAddress?
        public var loadBalancerClass = ""
        public var loadBalancerSourceRanges: [IPPrefix] = []
        public var allocatesNodePorts = true
        public var publishesNotReadyAddresses = false

        public init() {}
    }

    /// Where a load balancer answers.
    public struct Ingress: Hashable, Sendable {
        public var address: IPAddress?
        public var hostname: String
        /// Traffic keeps this address as its destination until it is here (`ipMode: VIP`), and is ours to balance.
        public var isVirtual: Bool
    }

    public var metadata: ObjectMeta
    public var spec: Spec
    public var ingress: [Ingress]

    public init(metadata: ObjectMeta, spec: Spec = Spec(), ingress: [Ingress] = []) {
        self.metadata = metadata
        self.spec = spec
        self.ingress = ingress
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        spec = fields.section("spec", Spec.init(reading:))
        ingress = fields.section("status") { $0.section("loadBalancer") { $0.list("ingress", Ingress.init(reading:)) } }
    }
}

// MARK: - Reading

extension Service.Spec {
    init(reading fields: inout FieldReader) {
        exposure = fields.word("type", Service.Exposure.self) ?? .clusterIP
        (clusterIPs, isHeadless) = Self.clusterIPs(&fields)
        families = fields.families("ipFamilies")
        familyPolicy = fields.word("ipFamilyPolicy", Service.FamilyPolicy.self)
        ports = fields.list("ports", Service.Port.init(reading:))
        selector = fields.map("selector")
        externalIPs = fields.addresses("externalIPs")
        externalName = fields.string("externalName") ?? ""
        affinity = Self.affinity(&fields)
        externalTrafficPolicy = fields.word("externalTrafficPolicy", Service.TrafficPolicy.self) ?? .cluster
        internalTrafficPolicy = fields.word("internalTrafficPolicy", Service.TrafficPolicy.self) ?? .cluster
        trafficDistribution = fields.string("trafficDistribution") ?? ""
        healthCheckNodePort = fields.port("healthCheckNodePort")
        loadBalancerIP = fields.address("loadBalancerIP")
        loadBalancerClass = fields.string("loadBalancerClass") ?? ""
        loadBalancerSourceRanges = fields.prefixes("loadBalancerSourceRanges")
        allocatesNodePorts = fields.bool("allocateLoadBalancerNodePorts") ?? true
        publishesNotReadyAddresses = fields.bool("publishNotReadyAddresses") ?? false
    }

    /// The older, single field wins where the two differ, as when kube-apiserver converts the object.
    private static func clusterIPs(_ fields: inout FieldReader) -> ([IPAddress], Bool) {
        let first = fields.string("clusterIP") ?? ""
        let all = fields.strings("clusterIPs")
        if first == "None" || (first.isEmpty && all.first == "None") { return ([], true) }
        let one = fields.address("clusterIP")
        let many = fields.addresses("clusterIPs")
        guard let one, many.first != one else { return (many, false) }
        return ([one], false)
    }

    private static func affinity(_ fields: inout FieldReader) -> Duration? {
        enum Word: String, CaseIterable { case none = "None", clientIP = "ClientIP" }
        let word = fields.word("sessionAffinity", Word.self)
        let seconds = fields.section("sessionAffinityConfig") { $0.section("clientIP") { $0.integer("timeoutSeconds") } }
        return word == .clientIP ? .seconds(seconds ?? 10_800) : nil
    }
}

extension Service.Port {
    init(reading fields: inout FieldReader) {
        name = fields.string("name") ?? ""
        transport = fields.word("protocol", TransportProtocol.self) ?? .tcp
        number = fields.port("port") ?? 0
        target = fields.portReference("targetPort")
        nodePort = fields.port("nodePort")
        applicationProtocol = fields.string("appProtocol") ?? ""
    }
}

extension Service.Ingress {
    init(reading fields: inout FieldReader) {
        address = fields.address("ip")
        hostname = fields.string("hostname") ?? ""
        isVirtual = fields.string("ipMode") != "Proxy"
    }
}

extension FieldReader {
    public mutating func addresses(_ field: String) -> [IPAddress] {
        strings(field).enumerated().compactMap { position, text in
            if let address = IPAddress(text) { return address }
            report(.invalid(path(field).index(position), .string(text), FieldError.addressWanted))
            return nil
        }
    }

    mutating func families(_ field: String) -> [IPFamily] {
        strings(field).enumerated().compactMap { position, text in
            if let family = IPFamily.allCases.first(where: { $0.name == text }) { return family }
            report(.notSupported(path(field).index(position), .string(text), IPFamily.allCases.map(\.name)))
            return nil
        }
    }
}

// MARK: - Validation

extension Service {
    public func faults() -> [FieldError] {
        // RFC 1123 rather than the older RFC 1035 since Kubernetes 1.34 (RelaxedServiceNameValidation).
        metadata.faults(isNamespaced: true, name: .dnsLabel) + addressFaults() + portFaults() + otherFaults()
            + labelFaults(spec.selector, at: FieldPath("spec", "selector"))
    }

    private func addressFaults() -> [FieldError] {
        let path = FieldPath("spec", "clusterIPs")
        guard Set(spec.clusterIPs.map(\.family)).count < spec.clusterIPs.count else { return [] }
        return [
            .invalid(
                path, .array(spec.clusterIPs.map { .string($0.description) }),
                "may specify no more than one IP for each IP family")
        ]
    }

    private func portFaults() -> [FieldError] {
        let path = FieldPath("spec", "ports")
        guard !spec.ports.isEmpty else {
            return spec.isHeadless || spec.exposure == .externalName ? [] : [.required(path)]
        }
        var errors: [FieldError] = []
        var (names, numbers): (Set<String>, Set<String>) = ([], [])
        for (position, port) in spec.ports.enumerated() {
            let path = path.index(position)
            if port.name.isEmpty {
                if spec.ports.count > 1 { errors.append(.required(path.child("name"))) }
            } else {
                errors += NameRule.dnsLabel.faults(in: port.name).map { .invalid(path.child("name"), .string(port.name), $0) }
                if !names.insert(port.name).inserted { errors.append(.duplicate(path.child("name"), .string(port.name))) }
            }
            if port.number == 0 {
                errors.append(.invalid(path.child("port"), 0, "must be between 1 and 65535, inclusive"))
            } else if !numbers.insert("\(port.transport.rawValue)/\(port.number)").inserted {
                errors.append(
                    .duplicate(
                        path,
                        ["port": .number(JSONNumber(Int64(port.number))), "protocol": .string(port.transport.rawValue)]))
            }
            errors += port.target?.faults(at: path.child("targetPort")) ?? []
            if port.nodePort != nil, spec.exposure == .clusterIP || spec.exposure == .externalName {
                errors.append(.forbidden(path.child("nodePort"), "may not be used when `type` is '\(spec.exposure.rawValue)'"))
            }
        }
        return errors
    }

    private func otherFaults() -> [FieldError] {
        let path = FieldPath("spec")
        var errors: [FieldError] = []
        if spec.exposure == .externalName {
            if spec.externalName.isEmpty { errors.append(.required(path.child("externalName"))) }
            if !spec.clusterIPs.isEmpty || spec.isHeadless {
                errors.append(.forbidden(path.child("clusterIPs"), "may not be set when `type` is 'ExternalName'"))
            }
        } else if spec.isHeadless, spec.exposure != .clusterIP {
            errors.append(
                .invalid(
                    path.child("clusterIPs").index(0), "None", "may not be set to 'None' for \(spec.exposure.rawValue) services"))
        }
        if let seconds = spec.affinity?.components.seconds, !(1...86_400).contains(seconds) {
            let path = path.child("sessionAffinityConfig").child("clientIP").child("timeoutSeconds")
            errors.append(.invalid(path, .number(JSONNumber(seconds)), "must be greater than 0 and less than 86400"))
        }
        return errors
    }
}
