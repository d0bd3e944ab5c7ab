import Addressing
import NFTablesKernel
import Netlink
import Testing

@testable import Cluster
@testable import KubeAPI
@testable import Plan

@Suite("policies with the kernel: what happens to a packet", .tags(.kernel), .enabled(if: kernelIsThere), .timeLimit(.minutes(5)))
struct PolicyKernelTests {
    private let denyAll: JSONValue = ["podSelector": [:], "policyTypes": ["Ingress", "Egress"]]

    @Test("what the evaluator says is what happens, for policies by chance, changed one by one", arguments: Seed.fresh(3))
    func random(seed: Seed) throws {
        var seed = seed
        let stage = try PolicyStage()
        for port in PolicyStage.ports { try stage.stage.answer("node", port: port) }
        var policies: [ObjectKey] = []
        for _ in 0..<8 {
            for _ in 0...seed.number(below: 4) {
                let policy: any KubernetesObject =
                    seed.chance(1, in: 3) ? PolicyCluster.clusterPolicy(&seed) : PolicyCluster.policy(&seed)
                policies.append(policy.key)
                try stage.set(policy)
            }
            if seed.chance(1, in: 3), let key = policies.randomElement(using: &seed) { try stage.remove([key]) }
            for (place, pod) in [("a", "b"), ("b", "a"), ("a", "c"), ("client", "a"), ("client", "b"), ("a", "node")] {
                for transport in [TransportProtocol.tcp, .udp, .sctp] {
                    let family = IPFamily.allCases[seed.number(below: 2)]
                    let port = PolicyStage.ports[seed.number(below: 3)]
                    try Self.check(stage, place, pod, transport, family, port)
                }
            }
        }
    }

    /// Asks the kernel, and holds it against the evaluator.
    static func check(
        _ stage: PolicyStage, _ place: String, _ pod: String, _ transport: TransportProtocol, _ family: IPFamily, _ port: UInt16,
        _ title: String = ""
    ) throws {
        let source = try ServiceStage.address(place, family)
        let target = SocketAddress(try ServiceStage.address(pod, family), port)
        let verdict = stage.index.world.verdict(on: .init(from: source, to: target.address, transport, port: port))
        // What another node's pods may receive is judged there.
        let isAllowed = verdict.egress.isAllowed && (pod == "c" || verdict.ingress.isAllowed)
        let isLetThrough = try stage.isLetThrough(place, transport, target, pod: pod)
        #expect(isLetThrough == isAllowed, "\(title) \(place) → \(pod) \(transport) \(port) \(family.name): \(verdict)")
    }

    @Test("a pod is always reachable from its own node, and reaches it", arguments: Kind.all)
    func ownNode(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.set(try PolicyStage.policy("deny", in: "x", denyAll), try PolicyStage.policy("deny", in: "y", denyAll))
        #expect(try stage.stage.ask("node", kind.transport, try kind.address("a"), 8080).name == "a")
        let echo = try Echo(
            "node", in: stage.stage.node, kind.transport, SocketAddress(try kind.address("node"), 8080))
        defer { echo.stop() }
        #expect(try stage.stage.ask("a", kind.transport, try kind.address("node"), 8080).name == "node")
        #expect(try !stage.isLetThrough("a", kind.transport, SocketAddress(try kind.address("b"), 8080), pod: "b"))
    }

    @Test("a policy of the cluster may keep a pod from its own node, which still reaches it", arguments: Kind.all)
    func guarded(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.stage.answer("node", port: 8080)
        let node = SocketAddress(try kind.address("node"), 8080)
        try stage.set(
            try PolicyStage.clusterPolicy(
                "no-nodes",
                [
                    "tier": "Admin", "priority": 1, "subject": ["namespaces": [:]],
                    "egress": [["action": "Deny", "to": [["nodes": [:]]]]],
                ]))
        #expect(try !stage.isLetThrough("a", kind.transport, node, pod: "node"))
        #expect(try stage.stage.ask("node", kind.transport, try kind.address("a"), 8080).name == "a")
        #expect(try stage.isLetThrough("a", kind.transport, SocketAddress(try kind.address("b"), 8080), pod: "b"))
        try stage.remove([ObjectKey(ClusterNetworkPolicy.resource.kind, name: "no-nodes")])
        #expect(try stage.stage.ask("a", kind.transport, node.address, 8080).name == "node")
    }

