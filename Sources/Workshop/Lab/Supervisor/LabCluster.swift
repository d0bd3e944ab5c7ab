import Glibc
import Identity
import KubeAPI
import KubeClient
import Logging
import Synchronization

/// The running half of a lab: controllers, kubelets and agents on the ground that the supervisor made.
final class LabCluster: Sendable {
    let supervisor: Supervisor
    let ground: LabGround
    let credentials: LabCredentials
    let client: APIClient
    let serverURL: String
    let began: Moment
    let machines: [LabMachine]
    private let parts = Mutex<[LabPart]>([])

    init(_ supervisor: Supervisor, _ ground: LabGround, _ credentials: LabCredentials, client: APIClient, serverURL: String) {
        (self.serverURL, began) = (serverURL, supervisor.surroundings.now())
        (self.supervisor, self.ground, self.credentials, self.client) = (supervisor, ground, credentials, client)
        let facts = KubeletService.Facts.ofThisMachine
        machines = ground.nodes.map { node in
            var host = NodeHost(
                name: node.name, holder: node.holder.identifier, addresses: node.addresses,
                directory: supervisor.directory.node(node.name), launcher: supervisor.tools.pod,
                plugin: supervisor.tools.plugin, network: node.network(in: supervisor.directory))
            host.images = ImageCatalogue(supervisor.settings.images)
            let kubeletHost = host
            return LabMachine(
                node.name, cable: LabMachine.Cable(fabric: ground.fabric.namespace, port: node.port),
                agent: Self.agent(of: node, supervisor)
            ) {
                KubeletService(
                    host: kubeletHost, client: client, facts: facts, circumstances: supervisor.surroundings.circumstances,
                    logger: supervisor.logger)
            }
        }
        parts.withLock { $0 = machines.map(\.agent) }
    }

    private static func agent(of node: LabGround.Node, _ supervisor: Supervisor) -> LabPart {
        let (directory, tools) = (supervisor.directory, supervisor.tools)
        let (name, holder) = (node.name, node.holder.identifier)
        let options =
            supervisor.settings.agentOptions + supervisor.settings.servicePrefixes.flatMap { ["--service-cidr", "\($0)"] }
        return LabPart(
            "agent of \(name)", log: directory.agentLog(name), supervisor.surroundings, logger: supervisor.logger
        ) { log in
            try Child(
                [
                    tools.pod, "run", "--join", "\(holder)", "--namespaces", "net,uts,pid", "--", tools.tulle, "agent",
                    "--node", name, "--kubeconfig", directory.nodeKubeconfig(name), "--state", directory.agentState(name),
                ] + options, environment: Supervisor.environment, streams: Child.Streams(input: log, output: log, error: log))
        }
    }

    /// By node; those whose power is on.
    var kubelets: [String: KubeletService] {
        Dictionary(machines.compactMap { machine in machine.kubelet.map { (machine.name, $0) } }) { first, _ in first }
    }

    var settings: LabSettings { supervisor.settings }
    var directory: LabDirectory { supervisor.directory }
    private var surroundings: LabSurroundings { supervisor.surroundings }

    func add(_ part: LabPart) { parts.withLock { $0.append(part) } }
    var allParts: [LabPart] { parts.withLock { $0 } }
}

// MARK: - Coming up

extension LabCluster {
    /// Waits until the API server answers.
    func untilServed(_ server: LabPart) async throws {
        try await until("the API server did not answer", log: directory.serverLog) {
            guard server.record.starts < 4 else {
                throw LabError(.processFailed, "the API server ended with \(server.record.ended ?? "nothing")")
            }
            return (try? await self.client.list(Node.resource)) != nil
        }
    }

