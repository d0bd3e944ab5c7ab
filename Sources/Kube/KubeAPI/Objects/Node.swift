public import Addressing

/// A node: which pods' prefixes are its own, and where it is reached.
public struct Node: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Node"), plural: "nodes", shortNames: ["no"], isNamespaced: false)

    public struct Spec: Hashable, Sendable {
        /// At most one a family, the first the primary one; empty until a controller or a person gives the node one.
        public var podCIDRs: [IPPrefix] = []
        public var isUnschedulable = false
        public var taints: [Taint] = []

        public init() {}
    }

    public struct Status: Hashable, Sendable {
        public var addresses: [Address] = []
        public var conditions: [Condition] = []

        public init() {}
    }

    public struct Address: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            case hostname = "Hostname"
            case internalIP = "InternalIP"
            case externalIP = "ExternalIP"
            case internalDNS = "InternalDNS"
            case externalDNS = "ExternalDNS"
        }

        public var kind: Kind
        /// An address or a name, by kind.
        public var text: String

        public init(_ kind: Kind, _ text: String) {
            self.kind = kind
            self.text = text
        }
    }

    public struct Taint: Hashable, Sendable {
        public enum Effect: String, Hashable, Sendable, CaseIterable {
            case noSchedule = "NoSchedule"
            case preferNoSchedule = "PreferNoSchedule"
            case noExecute = "NoExecute"
        }

        public var key: String
        public var value: String
        /// `nil` only beside a fault: the taint keeps its place in the list.
        public var effect: Effect?
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

extension Node {
    /// The addresses other nodes reach this one by, in the order the node gives them.
    public var internalAddresses: [IPAddress] {
        status.addresses.filter { $0.kind == .internalIP }.compactMap { IPAddress($0.text) }
    }

    public var isReady: Bool { status.conditions.contains { $0.type == "Ready" && $0.status == .true } }
}

// MARK: - Reading

extension Node.Spec {
    init(reading fields: inout FieldReader) {
        let first = fields.prefix("podCIDR")
        podCIDRs = fields.prefixes("podCIDRs")
        // The older field wins where the two differ, as when kube-apiserver converts the object.
        if let first, podCIDRs.first != first { podCIDRs = [first] }
        isUnschedulable = fields.bool("unschedulable") ?? false
        taints = fields.list("taints", Node.Taint.init(reading:))
    }
}

extension Node.Status {
    init(reading fields: inout FieldReader) {
        addresses = fields.list("addresses") { fields -> Node.Address? in
            guard let kind = fields.word("type", Node.Address.Kind.self) else { return nil }
            let text = fields.string("address") ?? ""
            if kind == .internalIP || kind == .externalIP { _ = fields.address("address") }
            return Node.Address(kind, text)
        }.compactMap(\.self)
        conditions = fields.list("conditions", Condition.init(reading:))
    }
}

extension Node.Taint {
    fileprivate init(reading fields: inout FieldReader) {
        key = fields.string("key") ?? ""
        value = fields.string("value") ?? ""
        effect = fields.word("effect", Effect.self)
    }
}

// MARK: - Validation

extension Node {
    public func faults() -> [FieldError] {
        metadata.faults(isNamespaced: false, name: .dnsSubdomain) + podCIDRFaults() + taintFaults()
    }

    private func podCIDRFaults() -> [FieldError] {
        let path = FieldPath("spec", "podCIDRs")
        let texts = spec.podCIDRs.map(\.description)
        guard Set(spec.podCIDRs.map(\.family)).count < texts.count else { return [] }
        return [.invalid(path, .array(texts.map(JSONValue.string)), "may specify no more than one CIDR for each IP family")]
    }

    private func taintFaults() -> [FieldError] {
        var errors: [FieldError] = []
        var seen: Set<[String]> = []
        for (position, taint) in spec.taints.enumerated() {
            let path = FieldPath("spec", "taints").index(position)
            errors += NameRule.qualifiedName.faults(in: taint.key).map { .invalid(path.child("key"), .string(taint.key), $0) }
            errors += NameRule.labelValue.faults(in: taint.value).map { .invalid(path.child("value"), .string(taint.value), $0) }
            guard let effect = taint.effect?.rawValue else {
                errors.append(.required(path.child("effect")))
                continue
            }
            if !seen.insert([taint.key, effect]).inserted { errors.append(.duplicate(path, .string("\(taint.key):\(effect)"))) }
        }
        return errors
    }
}
