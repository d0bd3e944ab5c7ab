import Addressing
import Testing

@testable import Cluster
@testable import KubeAPI

/// Objects come, change and go by chance; after every change the index is held against the evaluator, which is made anew each time.
@Suite("policies, indexed") struct PolicyIndexTests {
    @Test(
        "the index says of every conversation what the evaluator says, and its changes are what changed", arguments: Seed.fresh(6)
    )
    func histories(seed: Seed) throws {
        var seed = seed
        var world = PolicyDice()
        var index = PolicyIndex(node: "n1")
        var told = ToldSets()
        index.replace(with: [])
        for step in 0..<120 {
            for _ in 0...seed.number(below: 3) { try world.change(&index, &seed) }
            let changes = index.takeChanges()
            try told.take(changes, index)
            if step % 4 == 0 { try world.check(index, &seed) }
            if step % 40 == 39 {
                var fresh = PolicyIndex(node: "n1")
                fresh.replace(with: world.everything)
                _ = fresh.takeChanges()
                #expect(fresh.subjects == index.subjects)
            }
        }
    }

    @Test("selectors that mean the same are the same, however they were written")
    func ordered() {
        let one = LabelSelector([.init("b", .exists), .init("a", .in, ["2", "1", "2"])])
        let other = LabelSelector([.init("a", .in, ["1", "2"]), .init("b", .exists), .init("b", .exists)])
        #expect(one.ordered == other.ordered)
        #expect(one.ordered != LabelSelector([.init("a", .in, ["1"]), .init("b", .exists)]).ordered)
    }

    @Test("a pod that was given an address is closed until it is known, where a policy could be about it")
    func closed() throws {
        let key = ObjectKey(Pod.resource.kind, namespace: "x", name: "p")
        let address = IPAddress.v4(IPv4Address(10, 0, 0, 1))
        var index = PolicyIndex(node: "n1")
        index.attach([address], to: key)
        #expect(index.subjects[address]?.isClosed == true, "nothing is known at all")
        index.replace(with: [])
        #expect(index.subjects[address] == nil, "no policy is in its namespace")
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "one", namespace: "x"), podSelector: LabelSelector(matching: ["app": "db"]),
            directions: [.ingress])
        index.set(policy)
        #expect(index.subjects[address]?.isClosed == true)
        var pod = Pod(metadata: ObjectMeta(name: "p", namespace: "x", labels: ["app": "web"]))
        pod.spec.nodeName = "n1"
        index.set(pod)
        #expect(index.subjects[address] == nil, "known, and not meant")
        pod.metadata.labels = ["app": "db"]
        index.set(pod)
        #expect(index.subjects[address] == .init(pod: key, inForce: .init(ingress: [policy.key])))
        // One of the same name that was before is another.
        pod.metadata.uid = "old"
        index.set(pod)
        index.attach([address], to: key, uid: "new")
        #expect(index.subjects[address]?.isClosed == true)
        pod.metadata.annotations["kubernetes.io/config.mirror"] = "new"
        index.set(pod)
        #expect(index.subjects[address]?.isClosed == false, "a pod from a file of its node has an object with another uid")
        index.detach([address])
        #expect(index.subjects[address] == nil)
    }
}

/// What somebody knows who was told of changes alone.
private struct ToldSets {
    private var peers: [PeerSelector: Set<IPAddress>] = [:]
    private var ports: [NamedPort: Set<SocketAddress>] = [:]

