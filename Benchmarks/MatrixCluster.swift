import Addressing
import Cluster
import Glibc
import KubeAPI
import KubeClient
import NFTables
import NFTablesKernel
import Netlink
import Plan
import PolicyTrials

/// What the lab's server holds, as one moment shows it, and what comes of it on every node.
struct MatrixState {
    struct Pod {
        var uid: String
        var node: String
        var addresses: [IPFamily: IPAddress]
    }

    /// The pods that run, by their number.
    var pods: [Int: Pod] = [:]
    /// Of each, the addresses of the service in front of it.
    var services: [Int: [IPFamily: IPAddress]] = [:]
    /// As each node understands it.
    var indices: [String: PolicyIndex] = [:]
    /// The same for the slow judge.
    var trees: [Tree] = []

    /// What the evaluator says of a packet between two pods.
    func verdict(_ from: Int, _ to: Int, _ family: IPFamily, _ transport: TransportProtocol, _ port: UInt16) -> PolicyVerdict? {
        guard let source = pods[from]?.addresses[family], let destination = pods[to]?.addresses[family] else { return nil }
        return indices.first?.value.world.verdict(on: .init(from: source, to: destination, transport, port: port))
    }
}

/// Three namespaces with three pods each in a lab, and a service in front of each: what is asked for is written to the server, as
/// people do it.
final class MatrixCluster {
    let lab: MatrixLab
    /// The pods, with the addresses that they have now.
    private(set) var world: TrialWorld
    /// What was asked for.
    private(set) var objects: [Tree.Name: Tree] = [:]
    private(set) var state = MatrixState()
    /// As the server listed them, by kind, and which kinds were written since.
    private var listed: [String: [JSONValue]] = [:]
    private var written: Set<String>

    /// Whether the server knows ClusterNetworkPolicy.
    let hasClusterPolicies: Bool
    private var kinds: [ResourceType] { Self.kinds + (hasClusterPolicies ? [ClusterNetworkPolicy.resource] : []) }

    private static let kinds = [
        Node.resource, Namespace.resource, Pod.resource, NetworkPolicy.resource, Service.resource,
    ]

    init(_ lab: MatrixLab) async throws {
        self.lab = lab
        do {
            _ = try await lab.client.list(ClusterNetworkPolicy.resource)
            hasClusterPolicies = true
        } catch APIFailure.notFound {
            hasClusterPolicies = false
        }
        written = []
        world = .standard
        world.pods.removeAll(where: \.usesHostNetwork)
        // On each node are some, and each has some of its own namespace beside it and some elsewhere.
        written = Set(kinds.map(\.kind.kind))
        for (position, number) in [1, 1, 2, 2, 3, 3, 3, 1, 2].enumerated() { world.pods[position].node = "node-\(number)" }
        let nodes = try await lab.client.list(Node.resource).items.compactMap { Registry.standard.read($0).object as? Node }
        world.nodes = nodes.map {
            TrialWorld.Node(
                name: $0.metadata.name, addresses: $0.internalAddresses.map(\.description), labels: $0.metadata.labels)
        }
    }

    /// One write to the server.
    enum Step: CustomStringConvertible {
        case put(Tree, over: Tree?)
        case delete(Tree.Name)

        var name: Tree.Name {
            switch self {
            case .put(let tree, _): tree.name
            case .delete(let name): name
            }
        }

        var description: String {
            switch self {
            case .put(let tree, let old): "\(old == nil ? "create" : "change") \(tree.name)"
            case .delete(let name): "delete \(name)"
            }
        }
    }

    /// What has to be written for these objects to be there, and no others of their kinds. What has no namespace is left out: no
    /// server holds it.
    func steps(to wanted: [Tree]) -> [Step] {
        let kinds = ["Namespace", "NetworkPolicy", "ClusterNetworkPolicy", "Pod"]
        let names = Set(wanted.map(\.name).filter { $0.kind == "Namespace" }.map(\.name))
        let new = wanted.filter {
            kinds.contains($0.name.kind) && ($0.name.namespace.isEmpty || names.contains($0.name.namespace))
        }
        let next = Dictionary(new.map { ($0.name, Self.essence(of: $0)) }, uniquingKeysWith: { $1 })
        let gone = objects.keys.filter { next[$0] == nil }
        let ending = Set(gone.filter { $0.kind == "Namespace" }.map(\.name))
        // With a namespace goes everything in it.
        let deleted = gone.filter { !ending.contains($0.namespace) }.sorted { (rank($0), $1) > (rank($1), $0) }
        let written = next.keys.filter { objects[$0] != next[$0] }.sorted { (rank($0), $0) < (rank($1), $1) }
        return deleted.map(Step.delete) + written.compactMap { name in next[name].map { .put($0, over: objects[name]) } }
    }

    private func rank(_ name: Tree.Name) -> Int { name.kind == "Namespace" ? 0 : name.kind == "Pod" ? 2 : 1 }

