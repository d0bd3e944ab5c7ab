public import Addressing

/// Who may talk to whom, as the cluster's administrator says it: before all ``NetworkPolicy``s, or where none of them speaks.
///
/// What cannot be read fails closed, as the API demands (https://network-policy-api.sigs.k8s.io): a rule that accepts means nobody,
/// and one that denies or passes denies everything. The object says so itself, so that whoever asks its rules needs not know of it.
///
/// A network may have host bits, which are cut: its definition lets them pass. An IPv4-mapped one is read as the IPv4 one it stands
/// for: no packet has such an address, and a rule that denies would deny nothing.
public struct ClusterNetworkPolicy: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "policy.networking.k8s.io", version: "v1alpha2", kind: "ClusterNetworkPolicy"),
        plural: "clusternetworkpolicies", shortNames: ["cnp"], isNamespaced: false)

    public enum Tier: String, Hashable, Sendable, CaseIterable {
        /// Before network policies.
        case admin = "Admin"
        /// For pods that no network policy isolates in the direction.
        case baseline = "Baseline"
    }

    public enum Action: String, Hashable, Sendable, CaseIterable {
        case accept = "Accept"
        case deny = "Deny"
        /// On to the next tier.
        case pass = "Pass"
    }

    /// Pods of the namespaces. Those on their nodes' networks are never meant.
    public struct PodGroup: Hashable, Sendable {
        public var namespaces: LabelSelector
        public var pods: LabelSelector

        public init(namespaces: LabelSelector, pods: LabelSelector = LabelSelector()) {
            (self.namespaces, self.pods) = (namespaces, pods)
        }
    }

    public enum Peer: Hashable, Sendable {
        case pods(PodGroup)
        /// All addresses that the nodes' objects name. Of egress.
        case nodes(LabelSelector)
        /// Whoever has the address, also pods. Of egress.
        case networks([IPPrefix])
        /// Only of a rule that could not be carried out.
        case everybody, nobody
    }

    public enum Port: Hashable, Sendable {
        case numbers(TransportProtocol, ClosedRange<UInt16>)
        /// What the destination calls so, of every protocol.
        case name(String)
    }

    public struct Rule: Hashable, Sendable {
        /// For people; may be empty.
        public var name: String
        public var action: Action
        /// Never empty.
        public var peers: [Peer]
        /// Empty: all traffic, also what has no ports.
        public var ports: [Port]
        /// Why the rule is another one than was written.
        public var obstacle: Obstacle?

        public init(_ action: Action, _ peers: [Peer], ports: [Port] = [], name: String = "", obstacle: Obstacle? = nil) {
            (self.action, self.peers, self.ports) = (action, peers, ports)
            (self.name, self.obstacle) = (name, obstacle)
        }
    }

    public enum Obstacle: Hashable, Sendable {
        /// It breaks a rule of the API, or its policy has no place in the order.
        case unreadable
        /// Names of the DNS as peers cannot be enforced yet.
        case domainNames
    }

    public var metadata: ObjectMeta
    /// One that could not be read is Admin, with a priority before all others.
    public var tier: Tier
    /// 0 to 1000, the lower first; -1 only beside a fault.
    public var priority: Int
    /// `nil` only beside a fault: it is about no pod.
    public var subject: PodGroup?
    public var ingress: [Rule]
    public var egress: [Rule]
    /// What was said of it in its status.
    public var conditions: [Condition] = []

    public init(
        metadata: ObjectMeta, tier: Tier, priority: Int, subject: PodGroup, ingress: [Rule] = [], egress: [Rule] = []
    ) {
        (self.metadata, self.tier, self.priority, self.subject) = (metadata, tier, priority, subject)
        (self.ingress, self.egress) = (ingress, egress)
    }

    public func rules(for direction: NetworkPolicy.Direction) -> [Rule] { direction == .ingress ? ingress : egress }

    public func faults() -> [FieldError] { metadata.faults(isNamespaced: false, name: .dnsSubdomain) }
}