    @Test("… at whatever address, also at one that nobody told the node's object of", arguments: Kind.all)
    func guardedEverywhere(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.stage.answer("node", port: 8080)
        func policy(_ labels: JSONValue) throws -> ClusterNetworkPolicy {
            try PolicyStage.clusterPolicy(
                "no-nodes",
                [
                    "tier": "Admin", "priority": 1, "subject": ["namespaces": [:]],
                    "egress": [["action": "Deny", "to": [["nodes": ["matchLabels": labels]]]]],
                ])
        }
        var node = Node(metadata: ObjectMeta(name: "n1", labels: ["app": "b"]))
        node.status.addresses = [.init(.internalIP, "192.0.2.77")]
        try stage.set(node)
        let target = SocketAddress(try kind.address("node"), 8080)
        func isOpen() throws -> Bool { try stage.isLetThrough("a", kind.transport, target, pod: "node") }
        try stage.set(try policy(["app": "b"]))
        #expect(try !isOpen())
        node.metadata.labels = ["app": "c"]
        try stage.set(node)
        #expect(try isOpen(), "it is another node's labels that are meant")
        try stage.set(try policy(["app": "c"]))
        #expect(try !isOpen())
        try stage.remove([node.key])
        #expect(try !isOpen(), "it may be meant")
    }

    @Test("policies of the cluster stand before network policies and behind them, and pass on", arguments: Kind.all)
    func tiers(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        func policy(_ name: String, _ tier: JSONValue, _ priority: JSONValue, _ action: JSONValue) throws -> ClusterNetworkPolicy
        {
            try PolicyStage.clusterPolicy(
                name,
                [
                    "tier": tier, "priority": priority, "subject": ["namespaces": ["matchLabels": ["ns": "y"]]],
                    "ingress": [["action": action, "from": [["namespaces": [:]]]]],
                ])
        }
        let target = SocketAddress(try kind.address("b"), 8080)
        func isOpen() throws -> Bool { try stage.isLetThrough("a", kind.transport, target, pod: "b") }
        try stage.set(try policy("base", "Baseline", 5, "Deny"))
        #expect(try !isOpen())
        try stage.set(try PolicyStage.policy("open", in: "y", ["podSelector": [:], "ingress": [[:]]]))
        #expect(try isOpen(), "the tier behind does not speak of a pod that a network policy isolates")
        try stage.set(try policy("lock", "Admin", 5, "Deny"))
        #expect(try !isOpen())
        try stage.set(try policy("before", "Admin", 4, "Pass"))
        #expect(try isOpen())
        try stage.set(try policy("before", "Admin", 6, "Pass"))
        #expect(try !isOpen())
        try stage.set(try PolicyStage.policy("open", in: "y", denyAll), try policy("before", "Admin", 4, "Accept"))
        #expect(try isOpen(), "what the tier before accepts no network policy refuses")
    }

    @Test("a shadow refuses nothing, and counts what it would refuse", arguments: Kind.all)
    func shadows(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        var deny = try PolicyStage.policy("deny", in: "y", denyAll)
        deny.metadata.annotations[PolicyMode.annotation] = PolicyMode.shadow
        try stage.set(deny)
        let target = SocketAddress(try kind.address("b"), 8080)
        #expect(try stage.isLetThrough("a", kind.transport, target, pod: "b"))
        let counted = try stage.counted(target.address.family)
        let tally = PolicyTally(policies: [deny.key], direction: .ingress, place: "", outcome: .shadowDenied)
        #expect(counted[tally] == 1 && counted.keys.allSatisfy(\.outcome.isShadow), "\(counted)")
        deny.metadata.annotations = [:]
        try stage.set(deny)
        #expect(try !stage.isLetThrough("a", kind.transport, target, pod: "b"))
    }

