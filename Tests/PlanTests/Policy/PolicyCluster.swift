import Addressing
import Testing

@testable import Cluster
@testable import KubeAPI

/// A small cluster that changes by chance: three namespaces, a dozen pods on two nodes, a few labels, so that everything meets.
struct PolicyCluster {
    private(set) var policies: [ObjectKey: NetworkPolicy] = [:]
    private(set) var clusterPolicies: [ObjectKey: ClusterNetworkPolicy] = [:]
    private(set) var nodes: [ObjectKey: Node] = [:]
    private(set) var namespaces: [String: Namespace] = [:]
    private(set) var pods: [ObjectKey: Pod] = [:]

    var everything: [any KubernetesObject] {
        Array(policies.values) as [any KubernetesObject] + Array(namespaces.values) as [any KubernetesObject]
            + Array(pods.values) as [any KubernetesObject] + Array(clusterPolicies.values) as [any KubernetesObject]
            + Array(nodes.values) as [any KubernetesObject]
    }

    /// - Returns: what came, or what it was that went.
    @discardableResult
    mutating func change(
        _ index: inout PolicyIndex, _ seed: inout Seed
    ) throws -> (object: any KubernetesObject, isGone: Bool) {
        let object: any KubernetesObject
        switch seed.number(below: 9) {
        case 6, 7:
            let policy = Self.clusterPolicy(&seed)
            object = policy
            clusterPolicies[policy.key] = policy
        case 8:
            let node = Self.node(&seed)
            object = node
            nodes[node.key] = node
        case 0, 1:
            let policy = Self.policy(&seed)
            object = policy
            policies[policy.key] = policy
        case 2:
            var namespace = Namespace(metadata: ObjectMeta(name: Self.namespace(&seed), labels: Self.labels(&seed)))
            namespace.metadata.labels["ns"] = namespace.metadata.name
            Self.annotate(&namespace.metadata, &seed)
            object = namespace
            namespaces[namespace.metadata.name] = namespace
        default:
            let pod = try Self.pod(&seed)
            object = pod
            pods[pod.key] = pod
        }
        guard seed.chance(1, in: 4) else {
            index.set(object)
            return (object, false)
        }
        policies[object.key] = nil
        clusterPolicies[object.key] = nil
        nodes[object.key] = nil
        pods[object.key] = nil
        if object is Namespace { namespaces[object.metadata.name] = nil }
        index.remove(object.key)
        return (object, true)
    }

    var world: PolicyWorld {
        var world = PolicyWorld()
        for policy in policies.values { world.set(policy) }
        for policy in clusterPolicies.values { world.set(policy) }
        for node in nodes.values { world.set(node) }
        world.setNodes(Self.members)
        for namespace in namespaces.values { world.set(namespace) }
        for pod in pods.values { world.set(pod) }
        return world
    }

    /// Everybody's, the nodes', and somebody's outside.
    var addresses: Set<IPAddress> {
        Set(pods.values.flatMap(\.status.podIPs)).union(Self.members.flatMap(\.addresses)).union([
            // One that no node's object names.
            .v4(IPv4Address(203, 0, 113, 7)), .v6(IPv6Address(rawValue: 0x2001_0DB8 << 96 | 7)),
        ])
    }

    /// Those of node n1's pods: of two that have one for a while, the newer has it.
    var local: Set<IPAddress> {
        let world = world
        return addresses.filter { if case .pod(let pod) = world.end(at: $0) { pod.spec.nodeName == "n1" } else { false } }
    }

    // MARK: Chance

    private static func namespace(_ seed: inout Seed) -> String { ["x", "y", "z"][seed.number(below: 3)] }

    private static func labels(_ seed: inout Seed) -> [String: String] {
        var labels: [String: String] = [:]
        for key in ["app", "tier"] where seed.chance(2, in: 3) { labels[key] = ["a", "b", "c"][seed.number(below: 3)] }
        return labels
    }