extension ClusterNetworkPolicy {
    /// The most rules that a direction may have, and the most parts of a rule.
    static let limit = 25

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        (tier, priority, subject, ingress, egress) = fields.section("spec") { fields in
            let before = fields.errors.count
            let tier = fields.requiredWord("tier", Tier.self)
            let priority = fields.required("priority") { $0.priority() }
            let isPlaced = fields.errors.count == before
            let subject = fields.required("subject") { $0.object("subject") { $0.podGroup() } ?? nil }
            let rules = NetworkPolicy.Direction.allCases.map { fields.rules($0, isPlaced: isPlaced) }
            return (isPlaced ? tier ?? .admin : .admin, isPlaced ? priority ?? -1 : -1, subject, rules[0], rules[1])
        }
        conditions = fields.section("status") { $0.list("conditions", Condition.init(reading:)) }
    }
}

// MARK: - Reading

extension FieldReader {
    fileprivate mutating func required<Value>(_ field: String, _ read: (inout FieldReader) -> Value?) -> Value? {
        if value(field) == nil { report(.required(path(field))) }
        return read(&self)
    }

    /// One of the words; an empty text is none of them.
    fileprivate mutating func requiredWord<Word: RawRepresentable & CaseIterable>(
        _ field: String, _ type: Word.Type
    ) -> Word? where Word.RawValue == String {
        guard value(field) == "" else { return required(field) { $0.word(field, type) } }
        report(.notSupported(path(field), "", Word.allCases.map(\.rawValue).sorted()))
        return nil
    }

    fileprivate mutating func priority() -> Int? {
        guard let number = integer("priority") else { return nil }
        if (0...1000).contains(number) { return Int(number) }
        report(.invalid(path("priority"), .number(JSONNumber(number)), "must be between 0 and 1000, inclusive"))
        return nil
    }

    fileprivate mutating func rules(_ direction: NetworkPolicy.Direction, isPlaced: Bool) -> [ClusterNetworkPolicy.Rule] {
        let field = direction == .ingress ? "ingress" : "egress"
        // Of what is no rule at all nobody knows whether it denied.
        let closed = ClusterNetworkPolicy.Rule.closed(nil, "", .unreadable)
        let rules = list(field, standIn: closed) { $0.rule(direction, isPlaced: isPlaced) }
        if rules.count > ClusterNetworkPolicy.limit {
            report(.tooMany(path(field), rules.count, limit: ClusterNetworkPolicy.limit))
        }
        return rules
    }

    private mutating func rule(_ direction: NetworkPolicy.Direction, isPlaced: Bool) -> ClusterNetworkPolicy.Rule {
        let before = errors.count
        let name = string("name") ?? ""
        let action = requiredWord("action", ClusterNetworkPolicy.Action.self)
        let field = direction == .ingress ? "from" : "to"
        var obstacle: ClusterNetworkPolicy.Obstacle?
        let peers = parts(field, isRequired: true) { $0.peer(direction, &obstacle) }
        let ports = parts("protocols", isRequired: false) { $0.protocolPort() }
        let isOfPods = peers.allSatisfy { if case .pods = $0 { true } else { false } }
        if !isOfPods, ports.contains(where: { if case .name = $0 { true } else { false } }) {
            report(.forbidden(path("protocols"), "destinationNamedPort means pods, and not nodes, networks or domainNames"))
        }
        if errors.count > before || !isPlaced { obstacle = .unreadable }
        if let obstacle { return .closed(action, name, obstacle) }
        return ClusterNetworkPolicy.Rule(action ?? .deny, peers, ports: ports, name: name)
    }

    /// A list that means nothing when it is empty, and must not be.
    private mutating func parts<Part>(
        _ field: String, isRequired: Bool, _ read: (inout FieldReader) -> Part?
    ) -> [Part] {
        guard isRequired || value(field) != nil else { return [] }
        let before = errors.count
        let parts = list(field, read)
        if parts.isEmpty, errors.count == before { report(.required(path(field), "must have at least 1 item")) }
        if parts.count > ClusterNetworkPolicy.limit {
            report(.tooMany(path(field), parts.count, limit: ClusterNetworkPolicy.limit))
        }
        return parts.compactMap(\.self)
    }

    /// The only member of an object that must have one, and no other; `nil` with an error otherwise.
    private mutating func member(of fields: [String]) -> String? {
        let there = memberNames.filter { value($0) != nil }
        if there.count == 1, fields.contains(there[0]) { return there[0] }
        report(.invalid(path, "", "must have exactly one of \(fields.joined(separator: ", "))"))
        return nil
    }

