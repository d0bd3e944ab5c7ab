public import Addressing
public import KubeAPI

/// What network policies are judged by: the policies, the pods and namespaces with their labels, and whose address is whose.
///
/// It is the reference: written for clarity after the API's documentation
/// (https://kubernetes.io/docs/concepts/services-networking/network-policies/ and https://network-policy-api.sigs.k8s.io), asked by
/// `explain`, and what the kernel does is tested against it. Asking costs as much as there are policies in the pod's namespace, and
/// of the cluster.
///
/// ```swift
/// let verdict = world.verdict(on: PolicyWorld.Conversation(from: asker, to: server, .tcp, port: 5432))
/// print(verdict)    // denied: ingress of Pod shop/db is isolated by NetworkPolicy shop/default-deny, and nothing opens it
/// ```
public struct PolicyWorld: Sendable {
    /// By namespace, then by name.
    private var policies: [String: [String: NetworkPolicy]] = [:]
    private var shadows: Set<ObjectKey> = []
    private var namespaces: [String: [String: String]] = [:]
    private var pods: [ObjectKey: Pod] = [:]
    /// All that there are, those that have ended too.
    public var everyPod: some Collection<Pod> { pods.values }
    private var holders: [IPAddress: Set<ObjectKey>] = [:]
    private var nodes: [IPAddress: String] = [:]
    /// In the order in which they are asked. Two of one tier and priority have none by the API; here the name decides.
    private(set) var clusterPolicies: [ClusterNetworkPolicy] = []
    private var nodeObjects: [String: Node] = [:]
    /// By address, the nodes whose objects name it.
    private var namers: [IPAddress: Set<String>] = [:]

    public init() {}

    /// A packet's way as a pod sees it: after a service's translation, with the client's own address.
    public struct Conversation: Hashable, Sendable {
        public var source: IPAddress
        public var destination: IPAddress
        /// `nil` for what has no ports, as ICMP: only rules without `ports` speak of it.
        public var transport: TransportProtocol?
        /// The destination's; 0 without a transport.
        public var port: UInt16

        public init(from source: IPAddress, to destination: IPAddress, _ transport: TransportProtocol?, port: UInt16 = 0) {
            (self.source, self.destination, self.transport, self.port) = (source, destination, transport, port)
        }
    }
}

// MARK: - Changes

extension PolicyWorld {
    public mutating func set(_ policy: NetworkPolicy) {
        note(policy.key, isShadow: policy.isShadow)
        policies[policy.metadata.namespace, default: [:]][policy.metadata.name] = policy
    }

    private mutating func note(_ key: ObjectKey, isShadow: Bool) {
        if isShadow { shadows.insert(key) } else { shadows.remove(key) }
    }

    var hasShadows: Bool { !shadows.isEmpty }

    public mutating func set(_ policy: ClusterNetworkPolicy) {
        note(policy.key, isShadow: policy.isShadow)
        clusterPolicies.removeAll { $0.metadata.name == policy.metadata.name }
        let place = (policy.priority, policy.metadata.name)
        let later = clusterPolicies.firstIndex { ($0.priority, $0.metadata.name) > place } ?? clusterPolicies.endIndex
        clusterPolicies.insert(policy, at: later)
    }

    /// A node with its labels and all its addresses, which rules may mean; whose addresses are the node itself's is
    /// ``setNodes(_:)``'s to say.
    public mutating func set(_ node: Node) {
        removeNode(node.metadata.name)
        nodeObjects[node.metadata.name] = node
        for address in node.named { namers[address, default: []].insert(node.metadata.name) }
    }

    private mutating func removeNode(_ name: String) {
        for address in nodeObjects.removeValue(forKey: name)?.named ?? [] {
            namers[address]?.remove(name)
            if namers[address]?.isEmpty == true { namers[address] = nil }
        }
    }

    public mutating func set(_ namespace: Namespace) {
        var labels = namespace.metadata.labels
        // kube-apiserver sets it on every namespace, whatever was written; objects in a file may be without.
        labels["kubernetes.io/metadata.name"] = namespace.metadata.name
        namespaces[namespace.metadata.name] = labels
    }