    /// Without what the server and the kubelets say.
    private static func essence(of tree: Tree) -> Tree {
        var essence = tree
        essence["status"] = nil
        guard tree.name.kind == "Pod" else { return essence }
        var labels = tree.at("metadata", "labels")?.map ?? [:]
        labels["matrix"] = .text("\(tree.name.namespace)-\(tree.name.name)")
        essence["metadata"] = ["name": .text(tree.name.name), "namespace": .text(tree.name.namespace), "labels": .map(labels)]
        var spec = essence["spec"] ?? [:]
        spec["terminationGracePeriodSeconds"] = 1
        var container = spec["containers"]?.list?.first ?? [:]
        container["image"] = .text(MatrixLab.image)
        spec["containers"] = [container]
        essence["spec"] = spec
        return essence
    }

    func number(of pod: Tree.Name) -> Int? {
        world.pods.firstIndex { $0.namespace == pod.namespace && $0.name == pod.name }
    }
}

// MARK: - Writing

extension MatrixCluster {
    func carryOut(_ step: Step) async throws {
        note(step.name)
        switch step {
        case .put(let tree, let old):
            try await put(tree, over: old)
            objects[tree.name] = tree
        case .delete(let name):
            let resource = try Self.resource(of: name)
            let namespace = name.namespace.isEmpty ? nil : name.namespace
            do { try await lab.client.delete(resource, name.name, in: namespace) } catch APIFailure.notFound {}
            try await wait("\(name) is gone") {
                do {
                    _ = try await self.lab.client.get(resource, name.name, in: namespace)
                    return false
                } catch APIFailure.notFound { return true }
            }
            objects[name] = nil
            if name.kind == "Namespace" { objects = objects.filter { $0.key.namespace != name.name } }
        }
    }

    /// What this changes.
    private func note(_ name: Tree.Name) {
        if name.kind.hasSuffix("Policy") { written.insert(name.kind) } else { written.formUnion(kinds.map(\.kind.kind)) }
    }

    private static func resource(of name: Tree.Name) throws -> ResourceType {
        switch name.kind {
        case "Namespace": Namespace.resource
        case "Pod": Pod.resource
        case "NetworkPolicy": NetworkPolicy.resource
        case "ClusterNetworkPolicy": ClusterNetworkPolicy.resource
        default: throw MatrixLab.Trouble("\(name) is no object of the matrix")
        }
    }

    private func put(_ tree: Tree, over old: Tree?) async throws {
        let (name, resource) = (tree.name, try Self.resource(of: tree.name))
        let namespace = name.namespace.isEmpty ? nil : name.namespace
        var json = try tree.json()
        switch (name.kind, old) {
        case ("NetworkPolicy", _?): try await lab.client.update(json, of: resource)
        case ("ClusterNetworkPolicy", _?):
            // Of a kind that a definition made, no server changes a version that it was not told.
            let held = try await lab.client.get(resource, name.name, in: namespace)
            json[at: "metadata", "resourceVersion"] = held[at: "metadata", "resourceVersion"]
            try await lab.client.update(json, of: resource)
        case (_, let old?):
            // Of a pod and a namespace only labels change.
            var labels = (old.at("metadata", "labels")?.map ?? [:]).mapValues { _ in Tree.null }
            labels.merge(tree.at("metadata", "labels")?.map ?? [:]) { $1 }
            let patch: Tree = ["metadata": ["labels": .map(labels)]]
            try await lab.client.patch(resource, name.name, in: namespace, .merge(try patch.json()))
        case ("Pod", nil):
            // Its service account comes a moment after its namespace.
            try await wait("\(name) is taken") {
                do { try await self.lab.client.create(json, of: resource, in: namespace) } catch APIFailure.forbidden {
                    return false
                }
                return true
            }
        default:
            try await lab.client.create(json, of: resource, in: namespace)
            if name.kind == "Namespace" { try await makeServices(in: name.name) }
        }
    }

    /// One in front of each pod, at other ports than the pods' own.
    private func makeServices(in namespace: String) async throws {
        for pod in world.pods where pod.namespace == namespace {
            let ports = ["TCP", "UDP", "SCTP"].flatMap { transport in
                MatrixProber.ports.map { port -> Tree in
                    [
                        "name": .text("\(transport.lowercased())-\(port)"), "protocol": .text(transport),
                        "port": .number(Int(Self.front(port))), "targetPort": .number(Int(port)),
                    ]
                }
            }
            let service: Tree = [
                "apiVersion": "v1", "kind": "Service",
                "metadata": ["name": .text("behind-\(pod.name)"), "namespace": .text(namespace)],
                "spec": [
                    "selector": ["matrix": .text("\(namespace)-\(pod.name)")], "ipFamilyPolicy": "RequireDualStack",
                    "ports": .list(ports),
                ],
            ]
            try await lab.client.create(try service.json(), of: Service.resource, in: namespace)
        }
    }

    /// The port of a service that leads to this one of its pod: the other one's number, so that a rule that is asked too early says
    /// something else.
    static func front(_ port: UInt16) -> UInt16 { port == 80 ? 81 : 80 }