    mutating func take(_ changes: PolicyIndex.Changes, _ index: PolicyIndex) throws {
        let wanted = Set(index.enforced.flatMap { PolicyNeeds($0).peers })
        let names = Set(index.enforced.flatMap { PolicyNeeds($0).ports })
        peers = peers.filter { wanted.contains($0.key) }
        ports = ports.filter { names.contains($0.key) }
        for (peer, edit) in changes.peers where peers[peer] != nil {
            #expect(Set(edit.added).isDisjoint(with: peers[peer] ?? []) && Set(edit.removed).isSubset(of: peers[peer] ?? []))
            peers[peer]?.formUnion(edit.added)
            peers[peer]?.subtract(edit.removed)
        }
        for (port, edit) in changes.ports where ports[port] != nil {
            #expect(Set(edit.added).isDisjoint(with: ports[port] ?? []) && Set(edit.removed).isSubset(of: ports[port] ?? []))
            ports[port]?.formUnion(edit.added)
            ports[port]?.subtract(edit.removed)
        }
        for peer in wanted where peers[peer] == nil { peers[peer] = index.members(of: peer) }
        for port in names where ports[port] == nil { ports[port] = index.members(of: port) }
        for peer in wanted { #expect(peers[peer] == index.members(of: peer)) }
        for port in names { #expect(ports[port] == index.members(of: port)) }
    }
}

extension PolicyIndex {
    /// The policies that isolate somebody here.
    fileprivate var enforced: [NetworkPolicy] {
        Set(subjects.values.flatMap { $0.inForce.ingress + $0.inForce.egress }).compactMap(policy)
    }

    /// What the sets say of one side of a conversation: as a kernel would read them.
    fileprivate func allows(
        _ direction: NetworkPolicy.Direction, _ conversation: PolicyWorld.Conversation
    ) -> Bool {
        let (own, other) =
            direction == .ingress
            ? (conversation.destination, conversation.source) : (conversation.source, conversation.destination)
        guard own != other, let subject = subjects[own] else { return true }
        if subject.isClosed { return false }
        let isolating = subject.inForce.isolating(direction)
        guard !isolating.isEmpty else { return true }
        return isolating.compactMap(policy).contains { policy in
            (direction == .ingress ? policy.ingress : policy.egress).contains { rule in
                (rule.peers.isEmpty || rule.peers.contains { means($0, other, policy.metadata.namespace) })
                    && (rule.ports.isEmpty || rule.ports.contains { means($0, conversation) })
            }
        }
    }

    private func means(_ peer: NetworkPolicy.Peer, _ address: IPAddress, _ namespace: String) -> Bool {
        if case .block(let prefix, let exceptions) = peer {
            return prefix.contains(address) && !exceptions.contains { $0.contains(address) }
        }
        return PeerSelector(peer, in: namespace).map { members(of: $0).contains(address) } ?? false
    }

    private func means(_ port: NetworkPolicy.Port, _ conversation: PolicyWorld.Conversation) -> Bool {
        guard port.transport == conversation.transport else { return false }
        switch port.port {
        case nil: return true
        case .number(let first): return (first...max(first, port.last ?? first)).contains(conversation.port)
        case .name(let name):
            return members(of: NamedPort(name, port.transport)).contains(
                SocketAddress(conversation.destination, conversation.port))
        }
    }
}

/// A small cluster that changes by chance: three namespaces, a dozen pods on two nodes, a few labels, so that everything meets.
struct PolicyDice {
    private(set) var policies: [ObjectKey: NetworkPolicy] = [:]
    private(set) var namespaces: [String: Namespace] = [:]
    private(set) var pods: [ObjectKey: Pod] = [:]

    var everything: [any KubernetesObject] {
        Array(policies.values) as [any KubernetesObject] + Array(namespaces.values) as [any KubernetesObject]
            + Array(pods.values) as [any KubernetesObject]
    }

    mutating func change(_ index: inout PolicyIndex, _ seed: inout Seed) throws {
        let object: any KubernetesObject
        switch seed.number(below: 6) {
        case 0, 1:
            let policy = Self.policy(&seed)
            object = policy
            policies[policy.key] = policy
        case 2:
            var namespace = Namespace(metadata: ObjectMeta(name: Self.namespace(&seed), labels: Self.labels(&seed)))
            namespace.metadata.labels["ns"] = namespace.metadata.name
            object = namespace
            namespaces[namespace.metadata.name] = namespace
        default:
            let pod = try Self.pod(&seed)
            object = pod
            pods[pod.key] = pod
        }
        guard seed.chance(1, in: 4) else { return index.set(object) }
        policies[object.key] = nil
        pods[object.key] = nil
        if object is Namespace { namespaces[object.metadata.name] = nil }
        index.remove(object.key)
    }

    func check(_ index: PolicyIndex, _ seed: inout Seed) throws {
        var world = PolicyWorld()
        for policy in policies.values { world.set(policy) }
        for namespace in namespaces.values { world.set(namespace) }
        for pod in pods.values { world.set(pod) }
        let addresses = Set(pods.values.flatMap(\.status.podIPs)).union([.v4(IPv4Address(203, 0, 113, 7))])
        let local = addresses.filter { if case .pod(let pod) = world.end(at: $0) { pod.spec.nodeName == "n1" } else { false } }
        for source in addresses {
            for destination in addresses where destination.family == source.family {
                let transport = [TransportProtocol.tcp, .udp, .sctp, nil][seed.number(below: 4)]
                let port: UInt16 = transport == nil ? 0 : [80, 81, 8080, 8085][seed.number(below: 4)]
                let conversation = PolicyWorld.Conversation(from: source, to: destination, transport, port: port)
                let verdict = world.verdict(on: conversation)
                // The same when it is the index's own.
                #expect(index.world.verdict(on: conversation) == verdict)
                if local.contains(source) {
                    #expect(index.allows(.egress, conversation) == verdict.egress.isAllowed, "\(conversation): \(verdict)")
                }
                if local.contains(destination) {
                    #expect(index.allows(.ingress, conversation) == verdict.ingress.isAllowed, "\(conversation): \(verdict)")
                }
            }
        }
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

    private static func policy(_ seed: inout Seed) -> NetworkPolicy {
        let directions: Set<NetworkPolicy.Direction> = [[.ingress], [.egress], [.ingress, .egress]][seed.number(below: 3)]
        return NetworkPolicy(
            metadata: ObjectMeta(name: "np\(seed.number(below: 3))", namespace: namespace(&seed)), podSelector: selector(&seed),
            directions: directions, ingress: rules(&seed), egress: rules(&seed))
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
            .block(
                IPPrefix(.v4(IPv4Address(10, 244, 0, 0)), length: 28),
                except: seed.chance(1, in: 2) ? [IPPrefix(.v4(IPv4Address(10, 244, 0, 4)), length: 30)] : [])
        default: .nobody
        }
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
