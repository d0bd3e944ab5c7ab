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

        /// Only beside a fault: it opens nothing.
        public static let unreadable = Rule(peers: [.nobody], ports: [.unreadable])
    }

    public enum Peer: Hashable, Sendable {
        /// Pods of the policy's own namespace.
        case pods(LabelSelector)
        /// Pods of the namespaces; without a selector of pods, all of them.
        case namespaces(LabelSelector, pods: LabelSelector?)
        /// IPv4-mapped ranges are read as the IPv4 ones they stand for: no packet has such an address.
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

        /// Only beside a fault: a name that no container's port can have. Whoever knows nothing of it opens nothing either.
        public static let unreadable = Port(transport: .tcp, port: .name("?"))
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
            let ingress = fields.list("ingress", standIn: .unreadable) { Rule(reading: &$0, "from") }
            let egress = fields.list("egress", standIn: .unreadable) { Rule(reading: &$0, "to") }
            return (selector, Self.directions(&fields, hasEgress: !egress.isEmpty), ingress, egress)
        }
    }

    /// Without `policyTypes` a policy is about ingress, and about egress when it has such rules. So it is when no word of them can
    /// be read: it would be about nothing else, and leave its pods open.
    private static func directions(_ fields: inout FieldReader, hasEgress: Bool) -> Set<Direction> {
        let words = fields.strings("policyTypes")
        var directions: Set<Direction> = []
        for (position, word) in words.enumerated() {
            if let direction = Direction(rawValue: word) {
                directions.insert(direction)
            } else {
                let supported = Direction.allCases.map(\.rawValue).sorted()
                fields.report(.notSupported(fields.path("policyTypes").index(position), .string(word), supported))
            }
        }
        if directions.isEmpty { return hasEgress ? [.ingress, .egress] : [.ingress] }
        return directions
    }
}

// MARK: - Reading

extension NetworkPolicy.Rule {
    fileprivate init(reading fields: inout FieldReader, _ field: String) {
        peers = fields.list(field, standIn: .nobody, NetworkPolicy.Peer.init(reading:))
        ports = fields.list("ports", standIn: .unreadable, NetworkPolicy.Port.init(reading:))
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
        let prefix = fields.plainPrefix("cidr")?.unmapped
        let exceptions = fields.plainPrefixes("except").map(\.unmapped)
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
    /// With anything wrong in it, it names nothing: without its wrong part it would name more.
    fileprivate init(reading fields: inout FieldReader) {
        let before = fields.errors.count
        transport = fields.word("protocol", TransportProtocol.self) ?? .tcp
        let beforePort = fields.errors.count
        port = fields.portReference("port")
        if fields.errors.count == beforePort { for error in portFaults(in: fields) { fields.report(error) } }
        if let end = fields.integer("endPort") {
            last = UInt16(exactly: end)
            let path = fields.path("endPort")
            for fault in Self.faults(ofEnd: end, beside: fields.value("port")) {
                fields.report(.invalid(path, .number(JSONNumber(end)), fault))
            }
        }
        if fields.errors.count > before { self = .unreadable }
    }

    private func portFaults(in fields: FieldReader) -> [FieldError] {
        let path = fields.path("port")
        // 0 and the empty name are as good as absent elsewhere, and would be every port here.
        if port == nil, let value = fields.value("port") {
            guard case .string = value else { return [.invalid(path, value, "must be between 1 and 65535, inclusive")] }
            return NameRule.portName.faults(in: "").map { .invalid(path, value, $0) }
        }
        return port?.faults(at: path) ?? []
    }

    private static func faults(ofEnd end: Int64, beside port: JSONValue?) -> [String] {
        switch port {
        case nil: ["may not be specified when `port` is not specified"]
        case .string: ["may not be specified when `port` is non-numeric"]
        case .number(let first):
            (end < first.integer ?? end ? ["must be greater than or equal to `port`"] : [])
                + ((1...65535).contains(end) ? [] : ["must be between 1 and 65535, inclusive"])
        default: []
        }
    }
}

// MARK: - Validation

extension NetworkPolicy {
    public func faults() -> [FieldError] { metadata.faults(isNamespaced: true, name: .dnsSubdomain) }
}