    private func wait(_ what: String, _ isSo: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !isSo() {
            guard ContinuousClock.now < deadline else { throw MatrixLab.Trouble("waited a minute until \(what)") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

// MARK: - Reading

extension MatrixCluster {
    /// What the server holds now, once all pods that were asked for run and have their services.
    func observe() async throws -> MatrixState {
        var state: MatrixState?
        try await wait("all pods run") {
            state = try await self.look()
            return state != nil
        }
        guard let state else { throw MatrixLab.Trouble("nothing was seen") }
        return state
    }

    func adopt(_ state: MatrixState) {
        self.state = state
        for (number, pod) in state.pods {
            world.pods[number].addresses = IPFamily.allCases.compactMap { pod.addresses[$0]?.description }
        }
    }

    /// `nil` while something is on its way.
    private func look() async throws -> MatrixState? {
        for resource in kinds where written.contains(resource.kind.kind) {
            listed[resource.kind.kind] = try await lab.client.list(resource).items
        }
        var state = MatrixState()
        var found: [any KubernetesObject] = []
        for item in listed.values.joined() {
            guard let object = Registry.standard.read(item).object else { throw MatrixLab.Trouble("cannot read \(item)") }
            found.append(object)
            state.trees.append(Tree(item))
        }
        let services = found.compactMap { $0 as? Service }
        for service in services {
            let name = String(service.metadata.name.dropFirst("behind-".count))
            guard let number = number(of: Tree.Name("Pod", service.metadata.namespace, name)) else { continue }
            state.services[number] = Dictionary(service.spec.clusterIPs.map { ($0.family, $0) }, uniquingKeysWith: { $1 })
        }
        for pod in found.compactMap({ $0 as? Pod }) {
            guard let number = number(of: Tree.Name("Pod", pod.metadata.namespace, pod.metadata.name)) else { continue }
            guard pod.metadata.deletionTimestamp == nil, pod.status.podIPs.count == 2, pod.status.phase == .running else {
                return nil
            }
            state.pods[number] = MatrixState.Pod(
                uid: pod.metadata.uid, node: pod.spec.nodeName,
                addresses: Dictionary(pod.status.podIPs.map { ($0.family, $0) }, uniquingKeysWith: { $1 }))
        }
        let wanted = Set(objects.keys.filter { $0.kind == "Pod" }.compactMap(number))
        guard Set(state.pods.keys) == wanted, wanted.isSubset(of: state.services.keys) else { return nil }
        let members = found.compactMap { $0 as? Node }.map {
            Member(name: $0.metadata.name, addresses: $0.internalAddresses, podPrefixes: [])
        }
        for node in lab.nodes.keys {
            var index = PolicyIndex(node: node)
            index.replace(with: found)
            index.setNodes(members)
            _ = index.takeChanges()
            state.indices[node] = index
        }
        written = []
        return state
    }

    /// What the kernels do not hold of it yet, in words; `nil` when it is in force on every node.
    func lag(behind state: MatrixState) throws -> String? {
        for (name, node) in lab.nodes {
            guard let index = state.indices[name] else { return "node \(name) is not known" }
            for family in IPFamily.allCases {
                let table = PolicyTable(family, index)
                guard try node.tables.observe(table.id)?.table == table.table(index) else { return "\(name): table \(table.id)" }
            }
        }
        return nil
    }

    /// The same of the services.
    func serviceLag(behind state: MatrixState) throws -> String? {
        for (name, node) in lab.nodes {
            for family in IPFamily.allCases {
                let id = Table.ID(family == .v4 ? .ip : .ip6, PacketPath.serviceTable)
                let endpoints = try node.tables.observe(id)?.table.sets["endpoints"]?.elements ?? [:]
                for (number, addresses) in state.services {
                    guard let front = addresses[family] else { continue }
                    let targets = endpoints.filter { $0.key.bytes.starts(with: front.bytes) }.values.map(\.target)
                    let pod = state.pods[number]?.addresses[family]
                    let isRight = targets.allSatisfy { pod.map(\.bytes) == Array($0.prefix(front.bytes.count)) }
                    guard isRight, targets.count == (pod == nil ? 0 : 6) else { return "\(name): service of pod \(number)" }
                }
            }
        }
        return nil
    }
}

extension NamedSet.Content {
    fileprivate var target: [UInt8] {
        guard case .value(let value) = data else { return [] }
        return value.bytes
    }
}

extension Tree {
    func json() throws -> JSONValue { try JSONReader().value(Array(description.utf8)) }

    init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .number(let value): self = value.integer.map { .number(Int($0)) } ?? .text("\(value)")
        case .string(let value): self = .text(value)
        case .array(let values): self = .list(values.map(Tree.init))
        case .object(let object):
            self = .map(Dictionary(object.members.map { ($0.key, Tree($0.value)) }, uniquingKeysWith: { $1 }))
        }
    }
}