    private static func pod(_ seed: inout Seed) throws -> Pod {
        let number = seed.number(below: 12)
        var pod = Pod(
            metadata: ObjectMeta(name: "p\(number)", namespace: ["x", "y", "z"][number % 3], labels: labels(&seed)))
        pod.spec.nodeName = number % 2 == 0 ? "n1" : "n2"
        pod.spec.usesHostNetwork = seed.chance(1, in: 12)
        let port: JSONValue = ["name": "web", "containerPort": .number(JSONNumber(Int64(seed.chance(1, in: 2) ? 80 : 8080)))]
        let tree: JSONValue = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"],
            "spec": ["containers": [["name": "main", "image": "echo", "ports": [port]]]],
        ]
        pod.spec.containers = try #require(Registry.standard.read(tree).object as? Pod).spec.containers
        if seed.chance(9, in: 10) {
            // Now and then one has another's address for a while.
            let own = seed.chance(1, in: 15) ? (number + 1) % 12 : number
            pod.status.podIPs = [
                .v4(IPv4Address(10, 244, 0, UInt8(own + 1))), .v6(IPv6Address(rawValue: 0xFD << 120 | UInt128(own + 1))),
            ]
        }
        pod.status.phase = seed.chance(1, in: 12) ? .succeeded : .running
        pod.metadata.creationTimestamp = "2026-01-0\(seed.number(below: 9) + 1)T00:00:00Z"
        return pod
    }

    private static func selector(_ seed: inout Seed) -> LabelSelector {
        let key = ["app", "tier"][seed.number(below: 2)]
        let values = ["a", "b", "c"].filter { _ in seed.chance(1, in: 2) }
        switch seed.number(below: 6) {
        case 0: return LabelSelector()
        case 1: return LabelSelector([.init(key, .in, values.isEmpty ? ["a"] : values)])
        case 2: return LabelSelector([.init(key, .notIn, values.isEmpty ? ["b"] : values)])
        case 3: return LabelSelector([.init(key, .exists)])
        case 4: return LabelSelector([.init(key, .doesNotExist)])
        default: return LabelSelector(matching: ["app": "a", "tier": "b"])
        }
    }

    /// What the nodes' addresses are, whatever their objects say.
    static let members = (1...2).map { number in
        Member(
            name: "n\(number)",
            addresses: [
                .v4(IPv4Address(192, 0, 2, UInt8(number))), .v6(IPv6Address(rawValue: 0x2001_0DB8 << 96 | UInt128(number))),
            ],
            podPrefixes: [])
    }

    private static func node(_ seed: inout Seed) -> Node {
        let number = seed.number(below: 2)
        var node = Node(metadata: ObjectMeta(name: "n\(number + 1)", labels: labels(&seed)))
        for address in members[number].addresses where seed.chance(4, in: 5) {
            node.status.addresses.append(.init(.internalIP, address.description))
        }
        // Now and then two name one address.
        if seed.chance(1, in: 4) { node.status.addresses.append(.init(.externalIP, "192.0.2.2")) }
        return node
    }

    static func clusterPolicy(_ seed: inout Seed) -> ClusterNetworkPolicy {
        let number = seed.number(below: 4)
        var policy = ClusterNetworkPolicy(
            metadata: ObjectMeta(name: "cnp\(number)"), tier: seed.chance(1, in: 2) ? .admin : .baseline,
            priority: seed.number(below: 3), subject: group(&seed), ingress: clusterRules(.ingress, &seed),
            egress: clusterRules(.egress, &seed))
        if seed.chance(1, in: 6) { policy.metadata.annotations[PolicyMode.annotation] = PolicyMode.shadow }
        annotate(&policy.metadata, &seed)
        return policy
    }

    private static func group(_ seed: inout Seed) -> ClusterNetworkPolicy.PodGroup {
        ClusterNetworkPolicy.PodGroup(
            namespaces: seed.chance(1, in: 3) ? LabelSelector() : selector(&seed),
            pods: seed.chance(1, in: 2) ? LabelSelector() : selector(&seed))
    }

    private static func clusterRules(
        _ direction: NetworkPolicy.Direction, _ seed: inout Seed
    ) -> [ClusterNetworkPolicy.Rule] {
        (0..<seed.number(below: 4)).map { _ in
            let peers = (0...seed.number(below: 2)).map { _ in clusterPeer(direction, &seed) }
            let isOfPods = peers.allSatisfy { if case .pods = $0 { true } else { false } }
            return ClusterNetworkPolicy.Rule(
                [.accept, .deny, .pass][seed.number(below: 3)], peers,
                ports: (0..<seed.number(below: 3)).map { _ in clusterPort(isOfPods, &seed) })
        }
    }

    private static func clusterPeer(
        _ direction: NetworkPolicy.Direction, _ seed: inout Seed
    ) -> ClusterNetworkPolicy.Peer {
        switch seed.number(below: direction == .egress ? 6 : 3) {
        case 0, 1: return .pods(group(&seed))
        case 2: return seed.chance(1, in: 4) ? (seed.chance(1, in: 2) ? .everybody : .nobody) : .pods(group(&seed))
        case 3: return .nodes(seed.chance(1, in: 2) ? LabelSelector() : selector(&seed))
        default:
            let networks = ["10.244.0.0/29", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/64", "::/0", "203.0.113.0/28"]
            return .networks(
                (0...seed.number(below: 2)).compactMap { _ in IPPrefix(networks[seed.number(below: networks.count)]) })
        }
    }

    private static func clusterPort(_ mayBeName: Bool, _ seed: inout Seed) -> ClusterNetworkPolicy.Port {
        let transport = [TransportProtocol.tcp, .udp, .sctp][seed.number(below: 3)]
        return switch seed.number(below: mayBeName ? 3 : 2) {
        case 0: .numbers(transport, 80...80)
        case 1: .numbers(transport, 8080...8090)
        default: .name("web")
        }
    }

    static func policy(_ seed: inout Seed) -> NetworkPolicy {
        let directions: Set<NetworkPolicy.Direction> = [[.ingress], [.egress], [.ingress, .egress]][seed.number(below: 3)]
        var policy = NetworkPolicy(
            metadata: ObjectMeta(name: "np\(seed.number(below: 3))", namespace: namespace(&seed)), podSelector: selector(&seed),
            directions: directions, ingress: rules(&seed), egress: rules(&seed))
        if seed.chance(1, in: 6) { policy.metadata.annotations[PolicyMode.annotation] = PolicyMode.shadow }
        annotate(&policy.metadata, &seed)
        return policy
    }

    private static func annotate(_ metadata: inout ObjectMeta, _ seed: inout Seed) {
        let words = ["all", "denied", "none", "everything"]
        guard seed.chance(1, in: 5) else { return }
        metadata.annotations[PolicyLog.annotation] = words[seed.number(below: words.count)]
    }

    private static func rules(_ seed: inout Seed) -> [NetworkPolicy.Rule] {
        (0..<seed.number(below: 3)).map { _ in
            NetworkPolicy.Rule(
                peers: (0..<seed.number(below: 3)).map { _ in peer(&seed) },
                ports: (0..<seed.number(below: 3)).map { _ in port(&seed) })
        }
    }

    private static func peer(_ seed: inout Seed) -> NetworkPolicy.Peer {
        switch seed.number(below: 6) {
        case 0: .pods(selector(&seed))
        case 1: .namespaces(selector(&seed), pods: nil)
        case 2: .namespaces(selector(&seed), pods: selector(&seed))
        case 3: .namespaces(LabelSelector(matching: ["kubernetes.io/metadata.name": namespace(&seed)]), pods: nil)
        case 4:
            block(&seed)
        default: .nobody
        }
    }

    private static func block(_ seed: inout Seed) -> NetworkPolicy.Peer {
        let blocks: [(String, [String])] = [
            ("10.244.0.0/28", ["10.244.0.4/30"]), ("10.244.0.0/15", ["10.244.1.2/31", "10.244.1.0/24"]), ("0.0.0.0/0", []),
            ("::/0", ["fd00:10:244:1::3/128"]), ("192.0.2.0/24", ["192.0.2.128/25"]), ("2001:db8::/32", []),
        ]
        let (prefix, except) = blocks[seed.number(below: blocks.count)]
        guard let whole = IPPrefix(prefix) else { return .nobody }
        return .block(whole, except: seed.chance(1, in: 2) ? except.compactMap(IPPrefix.init) : [])
    }

    private static func port(_ seed: inout Seed) -> NetworkPolicy.Port {
        let transport = [TransportProtocol.tcp, .udp, .sctp][seed.number(below: 3)]
        return switch seed.number(below: 4) {
        case 0: NetworkPolicy.Port(transport: transport, port: nil, last: nil)
        case 1: NetworkPolicy.Port(transport: transport, port: .number(80), last: nil)
        case 2: NetworkPolicy.Port(transport: transport, port: .number(8080), last: 8090)
        default: NetworkPolicy.Port(transport: transport, port: .name("web"), last: nil)
        }
    }
}
