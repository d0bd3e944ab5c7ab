public import Addressing

/// Who may talk to whom. Pods that no policy selects for a direction may do everything in it; policies only add up.
public struct NetworkPolicy: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy"), plural: "networkpolicies",
        shortNames: ["netpol"], isNamespaced: true)

    public enum Direction: String, Hashable, Sendable, CaseIterable {
        case ingress = "Ingress"
        case egress = "Egress"
    }

    public struct Rule: Hashable, Sendable {
        /// Empty: everybody, also outside the cluster.
        public var peers: [Peer]
        /// Empty: every port.
        public var ports: [Port]
    }

    public enum Peer: Hashable, Sendable {
        /// Pods of the policy's own namespace.
        case pods(LabelSelector)
        /// Pods of the namespaces; without a selector of pods, all of them.
        case namespaces(LabelSelector, pods: LabelSelector?)
        case block(IPPrefix, except: [IPPrefix])
        /// Only beside a fault: it selects nobody, and keeps its rule from selecting everybody.
        case nobody
    }

    public struct Port: Hashable, Sendable {
        public var transport: TransportProtocol
        /// `nil`: all ports of the protocol.
        public var port: PortReference?
        /// The last of a range that begins at `port`.
        public var last: UInt16?
    }

    public var metadata: ObjectMeta
    /// Which pods it is about; an empty one selects all of the namespace. `nil` only beside a fault.
    public var podSelector: LabelSelector?
    public var directions: Set<Direction>
    public var ingress: [Rule]
    public var egress: [Rule]

    public init(
        metadata: ObjectMeta, podSelector: LabelSelector, directions: Set<Direction>, ingress: [Rule] = [], egress: [Rule] = []
    ) {
        self.metadata = metadata
        self.podSelector = podSelector
        self.directions = directions
        self.ingress = ingress
        self.egress = egress
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        (podSelector, directions, ingress, egress) = fields.section("spec") { fields in
            let before = fields.errors.count
            var selector: LabelSelector? = fields.selector("podSelector") ?? LabelSelector()
            if fields.errors.count > before { selector = nil }
            let ingress = fields.list("ingress") { Rule(reading: &$0, "from") }
            let egress = fields.list("egress") { Rule(reading: &$0, "to") }
            return (selector, Self.directions(&fields, hasEgress: fields.value("egress") != nil), ingress, egress)
        }
    }

    /// Without `policyTypes` a policy is about ingress, and about egress when it has such rules.
    private static func directions(_ fields: inout FieldReader, hasEgress: Bool) -> Set<Direction> {
        let words = fields.strings("policyTypes")
        guard !words.isEmpty else { return hasEgress ? [.ingress, .egress] : [.ingress] }
        var directions: Set<Direction> = []
        for (position, word) in words.enumerated() {
            if let direction = Direction(rawValue: word) {
                directions.insert(direction)
            } else {
                let supported = Direction.allCases.map(\.rawValue).sorted()
                fields.report(.notSupported(fields.path("policyTypes").index(position), .string(word), supported))
            }
        }
        return directions
    }
}

// MARK: - Reading

extension NetworkPolicy.Rule {
    fileprivate init(reading fields: inout FieldReader, _ field: String) {
        peers = fields.list(field, NetworkPolicy.Peer.init(reading:))
        ports = fields.list("ports", NetworkPolicy.Port.init(reading:))
    }
}

extension NetworkPolicy.Peer {
    fileprivate init(reading fields: inout FieldReader) {
        let before = fields.errors.count
        let pods = fields.selector("podSelector")
        let namespaces = fields.selector("namespaceSelector")
        let block = fields.object("ipBlock", Self.block)
        switch (pods, namespaces, block) {
        case (nil, nil, nil):
            if fields.errors.count == before { fields.report(.required(fields.path, "must specify a peer")) }
            self = .nobody
        case (nil, nil, let block?): self = block
        case (let pods?, nil, nil): self = .pods(pods)
        case (let pods, let namespaces?, nil): self = .namespaces(namespaces, pods: pods)
        case (_, _, _?):
            fields.report(.forbidden(fields.path, "may not specify both ipBlock and another peer"))
            self = .nobody
        }
        // A selector without its wrong part selects more than was meant.
        if fields.errors.count > before { self = .nobody }
    }

    private static func block(_ fields: inout FieldReader) -> Self {
        let before = fields.errors.count
        let prefix = fields.prefix("cidr")
        let exceptions = fields.prefixes("except")
        guard let prefix else {
            if fields.errors.count == before { fields.report(.required(fields.path("cidr"))) }
            return .nobody
        }
        for (position, exception) in exceptions.enumerated() where !prefix.contains(exception) || prefix == exception {
            let path = fields.path("except").index(position)
            fields.report(.invalid(path, .string(exception.description), "must be a strict subset of `cidr`"))
        }
        return .block(prefix, except: exceptions)
    }
}

extension NetworkPolicy.Port {
    fileprivate init(reading fields: inout FieldReader) {
        transport = fields.word("protocol", TransportProtocol.self) ?? .tcp
        port = fields.portReference("port")
        last = fields.port("endPort")
    }
}

// MARK: - Validation

extension NetworkPolicy {
    public func faults() -> [FieldError] {
        let spec = FieldPath("spec")
        return metadata.faults(isNamespaced: true, name: .dnsSubdomain) + portFaults(ingress, at: spec.child("ingress"))
            + portFaults(egress, at: spec.child("egress"))
    }

    private func portFaults(_ rules: [Rule], at path: FieldPath) -> [FieldError] {
        rules.enumerated().flatMap { position, rule in
            rule.ports.enumerated().flatMap { portPosition, port in
                port.faults(at: path.index(position).child("ports").index(portPosition))
            }
        }
    }
}

extension NetworkPolicy.Port {
    fileprivate func faults(at path: FieldPath) -> [FieldError] {
        var errors = port?.faults(at: path.child("port")) ?? []
        guard let last else { return errors }
        let path = path.child("endPort")
        let value = JSONValue.number(JSONNumber(Int64(last)))
        switch port {
        case nil: errors.append(.invalid(path, value, "may not be specified when `port` is not specified"))
        case .name: errors.append(.invalid(path, value, "may not be specified when `port` is non-numeric"))
        case .number(let first):
            if last < first { errors.append(.invalid(path, value, "must be greater than or equal to `port`")) }
        }
        return errors
    }
}
