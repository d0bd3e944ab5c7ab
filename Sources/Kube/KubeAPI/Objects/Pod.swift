public import Addressing

/// A pod: the thing that has an address.
public struct Pod: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Pod"), plural: "pods", shortNames: ["po"], isNamespaced: true)

    public enum RestartPolicy: String, Hashable, Sendable, CaseIterable {
        case always = "Always"
        case onFailure = "OnFailure"
        case never = "Never"
    }

    public enum Phase: String, Hashable, Sendable, CaseIterable {
        case pending = "Pending"
        case running = "Running"
        case succeeded = "Succeeded"
        case failed = "Failed"
        case unknown = "Unknown"
    }

    public struct Spec: Hashable, Sendable {
        /// Empty until the pod is bound to a node.
        public var nodeName = ""
        /// The pod shares its node's network and addresses.
        public var usesHostNetwork = false
        public var initContainers: [Container] = []
        public var containers: [Container] = []
        public var restartPolicy = RestartPolicy.always
        public var hostname = ""
        public var subdomain = ""
        public var terminationGracePeriod = Duration.seconds(30)
        public var nodeSelector: [String: String] = [:]
        public var dnsPolicy = DNSPolicy.clusterFirst
        public var dnsConfig = DNSConfig()

        public init() {}
    }

    /// Whom the pod's programs ask for names.
    public enum DNSPolicy: String, Hashable, Sendable, CaseIterable {
        /// The cluster's name server; a pod in its node's network whom the node asks.
        case clusterFirst = "ClusterFirst"
        case clusterFirstWithHostNet = "ClusterFirstWithHostNet"
        /// Whom the node asks.
        case `default` = "Default"
        /// What ``DNSConfig`` says, and nobody else.
        case none = "None"
    }

    /// What stands in the pod's resolv.conf beside what its policy says.
    public struct DNSConfig: Hashable, Sendable {
        public var nameservers: [IPAddress] = []
        public var searches: [String] = []
        public var options: [Option] = []

        public struct Option: Hashable, Sendable {
            public var name: String
            public var value: String?
        }

        public init() {}
    }

    public struct Status: Hashable, Sendable {
        public var phase = Phase.pending
        /// At most one a family, the first the primary one.
        public var podIPs: [IPAddress] = []
        public var hostIPs: [IPAddress] = []
        public var conditions: [Condition] = []

        public init() {}
    }

    public var metadata: ObjectMeta
    public var spec: Spec
    public var status: Status

    public init(metadata: ObjectMeta, spec: Spec = Spec(), status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        spec = fields.section("spec", Spec.init(reading:))
        status = fields.section("status", Status.init(reading:))
    }
}

extension Pod {
    public var isReady: Bool { status.conditions.contains { $0.type == "Ready" && $0.status == .true } }

    /// It runs no more and will not again: its address is free.
    public var isTerminal: Bool { status.phase == .succeeded || status.phase == .failed }
}

// MARK: - Reading

extension Pod.Spec {
    init(reading fields: inout FieldReader) {
        nodeName = fields.string("nodeName") ?? ""
        usesHostNetwork = fields.bool("hostNetwork") ?? false
        initContainers = fields.list("initContainers", Container.init(reading:))
        containers = fields.list("containers", Container.init(reading:))
        restartPolicy = fields.word("restartPolicy", Pod.RestartPolicy.self) ?? .always
        hostname = fields.string("hostname") ?? ""
        subdomain = fields.string("subdomain") ?? ""
        terminationGracePeriod = .seconds(fields.integer("terminationGracePeriodSeconds") ?? 30)
        nodeSelector = fields.map("nodeSelector")
        dnsPolicy = fields.word("dnsPolicy", Pod.DNSPolicy.self) ?? .clusterFirst
        dnsConfig = fields.section("dnsConfig", Pod.DNSConfig.init(reading:))
    }
}

