/// Who is there to be asked: three namespaces with three pods each, as the conformance tests of Kubernetes have them, pods on their
/// nodes' networks, nodes, and addresses outside.
///
/// Each pod serves 80 and 81 of every protocol. The ports have names, and the same name is another number, or another protocol, on
/// other pods. Where the pods really are and what addresses they have may be changed: policies are made from what stands here.
public struct TrialWorld: Sendable {
    public struct Port: Hashable, Sendable {
        public var name: String
        public var transport: String
        public var number: Int

        public init(name: String, transport: String, number: Int) {
            (self.name, self.transport, self.number) = (name, transport, number)
        }
    }

    public struct Pod: Hashable, Sendable {
        public var namespace: String
        public var name: String
        public var node: String
        /// At most one a family, IPv4 first. On the node's network they are the node's.
        public var addresses: [String]
        public var labels: [String: String]
        public var ports: [Port]
        public var usesHostNetwork: Bool
        /// Names that a sidecar calls its ports by; where there are some, a container that runs before also has names.
        public var sidecarNames: Set<String>

        public init(
            namespace: String, name: String, node: String, addresses: [String], labels: [String: String], ports: [Port],
            usesHostNetwork: Bool = false, sidecarNames: Set<String> = []
        ) {
            (self.namespace, self.name, self.node, self.addresses) = (namespace, name, node, addresses)
            (self.labels, self.ports, self.usesHostNetwork) = (labels, ports, usesHostNetwork)
            self.sidecarNames = sidecarNames
        }

        /// `x/a`.
        public var title: String { "\(namespace)/\(name)" }
    }

    public struct Node: Hashable, Sendable {
        public var name: String
        public var addresses: [String]
        public var labels: [String: String]

        public init(name: String, addresses: [String], labels: [String: String] = [:]) {
            (self.name, self.addresses, self.labels) = (name, addresses, labels)
        }
    }

    public var namespaces: [String: [String: String]]
    public var nodes: [Node]
    public var pods: [Pod]
    /// Hosts that are none of the cluster's, each with an address of each family.
    public var outside: [[String]]

    public init(namespaces: [String: [String: String]], nodes: [Node], pods: [Pod], outside: [[String]]) {
        (self.namespaces, self.nodes, self.pods, self.outside) = (namespaces, nodes, pods, outside)
    }
}

extension TrialWorld {
    public static let standard: TrialWorld = {
        let nodes = (1...3).map { number in
            Node(
                name: "n\(number)", addresses: ["192.0.2.\(number)", "2001:db8:2::\(number)"],
                labels: number == 3 ? ["rack": "right"] : ["rack": "left", "disk": number == 1 ? "fast" : "slow"])
        }
        var pods: [Pod] = []
        for (row, namespace) in ["x", "y", "z"].enumerated() {
            for (column, name) in ["a", "b", "c"].enumerated() {
                let number = row * 16 + column + 1
                pods.append(
                    Pod(
                        namespace: namespace, name: name, node: name == "c" ? "n2" : "n1",
                        addresses: ["198.51.100.\(number)", "2001:db8:64::\(row):\(column + 1)"],
                        labels: labels(row, column), ports: ports(row, column)))
            }
        }
        // They look like pods that selectors mean, and are none.
        for (namespace, node) in [("x", nodes[1]), ("z", nodes[2])] {
            pods.append(
                Pod(
                    namespace: namespace, name: "host", node: node.name, addresses: node.addresses,
                    labels: ["pod": "a", "tier": "front"], ports: ports(0, 0), usesHostNetwork: true))
        }
        return TrialWorld(
            namespaces: ["x": ["ns": "x", "team": "red"], "y": ["ns": "y", "team": "blue"], "z": ["ns": "z"]],
            nodes: nodes, pods: pods,
            outside: [["203.0.113.9", "2001:db8:ffff::9"], ["203.0.113.200", "2001:db8:ffff::1:9"]])
    }()

    /// The same, and some of the names are those of sidecars' ports. Nobody can run these pods: what is to run first never ends.
    public static let withSidecars: TrialWorld = {
        var world = standard
        for index in world.pods.indices where world.pods[index].namespace == "y" { world.pods[index].sidecarNames = ["lookup"] }
        return world
    }()