    // MARK: Peers

    /// Of a subject or peer: `namespaces` or `pods`.
    fileprivate mutating func podGroup() -> ClusterNetworkPolicy.PodGroup? {
        guard let field = member(of: ["namespaces", "pods"]) else { return nil }
        return group(field)
    }

    private mutating func group(_ field: String) -> ClusterNetworkPolicy.PodGroup? {
        let before = errors.count
        let group: ClusterNetworkPolicy.PodGroup?
        if field == "namespaces" {
            group = selector("namespaces").map { ClusterNetworkPolicy.PodGroup(namespaces: $0) }
        } else {
            group = object("pods") { fields in
                let pods = fields.required("podSelector") { $0.selector("podSelector") }
                let namespaces = fields.selector("namespaceSelector")
                return ClusterNetworkPolicy.PodGroup(
                    namespaces: namespaces ?? LabelSelector(), pods: pods ?? LabelSelector())
            }
        }
        // A selector without its wrong part selects more than was meant.
        return errors.count == before ? group : nil
    }

    private mutating func peer(
        _ direction: NetworkPolicy.Direction, _ obstacle: inout ClusterNetworkPolicy.Obstacle?
    ) -> ClusterNetworkPolicy.Peer? {
        let known = direction == .ingress ? [] : ["nodes", "networks", "domainNames"]
        guard let field = member(of: ["namespaces", "pods"] + known) else { return nil }
        switch field {
        case "nodes": return selector(field).map(ClusterNetworkPolicy.Peer.nodes)
        case "networks":
            let before = errors.count
            let prefixes = prefixes(field).map(\.unmapped)
            if prefixes.isEmpty, errors.count == before { report(.required(path(field), "must have at least 1 item")) }
            return .networks(prefixes)
        case "domainNames":
            _ = strings(field)
            obstacle = .domainNames
            return .nobody
        default: return group(field).map(ClusterNetworkPolicy.Peer.pods)
        }
    }

    // MARK: Ports

    private mutating func protocolPort() -> ClusterNetworkPolicy.Port? {
        guard let field = member(of: ["tcp", "udp", "sctp", "destinationNamedPort"]) else { return nil }
        guard let transport = TransportProtocol(rawValue: field.uppercased()) else {
            let name = string(field) ?? ""
            for fault in NameRule.portName.faults(in: name) { report(.invalid(path(field), .string(name), fault)) }
            return .name(name)
        }
        let range = object(field) { fields in
            fields.required("destinationPort") { $0.object("destinationPort") { $0.portRange() } ?? nil }
        }
        return (range ?? nil).map { .numbers(transport, $0) }
    }

    private mutating func portRange() -> ClosedRange<UInt16>? {
        guard let field = member(of: ["number", "range"]) else { return nil }
        if field == "number" { return portNumber("number").map { $0...$0 } }
        let ends = object("range") { fields in
            (fields.required("start") { $0.portNumber("start") }, fields.required("end") { $0.portNumber("end") })
        }
        guard let first = ends?.0, let last = ends?.1 else { return nil }
        if first < last { return first...last }
        report(.invalid(path("range"), .number(JSONNumber(Int64(first))), "Start port must be less than End port"))
        return nil
    }

    /// 0 is no port here, and not an absent one.
    private mutating func portNumber(_ field: String) -> UInt16? {
        let before = errors.count
        if let number = port(field) { return number }
        if errors.count == before, let value = value(field) {
            report(.invalid(path(field), value, "must be between 1 and 65535, inclusive"))
        }
        return nil
    }
}

extension ClusterNetworkPolicy.Rule {
    /// What takes the place of a rule that cannot be carried out.
    ///
    /// - Parameter action: `nil` when that cannot be read either.
    fileprivate static func closed(
        _ action: ClusterNetworkPolicy.Action?, _ name: String, _ obstacle: ClusterNetworkPolicy.Obstacle
    ) -> Self {
        action == .accept
            ? Self(.accept, [.nobody], name: name, obstacle: obstacle) : Self(.deny, [.everybody], name: name, obstacle: obstacle)
    }
}
