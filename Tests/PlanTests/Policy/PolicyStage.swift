import Addressing
import NFTables
import NFTablesKernel
import Netlink
import PolicyTrials
import Testing

@testable import Cluster
@testable import KubeAPI
@testable import Plan

/// A node with the tables of policies, and who is around it: the stage of services, whose pods `a` and `b` are this node's, `c`
/// another's. They are `x/a`, `y/b` and `z/c`.
final class PolicyStage {
    let stage: ServiceStage
    private(set) var index = PolicyIndex(node: "n1")
    private var tables = IPFamily.allCases.map { PolicyTable($0) }
    private let kernel: KernelTables
    static let pods = ["a": ("x", "n1"), "b": ("y", "n1"), "c": ("z", "n2")]
    static let ports: [UInt16] = [80, 8080, 8085]

    init(ports: [UInt16] = PolicyStage.ports) throws {
        stage = try ServiceStage()
        kernel = try KernelTables(in: stage.node)
        for port in ports { try stage.answer("a", "b", "c", port: port) }
        var objects: [any KubernetesObject] = ["x", "y", "z"].map {
            Namespace(metadata: ObjectMeta(name: $0, labels: ["ns": $0]))
        }
        for (name, (namespace, node)) in Self.pods {
            let labels = ["a": ["app": "a"], "b": ["app": "b", "tier": "b"], "c": ["app": "a", "tier": "b"]][name] ?? [:]
            var pod = Pod(metadata: ObjectMeta(name: name, namespace: namespace, labels: labels))
            pod.spec.nodeName = node
            pod.status.phase = .running
            pod.status.podIPs = try IPFamily.allCases.map { try ServiceStage.address(name, $0) }
            let port: JSONValue = ["name": "web", "containerPort": .number(JSONNumber(name == "a" ? 80 as Int64 : 8080))]
            let tree: JSONValue = [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"],
                "spec": ["containers": [["name": "main", "image": "echo", "ports": [port]]]],
            ]
            pod.spec.containers = try #require(Registry.standard.read(tree).object as? Pod).spec.containers
            objects.append(pod)
        }
        var node = Node(metadata: ObjectMeta(name: "n1", labels: ["app": "b"]))
        node.status.addresses = try IPFamily.allCases.map { .init(.internalIP, try ServiceStage.address("node", $0).description) }
        index.replace(with: objects + [node])
        index.setNodes([
            Member(name: "n1", addresses: try IPFamily.allCases.map { try ServiceStage.address("node", $0) }, podPrefixes: [])
        ])
        try settle()
    }

    private func settle() throws {
        let changes = index.takeChanges()
        let steps = tables.indices.flatMap { tables[$0].update(changes, index) }
        try kernel.apply(steps)
        for table in tables { #expect(try kernel.observe(table.id)?.table == table.table(index)) }
    }

    func set(_ objects: any KubernetesObject...) throws {
        for object in objects { index.set(object) }
        try settle()
    }

    func remove(_ keys: [ObjectKey]) throws {
        for key in keys { index.remove(key) }
        try settle()
    }

    /// A policy of a namespace, from what a person would write below `spec`.
    static func policy(_ name: String, in namespace: String, _ spec: JSONValue) throws -> NetworkPolicy {
        let tree: JSONValue = [
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": ["name": .string(name), "namespace": .string(namespace)], "spec": spec,
        ]
        let reading = Registry.standard.read(tree)
        #expect(reading.faults.isEmpty)
        return try #require(reading.object as? NetworkPolicy)
    }

    /// A policy of the cluster, from what a person would write below `spec`.
    static func clusterPolicy(_ name: String, _ spec: JSONValue) throws -> ClusterNetworkPolicy {
        let tree: JSONValue = [
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": ["name": .string(name)],
            "spec": spec,
        ]
        let reading = Registry.standard.read(tree)
        #expect(reading.faults.isEmpty)
        return try #require(reading.object as? ClusterNetworkPolicy)
    }

    /// How many packets policies have refused.
    func refused(_ family: IPFamily) throws -> UInt64 {
        let id = Table.ID(family == .v4 ? .ip : .ip6, PacketPath.policyTable)
        guard tables.contains(where: { $0.id == id && $0.isWanted }) else { return 0 }
        return try [PolicySet.refusedSenders, .refusedReceivers, .isolated].reduce(0) { sum, set in
            try kernel.counters(of: set.name, in: id).values.reduce(sum) { $0 + $1.packets }
        }
    }

    /// What rules have counted, by whose they are.
    func counted(_ family: IPFamily) throws -> [PolicyTally: UInt64] {
        let table = try #require(tables.first { $0.family == family })
        let tallies = table.tallies
        var counted: [PolicyTally: UInt64] = [:]
        for (chain, rules) in try kernel.ruleCounts(in: table.id) {
            for (rule, tally) in zip(rules, tallies[chain] ?? []) {
                guard let tally, let rule, rule.packets > 0 else { continue }
                counted[tally, default: 0] += rule.packets
            }
        }
        return counted
    }

    /// Judged by evidence: an answer came, or what is refused rose. Silence is neither.
    ///
    /// - Parameter own: the port to ask from; `nil`: one that nobody had.
    func isLetThrough(
        _ place: String, _ transport: TransportProtocol, _ target: SocketAddress, pod: String, from own: UInt16? = nil
    ) throws -> Bool {
        let family = target.address.family
        if transport == .sctp { return try isLetThrough(place, initiating: target, pod: pod) }
        let before = try refused(family)
        let client = try stage.client(place, transport, family, from: own)
        client.begin(target)
        for _ in 0..<3000 {
            if client.hasSomething(within: 5) {
                let outcome = client.read()
                guard outcome.name == pod else { throw Unexpected("\(place) asked \(target): \(outcome)") }
                return true
            }
            if try refused(family) > before { return false }
        }
        throw Unexpected("\(place) asked \(target) over \(transport): neither an answer nor a refusal")
    }

    /// An association as far as its first packet.
    private func isLetThrough(_ place: String, initiating target: SocketAddress, pod: String) throws -> Bool {
        let family = target.address.family
        let server = try SCTPPeer(in: try #require(stage.places[pod]), family, at: ServiceStage.address(pod, family))
        let client = try SCTPPeer(in: try #require(stage.places[place]), family)
        let before = try refused(family)
        nextPort += 1
        try client.send(SCTPPacket(.initiate, from: nextPort, to: target.port, tag: 0, initiateTag: 11), to: target.address)
        for _ in 0..<3000 {
            if server.isReadable(5) { return true }
            if try refused(family) > before { return false }
        }
        throw Unexpected("\(place) sent SCTP to \(target): neither there nor refused")
    }

    private var nextPort: UInt16 = 30_000
}