    private static func labels(_ row: Int, _ column: Int) -> [String: String] {
        var labels = ["pod": ["a", "b", "c"][column]]
        if (row + column) % 3 != 2 { labels["tier"] = (row + column) % 2 == 0 ? "front" : "back" }
        if column == row { labels["example.org/key"] = "" }
        return labels
    }

    /// Of the last namespace one calls by the name what is of another protocol, and one calls nothing so.
    private static func ports(_ row: Int, _ column: Int) -> [Port] {
        let web: Port? =
            switch (row, column) {
            case (2, 1): nil
            case (2, 2): Port(name: "web", transport: "UDP", number: 80)
            default: Port(name: "web", transport: "TCP", number: row == 1 ? 81 : 80)
            }
        let others = [
            Port(name: "lookup", transport: "UDP", number: row == 0 ? 81 : 80),
            Port(name: "signal", transport: "SCTP", number: row == 2 ? 81 : 80),
        ]
        return (web.map { [$0] } ?? []) + others + [Port(name: "", transport: "TCP", number: 8090)]
    }
}

// MARK: - As objects

extension TrialWorld {
    public var objects: [Tree] {
        namespaces.sorted { $0.key < $1.key }.map { Self.namespace($0.key, $0.value) } + nodes.map(\.tree) + pods.map(\.tree)
    }

    public static func namespace(_ name: String, _ labels: [String: String]) -> Tree {
        ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .text(name), "labels": .texts(labels)]]
    }
}

extension TrialWorld.Node {
    public var tree: Tree {
        let addresses = addresses.map { ["type": "InternalIP", "address": .text($0)] as Tree }
        return [
            "apiVersion": "v1", "kind": "Node", "metadata": ["name": .text(name), "labels": .texts(labels)],
            "status": ["addresses": .list(addresses)],
        ]
    }
}

extension TrialWorld.Pod {
    public var tree: Tree {
        func trees(_ ports: [TrialWorld.Port]) -> Tree {
            .list(
                ports.map { port in
                    var tree: Tree = ["containerPort": .number(port.number), "protocol": .text(port.transport)]
                    if !port.name.isEmpty { tree["name"] = .text(port.name) }
                    return tree
                })
        }
        let main = ports.filter { !sidecarNames.contains($0.name) }
        var spec: Tree = ["nodeName": .text(node), "containers": [["name": "main", "image": "echo", "ports": trees(main)]]]
        if !sidecarNames.isEmpty {
            // What runs before the others and is gone then has no names that mean anything.
            spec["initContainers"] = [
                ["name": "early", "image": "echo", "ports": [["name": "web", "containerPort": 8090]]],
                [
                    "name": "beside", "image": "echo", "restartPolicy": "Always",
                    "ports": trees(ports.filter { sidecarNames.contains($0.name) }),
                ],
            ]
        }
        if usesHostNetwork { spec["hostNetwork"] = true }
        return [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": ["name": .text(name), "namespace": .text(namespace), "labels": .texts(labels)], "spec": spec,
            "status": ["phase": "Running", "podIPs": .list(addresses.map { ["ip": .text($0)] })],
        ]
    }
}

// MARK: - What is asked

extension TrialWorld {
    /// Somebody who can send and be sent to.
    public struct End: Hashable, Sendable, CustomStringConvertible {
        public var title: String
        public var address: String
        public var description: String { title }
    }

    /// What is asked of a pair.
    public struct Question: Hashable, Sendable, CustomStringConvertible {
        /// `nil` for what has no ports, as ICMP.
        public var transport: String?
        public var port: Int

        public init(_ transport: String?, _ port: Int = 0) { (self.transport, self.port) = (transport, port) }

        public var description: String { transport.map { "\($0)/\(port)" } ?? "ICMP" }
    }

    /// - Parameter family: 0 for IPv4, 1 for IPv6.
    public func ends(family: Int) -> [End] {
        pods.filter { !$0.usesHostNetwork }.compactMap { pod in
            pod.addresses.dropFirst(family).first.map { End(title: pod.title, address: $0) }
        }
            + nodes.compactMap { node in node.addresses.dropFirst(family).first.map { End(title: node.name, address: $0) } }
            + outside.compactMap { $0.dropFirst(family).first.map { End(title: $0, address: $0) } }
    }

    /// 80 and 81 are served; 8090 is a port that a rule may mean and nobody names.
    public static let questions: [Question] =
        ["TCP", "UDP", "SCTP"].flatMap { transport in [80, 81, 8090].map { Question(transport, $0) } } + [Question(nil)]
}