    /// Nodes that were Ready before a restart are not, before their kubelets say so again.
    func forgetReadiness() async throws {
        for node in try await client.list(Node.resource).items where Self.isReady(node) {
            try await client.modify(Node.resource, node[at: "metadata", "name"]?.string ?? "", subresource: .status) { tree in
                let now = JSONValue.string(surroundings.now().description)
                tree[at: "status", "conditions"] = .array(
                    (tree[at: "status", "conditions"]?.array ?? []).map { condition in
                        guard condition["type"] == "Ready" else { return condition }
                        return [
                            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "The node starts.",
                            "lastHeartbeatTime": now, "lastTransitionTime": now,
                        ]
                    })
            }
        }
    }

    func registerNodes() async {
        await withDiscardingTaskGroup { group in
            for machine in machines { group.addTask { await machine.kubelet?.register() } }
        }
    }

    func startControllers(_ group: inout ThrowingTaskGroup<Void, any Error>) {
        let settings = settings
        let plane = ControlPlaneService(
            client: client,
            settings: ControlPlaneService.Settings(
                pods: settings.podPrefixes.map { NodePrefixController.Range($0, nodeLength: settings.nodeLength($0)) },
                services: settings.servicePrefixes, servers: settings.serverAddresses, port: LabSettings.serverPort,
                certificate: credentials.authority.certificatePEM),
            circumstances: surroundings.circumstances, logger: supervisor.logger)
        group.addTask { try await plane.run() }
        let streams = StreamsEndpoint(socket: directory.streams, logger: supervisor.logger) { self.kubelets[$0]?.kubelet }
        group.addTask { try await streams.run() }
    }

    func startMachines(_ group: inout ThrowingTaskGroup<Void, any Error>) {
        for machine in machines { group.addTask { try await machine.run() } }
    }

    /// Waits until all nodes are Ready.
    func untilReady() async throws {
        let names = Set(settings.nodeNames)
        try await until("not all nodes became Ready", log: directory.supervisorLog) {
            guard let nodes = try? await self.client.list(Node.resource).items else { return false }
            return names.isSubset(of: Set(nodes.filter(Self.isReady).compactMap { $0[at: "metadata", "name"]?.string }))
        }
    }

    static func isReady(_ object: JSONValue) -> Bool {
        object[at: "status", "conditions"]?.array?.contains { $0["type"] == "Ready" && $0["status"] == "True" } ?? false
    }

    /// Asks again and again, for half a minute.
    private func until(_ failure: String, log: String, _ isSo: () async throws -> Bool) async throws {
        let end = surroundings.now() + .seconds(30)
        while try await !isSo() {
            guard surroundings.now() < end else {
                throw LabError(.processFailed, "\(failure) within 30 s", remedy: "its log is \(log)")
            }
            try await surroundings.clock.sleep(for: .milliseconds(15))
        }
    }

    /// A deployment of as many echo pods as were asked for.
    func addEchoPods() async throws {
        let labels: JSONValue = ["app": "echo"]
        let container: JSONValue = ["name": "echo", "image": "tulle/echo", "ports": [["containerPort": 80]]]
        let deployment: JSONValue = [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "echo", "namespace": "default"],
            "spec": [
                "replicas": JSONValue(settings.pods), "selector": ["matchLabels": labels],
                "template": ["metadata": ["labels": labels], "spec": ["containers": [container]]],
            ],
        ]
        do {
            try await client.create(deployment, of: Kinds.resource(Kinds.deployment))
        } catch APIFailure.alreadyExists {
            // After a restart it is there.
        }
    }
}

extension KubeletService.Facts {
    /// What every node of a lab is made of.
    static var ofThisMachine: KubeletService.Facts {
        func word(_ path: String) -> String { (Files.text(of: path) ?? "").filter { !$0.isWhitespace } }
        let pages = max(0, sysconf(Int32(_SC_PHYS_PAGES)))
        return KubeletService.Facts(
            processors: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), memory: pages * max(0, sysconf(Int32(_SC_PAGESIZE))),
            kernelVersion: word("/proc/sys/kernel/osrelease"), machineID: word("/etc/machine-id"),
            bootID: word("/proc/sys/kernel/random/boot_id"))
    }
}