    public mutating func set(_ pod: Pod) {
        if let old = pods.updateValue(pod, forKey: pod.key) { release(old) }
        for address in addresses(of: pod) { holders[address, default: []].insert(pod.key) }
    }

    /// The nodes' addresses: what comes from one of these is the node's own traffic, or that of its hostNetwork pods.
    public mutating func setNodes(_ members: some Sequence<Member>) {
        nodes = [:]
        for member in members { for address in member.addresses { nodes[address] = member.name } }
    }

    /// Forgets a policy, a namespace, a node's object or a pod. Forgetting what is not known changes nothing.
    public mutating func remove(_ key: ObjectKey) {
        shadows.remove(key)
        switch (key.group, key.kind) {
        case (NetworkPolicy.resource.kind.group, NetworkPolicy.resource.kind.kind):
            policies[key.namespace]?[key.name] = nil
            if policies[key.namespace]?.isEmpty == true { policies[key.namespace] = nil }
        case (ClusterNetworkPolicy.resource.kind.group, ClusterNetworkPolicy.resource.kind.kind):
            clusterPolicies.removeAll { $0.metadata.name == key.name }
        case ("", Namespace.resource.kind.kind): namespaces[key.name] = nil
        case ("", Node.resource.kind.kind): removeNode(key.name)
        case ("", Pod.resource.kind.kind): if let old = pods.removeValue(forKey: key) { release(old) }
        default: break
        }
    }

    private mutating func release(_ pod: Pod) {
        for address in addresses(of: pod) {
            holders[address]?.remove(pod.key)
            if holders[address]?.isEmpty == true { holders[address] = nil }
        }
    }

    /// The addresses that are the pod's own: none on the node's network, and none when it has ended, since another may have them.
    private func addresses(of pod: Pod) -> [IPAddress] {
        pod.spec.usesHostNetwork || pod.isTerminal ? [] : pod.status.podIPs
    }
}

// MARK: - Who is who

extension PolicyWorld {
    /// Whose an address is.
    enum End {
        case pod(Pod)
        case node(String)
        /// None of the cluster's, as far as is known.
        case other
    }

    func end(at address: IPAddress) -> End {
        // Two hold one address only for the moment in which one goes and the other is not told of it: the newer one has it.
        let holding = (holders[address] ?? []).compactMap { pods[$0] }
        let newest = holding.max { a, b in
            (a.metadata.creationTimestamp ?? "", a.key) < (b.metadata.creationTimestamp ?? "", b.key)
        }
        if let newest { return .pod(newest) }
        return nodes[address].map(End.node) ?? .other
    }

    /// For people: the pod or node whose address it is, such as `shop/db`; empty when it is none's.
    public func name(of address: IPAddress) -> String {
        switch end(at: address) {
        case .pod(let pod): "\(pod.metadata.namespace)/\(pod.metadata.name)"
        case .node(let name): "node \(name)"
        case .other: ""
        }
    }

    func labels(ofNamespace name: String) -> [String: String]? { namespaces[name] }

    func labels(ofNode name: String) -> [String: String]? { nodeObjects[name]?.metadata.labels }

    /// Of every node whose object names the address.
    func labels(ofNodesAt address: IPAddress) -> [[String: String]] {
        (namers[address] ?? []).compactMap { nodeObjects[$0]?.metadata.labels }
    }

    var networkPolicies: [NetworkPolicy] { policies.values.flatMap(\.values) }

    /// The policies that select a pod for a direction, by name. A pod on its node's network is not subject to any.
    ///
    /// - Parameter withShadows: as if those that are tried out were in force.
    public func policies(
        isolating pod: Pod, for direction: NetworkPolicy.Direction, withShadows: Bool = false
    ) -> [NetworkPolicy] {
        guard !pod.spec.usesHostNetwork else { return [] }
        return (policies[pod.metadata.namespace] ?? [:]).values
            // A selector that could not be read selects nobody; the Problem beside it says so.
            .filter { $0.directions.contains(direction) && $0.podSelector?.matches(pod.metadata.labels) == true }
            .filter { withShadows || !$0.isShadow }
            .sorted { $0.metadata.name < $1.metadata.name }
    }
}

extension Node {
    /// All addresses of its status, whatever they are for.
    var named: Set<IPAddress> { Set(status.addresses.compactMap { IPAddress($0.text) }) }
}
