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
    /// Changes with the nodes that are added and removed.
    private let state: Mutex<State>
    /// Machines that are to run.
    private let arrivals: AsyncStream<LabMachine>
    private let arrive: AsyncStream<LabMachine>.Continuation
    /// Processes that hold namespaces and have ended, whose it may be.
    let ends: AsyncStream<Holder>
    let endOf: AsyncStream<Holder>.Continuation
    /// One change of the nodes at a time.
    let changes = LabChanges()
    let streams = LabStreams()

    private struct State {
        var settings: LabSettings
        var machines: [LabMachine] = []
        var parts: [LabPart] = []
    }

    init(_ supervisor: Supervisor, _ ground: LabGround, _ credentials: LabCredentials, client: APIClient, serverURL: String) {
        (self.serverURL, began) = (serverURL, supervisor.surroundings.now())
        (self.supervisor, self.ground, self.credentials, self.client) = (supervisor, ground, credentials, client)
        (arrivals, arrive) = AsyncStream.makeStream()
        (ends, endOf) = AsyncStream.makeStream()
        // With the port that was found.
        state = Mutex(State(settings: (try? supervisor.directory.readSettings()) ?? supervisor.settings))
        for node in ground.nodes { add(machine(of: node)) }
    }

    func machine(of node: LabGround.Node) -> LabMachine {
        let (name, holder, ground, supervisor, client) = (node.name, node.holder.identifier, ground, supervisor, client)
        let network = node.network(in: supervisor.directory)
        return LabMachine(
            name, cable: LabMachine.Cable(fabric: ground.fabric.namespace, port: node.port), agent: agent(of: node)
        ) {
            var host = NodeHost(
                name: name, holder: holder, addresses: ground.nodes.first { $0.name == name }?.addresses ?? [],
                directory: supervisor.directory.node(name), launcher: supervisor.tools.pod, plugin: supervisor.tools.plugin,
                network: network)
            host.images = ImageCatalogue(supervisor.settings.images)
            host.clusterDNS = supervisor.settings.nameServerAddresses
            host.resolver = supervisor.settings.resolver
            return KubeletService(
                host: host, client: client, facts: .ofThisMachine, circumstances: supervisor.surroundings.circumstances,
                logger: supervisor.logger)
        }
    }

    private func agent(of node: LabGround.Node) -> LabPart {
        let (directory, tools) = (supervisor.directory, supervisor.tools)
        let (name, holder) = (node.name, node.holder.identifier)
        return LabPart(
            "agent of \(name)", log: directory.agentLog(name), runsInside: true, supervisor.surroundings,
            logger: supervisor.logger
        ) { [weak self] log in
            // As it is now: the backend may have been changed.
            let settings = self?.settings
            let options =
                (settings?.servicePrefixes ?? []).flatMap { ["--service-cidr", "\($0)"] } + (settings?.agentOptions ?? [])
            return try Child(
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

    var settings: LabSettings { state.withLock { $0.settings } }
    var directory: LabDirectory { supervisor.directory }
    var surroundings: LabSurroundings { supervisor.surroundings }

    func add(_ part: LabPart) { state.withLock { $0.parts.append(part) } }
    var allParts: [LabPart] { state.withLock { $0.machines.map(\.agent) + $0.parts } }
    var machines: [LabMachine] { state.withLock { $0.machines } }

    /// It runs as soon as machines do.
    func add(_ machine: LabMachine) {
        state.withLock { state in
            state.machines.append(machine)
            let order = state.settings.nodeNames
            state.machines.sort { (order.firstIndex(of: $0.name) ?? 0) < (order.firstIndex(of: $1.name) ?? 0) }
        }
        arrive.yield(machine)
    }

    func removeMachine(_ name: String) { state.withLock { $0.machines.removeAll { $0.name == name } } }

    /// Changes what the lab is, and keeps that in its directory: nothing has changed when that cannot be.
    func change<Value>(_ body: (inout LabSettings) throws -> Value) throws -> Value {
        try state.withLock { state in
            var settings = state.settings
            let value = try body(&settings)
            try directory.write(settings)
            state.settings = settings
            return value
        }
    }
}

// MARK: - Coming up

extension LabCluster {
    /// Waits until the API server answers, or has no way to.
    func untilServed(_ server: LabPart) async throws {
        try await withThrowingTaskGroup(of: Void.self) { [client, surroundings] group in
            group.addTask {
                // Its sockets are open from the start: who asks one that cannot start waits as long as for one that is slow.
                while (try? await client.list(Node.resource)) == nil {
                    try await surroundings.clock.sleep(for: .milliseconds(15))
                }
            }
            group.addTask { try await self.untilLost(server) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Throws as soon as it is known that the server will not answer.
    private func untilLost(_ server: LabPart) async throws {
        try await until("the API server did not answer", log: directory.serverLog) {
            let record = server.record
            if record.exitCode == LabServer.unusable {
                throw LabError(.stateUnusable, self.lastError(of: self.directory.serverLog), remedy: self.directory.takesDown)
            }
            guard record.starts < 4 else {
                throw LabError(.processFailed, "the API server ended with \(record.ended ?? "nothing")")
            }
            return false
        }
    }

    /// What the last line of a log says after `error=`, without what to do about it.
    private func lastError(of log: String) -> String {
        let line = directory.lastLines(of: log).last { $0.contains("error=") } ?? ""
        guard let text = line.split(separator: "error=", maxSplits: 1).last else { return "the API server cannot work" }
        return String(text.prefix { $0 != ";" })
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
        group.addTask { [arrivals] in
            try await withThrowingDiscardingTaskGroup { group in
                for await machine in arrivals { group.addTask { try await machine.run() } }
            }
        }
    }

    /// Waits until all nodes are Ready.
    func untilReady() async throws { try await untilReady(settings.nodeNames) }

    func untilReady(_ names: [String]) async throws {
        try await until("not all nodes became Ready", log: directory.supervisorLog) {
            guard let nodes = try? await self.client.list(Node.resource).items else { return false }
            return Set(names).isSubset(of: nodes.filter(Self.isReady).compactMap { $0[at: "metadata", "name"]?.string })
        }
    }

    static func isReady(_ object: JSONValue) -> Bool {
        object[at: "status", "conditions"]?.array?.contains { $0["type"] == "Ready" && $0["status"] == "True" } ?? false
    }

    /// Asks again and again, for half a minute.
    func until(_ failure: String, log: String, _ isSo: () async throws -> Bool) async throws {
        let end = surroundings.now() + .seconds(30)
        while try await !isSo() {
            guard surroundings.now() < end else {
                throw LabError(.processFailed, "\(failure) within 30 s", remedy: "its log is \(log)")
            }
            try await surroundings.clock.sleep(for: .milliseconds(15))
        }
    }

    /// The kinds that a lab serves beside those of every server.
    func addDefinitions() async throws {
        let definitions = ResourceType(
            GroupVersionKind(group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition"),
            plural: "customresourcedefinitions", shortNames: [], isNamespaced: false)
        for definition in LabDefinitions.all {
            do {
                try await client.create(definition, of: definitions)
            } catch APIFailure.alreadyExists {
                // After a restart it is there.
            }
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
