/// Says what policies allow, slowly and straight from the documentation of the API, out of objects as they are written.
///
/// It shares no code with what it judges: no types of the kinds, no selectors, no addresses. For every pair it looks at every policy
/// again.
///
/// - NetworkPolicy: https://kubernetes.io/docs/concepts/services-networking/network-policies/
/// - ClusterNetworkPolicy: https://network-policy-api.sigs.k8s.io/api-overview/
///
/// What cannot be read fails closed: it opens nothing, and what would have denied or passed on denies everything.
public struct SlowJudge: Sendable {
    /// One end's answer, with all parts that can be the reason for it.
    public enum Side: Hashable, Sendable {
        /// Policies do not speak of it.
        case free
        /// By one of these rules, each named as `NetworkPolicy x/p spec.ingress[0]`.
        case opened(by: Set<String>)
        /// These policies isolate, and none opens.
        case closed(by: Set<String>)
        /// A rule of a ClusterNetworkPolicy.
        case decided(isAllowed: Bool, by: String)

        public var isAllowed: Bool {
            switch self {
            case .free, .opened: true
            case .closed: false
            case .decided(let isAllowed, _): isAllowed
            }
        }
    }

    public struct Ruling: Hashable, Sendable {
        public var egress: Side
        public var ingress: Side
        public var isAllowed: Bool { egress.isAllowed && ingress.isAllowed }
    }

    private let namespaces: [String: [String: String]]
    private let holders: [Octets: Tree]
    private let nodes: [(tree: Tree, addresses: [Octets])]
    private let policies: [Tree]
    /// Of the cluster, in the order in which they are asked.
    let clusterPolicies: [Placed]

    /// - Parameter withShadows: as if those policies were in force that are only tried out.
    public init(_ objects: [Tree], withShadows: Bool = false) {
        func all(_ kind: String) -> [Tree] { objects.filter { $0["kind"]?.text == kind } }
        namespaces = Dictionary(
            all("Namespace").map { ($0.name.name, Self.labels($0, and: $0.name.name)) }, uniquingKeysWith: { $1 })
        var holders: [Octets: Tree] = [:]
        for pod in all("Pod") where Self.hasAddresses(pod) {
            for address in Self.addresses(pod.at("status", "podIPs"), "ip") { holders[address] = pod }
        }
        self.holders = holders
        nodes = all("Node").map { ($0, Self.addresses($0.at("status", "addresses"), "address")) }
        func inForce(_ kind: String) -> [Tree] { all(kind).filter { withShadows || !Self.isShadow($0) } }
        policies = inForce("NetworkPolicy")
        clusterPolicies = inForce("ClusterNetworkPolicy").map(Placed.init)
            .sorted { ($0.priority, $0.policy.name) < ($1.priority, $1.policy.name) }
    }

    /// A pod on its node's network has the node's, and one that has ended none.
    private static func hasAddresses(_ pod: Tree) -> Bool {
        pod.at("spec", "hostNetwork") != true && !["Succeeded", "Failed"].contains(pod.at("status", "phase")?.text)
    }

    private static func addresses(_ list: Tree?, _ field: String) -> [Octets] {
        (list?.list ?? []).compactMap { $0[field]?.text.flatMap(Octets.init) }
    }

    /// Whether a policy is tried out: docs/policies.md says what makes it so.
    static func isShadow(_ policy: Tree) -> Bool {
        policy.at("metadata", "annotations")?["tulle.dev/policy-mode"] == "shadow"
    }

    static func labels(_ object: Tree, and name: String? = nil) -> [String: String] {
        var labels = (object.at("metadata", "labels")?.map ?? [:]).compactMapValues(\.text)
        if let name { labels["kubernetes.io/metadata.name"] = name }
        return labels
    }
}

// MARK: - Who is who

extension SlowJudge {
    /// Whoever has an address.
    struct End {
        var address: Octets
        /// A pod with a network of its own.
        var pod: Tree?
        /// The node's name, when the address is a node's.
        var node: String?

        var podLabels: [String: String] { pod.map { SlowJudge.labels($0) } ?? [:] }
        var namespace: String { pod?.name.namespace ?? "" }
    }

    func end(_ text: String) -> End {
        let address = Octets(text) ?? Octets([])
        let pod = holders[address]
        let node = pod == nil ? nodes.first { $0.addresses.contains(address) } : nil
        return End(address: address, pod: pod, node: node?.tree.name.name)
    }

    /// `nil` of a namespace that is not there.
    func labels(ofNamespace name: String) -> [String: String]? { namespaces[name] }

    /// The labels of the nodes that have an address.
    func labels(ofNodesAt address: Octets) -> [[String: String]] {
        nodes.filter { $0.addresses.contains(address) }.map { Self.labels($0.tree) }
    }
}

// MARK: - Judging

extension SlowJudge {
    /// - Parameter questions: what is asked of this pair, answered in order.
    public func judge(from: String, to: String, _ questions: [TrialWorld.Question]) -> [Ruling] {
        let (source, destination) = (end(from), end(to))
        let egress = judge("egress", of: source, with: destination, questions)
        let ingress = judge("ingress", of: destination, with: source, questions)
        return zip(egress, ingress).map { Ruling(egress: $0, ingress: $1) }
    }