    @Test("a policy is about the pod's address and port behind a service", arguments: Kind.all)
    func behindService(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.stage.serve(try kind.web("b"))
        let front = SocketAddress(kind.clusterIP, 80)
        func open(_ port: Int64) -> JSONValue {
            [
                "podSelector": [:],
                "ingress": [["ports": [["protocol": .string(kind.transport.rawValue), "port": .number(JSONNumber(port))]]]],
            ]
        }
        try stage.set(try PolicyStage.policy("one", in: "y", open(80)))
        #expect(try !stage.isLetThrough("a", kind.transport, front, pod: "b"))
        try stage.set(try PolicyStage.policy("one", in: "y", open(8080)))
        #expect(try stage.isLetThrough("a", kind.transport, front, pod: "b"))
    }

    @Test("traffic from a pod to itself is allowed, also by way of a service", arguments: Kind.all)
    func itself(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.stage.serve(try kind.web("a"))
        try stage.set(try PolicyStage.policy("deny", in: "x", denyAll))
        #expect(try stage.stage.ask("a", kind.transport, kind.clusterIP, 80).name == "a")
    }

    @Test("replies to allowed connections flow although the reverse direction is denied, and so do errors", arguments: Kind.all)
    func replies(_ kind: Kind) throws {
        let stage = try PolicyStage(ports: [8080])
        try stage.set(
            try PolicyStage.policy("deny", in: "y", denyAll),
            try PolicyStage.policy("open", in: "y", ["podSelector": [:], "ingress": [[:]]]))
        let pod = try kind.address("b")
        #expect(try stage.isLetThrough("a", kind.transport, SocketAddress(pod, 8080), pod: "b"))
        #expect(try !stage.isLetThrough("b", kind.transport, SocketAddress(try kind.address("a"), 8080), pod: "a"))
        // Nobody is there: a reset of TCP, and an error over ICMP.
        #expect(try stage.stage.ask("a", kind.transport, pod, 9) == .refused)
    }

    @Test("who asks anew from the port of a connection that is still remembered is judged anew", arguments: IPFamily.allCases)
    func remembered(_ family: IPFamily) throws {
        let stage = try PolicyStage(ports: [8080])
        let (client, pod) = (try ServiceStage.address("a", family), try ServiceStage.address("b", family))
        let number = TransportProtocol.tcp.number
        // As one that ended a moment ago, or whose end nobody saw: it has not been cut yet.
        try NetlinkSocket(.netfilter, in: stage.stage.node).make(
            Connection(
                original: .init(number, from: client, 18_080, to: pod, 8080),
                reply: .init(number, from: pod, 8080, to: client, 18_080), status: .answered, timeout: 300))
        try stage.set(try PolicyStage.policy("deny", in: "y", denyAll))
        #expect(try !stage.isLetThrough("a", .tcp, SocketAddress(pod, 8080), pod: "b", from: 18_080))
    }

    @Test("a policy that names one protocol does not allow another", arguments: IPFamily.allCases)
    func protocols(_ family: IPFamily) throws {
        let stage = try PolicyStage(ports: [])
        let target = SocketAddress(try ServiceStage.address("b", family), 80)
        try stage.set(
            try PolicyStage.policy("udp", in: "y", ["podSelector": [:], "ingress": [["ports": [["protocol": "UDP"]]]]]))
        #expect(try !stage.isLetThrough("a", .sctp, target, pod: "b"), "one that names UDP does not allow SCTP")
        try stage.set(
            try PolicyStage.policy("sctp", in: "y", ["podSelector": [:], "ingress": [["ports": [["protocol": "SCTP"]]]]]))
        #expect(try stage.isLetThrough("a", .sctp, target, pod: "b"))
    }

    @Test("people can list the table with nft, in both families")
    func listed() throws {
        let stage = try PolicyStage(ports: [])
        var seed = Seed(7)
        for _ in 0..<12 { try stage.set(PolicyCluster.policy(&seed)) }
        for family in ["ip", "ip6"] {
            let text = try nft(["--stateless", "list", "table", family, PacketPath.policyTable], in: stage.stage.node)
            #expect(text.contains("chain forward"))
        }
    }
}