extension Pod.DNSConfig {
    init(reading fields: inout FieldReader) {
        nameservers = fields.addresses("nameservers")
        searches = fields.strings("searches")
        options = fields.list("options") { Option(name: $0.string("name") ?? "", value: $0.string("value")) }
    }
}

extension Pod.Status {
    init(reading fields: inout FieldReader) {
        phase = fields.word("phase", Pod.Phase.self) ?? .pending
        podIPs = Self.addresses(&fields, first: "podIP", all: "podIPs")
        hostIPs = Self.addresses(&fields, first: "hostIP", all: "hostIPs")
        conditions = fields.list("conditions", Condition.init(reading:))
    }

    /// The older, single field wins where the two differ, as when kube-apiserver converts the object.
    private static func addresses(_ fields: inout FieldReader, first: String, all: String) -> [IPAddress] {
        let one = fields.address(first)
        let many = fields.list(all) { $0.address("ip") }.compactMap(\.self)
        guard let one, many.first != one else { return many }
        return [one]
    }
}

// MARK: - Validation

extension Pod {
    public func faults() -> [FieldError] {
        metadata.faults(isNamespaced: true, name: .dnsSubdomain) + nameFaults() + containerFaults() + graceFaults()
            + addressFaults()
    }

    private func nameFaults() -> [FieldError] {
        let path = FieldPath("spec")
        func check(_ text: String, _ rule: NameRule, _ field: String) -> [FieldError] {
            text.isEmpty ? [] : rule.faults(in: text).map { .invalid(path.child(field), .string(text), $0) }
        }
        return check(spec.nodeName, .dnsSubdomain, "nodeName") + check(spec.hostname, .dnsLabel, "hostname")
            + check(spec.subdomain, .dnsLabel, "subdomain") + labelFaults(spec.nodeSelector, at: path.child("nodeSelector"))
    }

    private func containerFaults() -> [FieldError] {
        let path = FieldPath("spec")
        var errors: [FieldError] = spec.containers.isEmpty ? [.required(path.child("containers"))] : []
        var names: Set<String> = []
        for (field, containers) in [("initContainers", spec.initContainers), ("containers", spec.containers)] {
            for (position, container) in containers.enumerated() {
                let path = path.child(field).index(position)
                errors += container.faults(at: path, usesHostNetwork: spec.usesHostNetwork)
                if !container.name.isEmpty, !names.insert(container.name).inserted {
                    errors.append(.duplicate(path.child("name"), .string(container.name)))
                }
            }
        }
        return errors + hostPortFaults()
    }

    private func hostPortFaults() -> [FieldError] {
        var errors: [FieldError] = []
        var seen: Set<String> = []
        for (position, container) in spec.containers.enumerated() {
            for (portPosition, port) in container.ports.enumerated() {
                guard let hostPort = port.hostPort else { continue }
                let text = "\(port.transport.rawValue)/\(port.hostIP.map(\.description) ?? "")/\(hostPort)"
                guard !seen.insert(text).inserted else { continue }
                let path = FieldPath("spec", "containers").index(position).child("ports").index(portPosition)
                errors.append(.duplicate(path.child("hostPort"), .string(text)))
            }
        }
        return errors
    }

    private func graceFaults() -> [FieldError] {
        let seconds = spec.terminationGracePeriod.components.seconds
        guard seconds < 0 else { return [] }
        let path = FieldPath("spec", "terminationGracePeriodSeconds")
        return [.invalid(path, .number(JSONNumber(seconds)), "must be greater than or equal to 0")]
    }

    private func addressFaults() -> [FieldError] {
        [("podIPs", status.podIPs), ("hostIPs", status.hostIPs)].compactMap { field, addresses in
            guard Set(addresses.map(\.family)).count < addresses.count else { return nil }
            let shown = JSONValue.array(addresses.map { ["ip": .string($0.description)] })
            return .invalid(FieldPath("status", field), shown, "may specify no more than one IP for each IP family")
        }
    }
}