    private func judge(_ direction: String, of end: End, with other: End, _ questions: [TrialWorld.Question]) -> [Side] {
        guard let pod = end.pod, pod.name != other.pod?.name else { return questions.map { _ in .free } }
        let isOwnNode = other.node != nil && other.node == pod.at("spec", "nodeName")?.text
        // A pod is always reached from its own node.
        if isOwnNode, direction == "ingress" { return questions.map { _ in .free } }
        let target = direction == "ingress" ? end : other
        let admin = tier("Admin", direction, of: end, with: other)
        let baseline = tier("Baseline", direction, of: end, with: other)
        let isolating = policies.filter { isolates($0, end, direction) }
        let openings = isolating.flatMap { self.openings($0, direction, with: other) }
        return questions.map { question in
            if let side = decision(admin, question, target) { return side }
            guard isolating.isEmpty else {
                if isOwnNode { return .free }
                let opened = openings.filter { opening in
                    opening.ports?.contains { names($0, question, target) } ?? true
                }
                return opened.isEmpty
                    ? .closed(by: Set(isolating.map(\.name.description))) : .opened(by: Set(opened.map(\.title)))
            }
            return decision(baseline, question, target) ?? .free
        }
    }

    // MARK: NetworkPolicy

    private func isolates(_ policy: Tree, _ end: End, _ direction: String) -> Bool {
        guard policy.name.namespace == end.namespace else { return false }
        guard let selector = Selector(policy.at("spec", "podSelector") ?? [:]), selector.means(end.podLabels) else {
            return false
        }
        let spec = policy["spec"] ?? [:]
        let words = (spec["policyTypes"]?.list ?? []).compactMap(\.text).filter { ["Ingress", "Egress"].contains($0) }
        // "If no policyTypes are specified on a NetworkPolicy then by default Ingress will always be set and Egress will be set
        // if the NetworkPolicy has any egress rules."
        if words.isEmpty { return direction == "ingress" || spec["egress"]?.list?.isEmpty == false }
        return words.contains(direction == "ingress" ? "Ingress" : "Egress")
    }

    private struct Opening {
        var title: String
        /// `nil` for all ports.
        var ports: [Tree]?
    }

    /// The rules of a policy that mean the other end.
    private func openings(_ policy: Tree, _ direction: String, with other: End) -> [Opening] {
        let rules = policy.at("spec", direction)?.list ?? []
        return rules.enumerated().compactMap { position, rule in
            guard rule.map != nil, means(rule[direction == "ingress" ? "from" : "to"], other, policy.name.namespace) else {
                return nil
            }
            var ports: [Tree]?
            if let field = rule["ports"] {
                guard let list = field.list else { return nil }
                ports = list.isEmpty ? nil : list
            }
            return Opening(title: "\(policy.name) spec.\(direction)[\(position)]", ports: ports)
        }
    }

    /// "If this field is empty or missing, this rule matches all" of them.
    private func means(_ peers: Tree?, _ other: End, _ namespace: String) -> Bool {
        guard let peers else { return true }
        guard let list = peers.list else { return false }
        return list.isEmpty || list.contains { means(peer: $0, other, namespace) }
    }

    private func means(peer: Tree, _ other: End, _ namespace: String) -> Bool {
        let (pods, namespaces) = (peer["podSelector"], peer["namespaceSelector"])
        if let block = peer["ipBlock"] { return pods == nil && namespaces == nil && means(block: block, other.address) }
        guard pods != nil || namespaces != nil, other.pod != nil else { return false }
        if let pods {
            guard let selector = Selector(pods), selector.means(other.podLabels) else { return false }
        }
        guard let namespaces else { return other.namespace == namespace }
        guard let selector = Selector(namespaces), let labels = labels(ofNamespace: other.namespace) else { return false }
        return selector.means(labels)
    }

    private func means(block: Tree, _ address: Octets) -> Bool {
        guard let range = block["cidr"]?.text.flatMap(Block.init)?.unmapped, !range.hasHostBits else { return false }
        guard let excepts = (block["except"] ?? []).list else { return false }
        let exceptions = excepts.compactMap { $0.text.flatMap(Block.init)?.unmapped }
        let areRight = exceptions.allSatisfy { $0.length > range.length && range.contains($0.address) && !$0.hasHostBits }
        guard exceptions.count == excepts.count, areRight else { return false }
        return range.contains(address) && !exceptions.contains { $0.contains(address) }
    }

    // MARK: Ports

    private func names(_ port: Tree, _ question: TrialWorld.Question, _ target: End) -> Bool {
        let transport = port["protocol"] ?? "TCP"
        guard let asked = question.transport, transport == .text(asked) else { return false }
        switch (port["port"], port["endPort"]) {
        case (nil, nil): return port.map != nil
        case (.number(let first)?, nil): return (1...65535).contains(first) && question.port == first
        case (.number(let first)?, .number(let last)?):
            return (1...65535).contains(first) && (first...65535).contains(last) && (first...last).contains(question.port)
        case (.text(let name)?, nil): return calls(target, name, asked, question.port)
        default: return false
        }
    }

    /// Whether the pod calls its port so. What is no pod has no names.
    func calls(_ target: End, _ name: String, _ transport: String, _ port: Int) -> Bool {
        guard !name.isEmpty else { return false }
        let early = target.pod?.at("spec", "initContainers")?.list ?? []
        let containers = (target.pod?.at("spec", "containers")?.list ?? []) + early.filter { $0["restartPolicy"] == "Always" }
        return containers.flatMap { $0["ports"]?.list ?? [] }.contains {
            $0["name"]?.text == name && ($0["protocol"]?.text ?? "TCP") == transport && $0["containerPort"]?.number == port
        }
    }
}
