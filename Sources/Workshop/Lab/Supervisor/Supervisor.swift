import APIServer
import Addressing
import Glibc
import KubeAPI
import KubeClient
public import Logging
import NIOPosix
import Netlink

/// Holds a lab: makes its namespaces, runs its controllers and kubelets, and keeps its other processes running.
///
/// ```
///   process 1 (tulle-pod init)          again when the supervisor is killed; its end is the end of all
///   └ supervisor                        fabric, nodes, controllers, kubelets, control socket
///     ├ API server                      its own process, so that it can die alone; sockets are inherited
///     ├ agent of each node              inside the node's namespaces
///     └ sandboxes and containers
/// ```
public struct Supervisor: Sendable {
    let directory: LabDirectory
    let settings: LabSettings
    let tools: Tools
    let surroundings: LabSurroundings
    let logger: Logger
    /// As the lab's own PID namespace numbers it.
    var process: Int32 { getpid() }
    let restarts: Int
    private let say: @Sendable (Announcement) -> Void

    /// What is told of a lab that comes up.
    public enum Announcement: Hashable, Sendable {
        case step(String, String)
        case ready
        case failed(String, code: LabError.Code)
    }

    /// - Parameters:
    ///   - programs: the directory of Tulle's programs.
    ///   - restarts: how often it was started before.
    ///   - say: called for each step until the lab is ready.
    public init(
        _ directory: LabDirectory, programs: String, restarts: Int, surroundings: LabSurroundings, logger: Logger,
        say: @escaping @Sendable (Announcement) -> Void
    ) throws(LabError) {
        guard let settings = try directory.readSettings() else {
            throw LabError(.stateUnusable, "\(directory.path) holds no lab", remedy: "tulle lab up")
        }
        tools = try Tools(directory: programs)
        (self.directory, self.settings, self.surroundings, self.logger) = (directory, settings, surroundings, logger)
        (self.restarts, self.say) = (restarts, say)
    }

    /// Runs the lab until the task is cancelled.
    ///
    /// - Throws: why it could not come up; ``LabError/Code/startAgain`` when it was up and lost something it cannot make again
    ///   alone, such as the process that holds a node's namespaces.
    public func run() async throws {
        try Self.raiseLimits()
        let (ground, credentials, sockets) = try await offPool { try prepare() }
        say(.step("fabric", settings.segments.map(\.description).joined(separator: ", ")))
        // The first and the last: one line says it for a hundred, too.
        let ends = Set([0, ground.nodes.count - 1]).sorted().map { ground.nodes[$0] }
        say(
            .step(
                "nodes",
                ends.map { node in "\(node.name) \(node.addresses.map(\.description).joined(separator: " "))" }
                    .joined(separator: " … ")))
        let (client, transport) = try client(directory.supervisorKubeconfig)
        let outcome: Result<Void, any Error>
        do {
            let cluster = LabCluster(self, ground, credentials, client: client, serverURL: sockets.url)
            outcome = .success(try await keep(cluster, sockets))
        } catch {
            outcome = .failure(error)
        }
        try? await transport.shutdown()
        try outcome.get()
    }

    private func keep(_ cluster: LabCluster, _ sockets: Sockets) async throws {
        let control = try ControlSocket(path: directory.control)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let server = serverPart(sockets)
            group.addTask { await server.run() }
            group.addTask { [directory, clock = surroundings.clock] in
                await PartLog.keepSmall(directory.supervisorLog, clock)
            }
            group.addTask { try await cluster.watchHolders() }
            try await begin(cluster, server, sockets, &group)
            group.addTask { await control.serve { await cluster.answer($0) } }
            say(.ready)
            logger.notice("the lab is up")
            do {
                // Nothing here ends by itself but by an error.
                for try await _ in group {}
            } catch {
                throw LabError(.startAgain, "\(error)")
            }
        }
    }
}

/// Blocking work, away from the threads of tasks.
func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
}

// MARK: - Before anything runs

extension Supervisor {
    struct Sockets: Sendable {
        var all: [Descriptor]
        var port: UInt16
        var url: String { "https://127.0.0.1:\(port)" }
    }

    private func prepare() throws -> (LabGround, LabCredentials, Sockets) {
        let ground = try LabGround(settings, in: directory, tools: tools)
        let sockets = try listen(ground)
        var random = surroundings.generator
        let credentials = try LabCredentials(directory, settings, at: surroundings.now(), random: &random)
        try credentials.writeKubeconfig(
            for: LabCredentials.administrator, named: "tulle-\(settings.name)", server: sockets.url, to: directory.kubeconfig)
        try credentials.writeKubeconfig(
            for: LabCredentials.supervisor, named: "tulle-\(settings.name)", server: sockets.url,
            to: directory.supervisorKubeconfig)
        for node in ground.nodes { try credentials.writeKubeconfig(ofNode: node.name, settings, in: directory) }
        return (ground, credentials, sockets)
    }

    /// Loopback of the host for kubectl; the fabric for nodes and pods.
    private func listen(_ ground: LabGround) throws -> Sockets {
        guard let loopback = IPAddress("127.0.0.1") else { preconditionFailure("an address that is none") }
        let outside: Descriptor
        do {
            outside = try BoundSocket.stream(loopback, port: settings.port)
        } catch let error as KernelError where error.code.rawValue == EADDRINUSE {
            throw LabError(
                .portInUse, "127.0.0.1:\(settings.port) is in use", remedy: "end what listens there, or name another --port")
        }
        var settings = settings
        settings.port = BoundSocket.port(of: outside)
        if settings != self.settings { try directory.write(settings) }
        let inside = try settings.serverAddresses.map {
            try BoundSocket.stream($0, port: LabSettings.serverPort, in: ground.fabric.namespace)
        }
        return Sockets(all: [outside] + inside, port: settings.port)
    }

    /// Every pod costs the supervisor some descriptors.
    private static func raiseLimits() throws(LabError) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur >= 4096 else {
            throw LabError(
                .limitTooLow, "only \(limit.rlim_cur) files may be open", remedy: "allow at least 4096: ulimit -Hn 65536")
        }
    }
}

// MARK: - Coming up

extension Supervisor {
    private func serverPart(_ sockets: Sockets) -> LabPart {
        let (directory, tulle) = (directory, tools.tulle)
        return LabPart("API server", log: directory.serverLog, surroundings, logger: logger) { log in
            try Child(
                [tulle, "lab", "serve", "--directory", directory.path, "--sockets", "\(sockets.all.count)"],
                environment: Self.environment, streams: Child.Streams(input: log, output: log, error: log),
                inherited: sockets.all.map(\.rawValue))
        }
    }

    /// Of the processes of the lab: nothing of whoever started it.
    static let environment = [(name: "PATH", value: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]

    private func begin(
        _ cluster: LabCluster, _ server: LabPart, _ sockets: Sockets, _ group: inout ThrowingTaskGroup<Void, any Error>
    ) async throws {
        cluster.add(server)
        try await cluster.untilServed(server)
        try await cluster.addDefinitions()
        say(.step("API server", sockets.url))
        try await cluster.forgetReadiness()
        // All of them, before anybody gives out ranges: so they get them in the order of their names.
        await cluster.registerNodes()
        cluster.startMachines(&group)
        cluster.startControllers(&group)
        say(.step("agents", "one on each node"))
        try await cluster.untilReady()
        let count = settings.seats.count
        say(.step("Ready", "\(count) \(count == 1 ? "node" : "nodes")"))
        if settings.nameServers > 0 {
            try await LabNameServer(settings: settings).add(by: cluster.client)
            let addresses = settings.nameServerAddresses.map(\.description).joined(separator: " ")
            say(.step("names", "kube-dns at \(addresses); its pods follow"))
        }
        if settings.pods > 0 {
            try await cluster.addEchoPods()
            say(.step("pods", "\(settings.pods) echo pods are asked for"))
        }
    }

    func client(_ path: String) throws -> (APIClient, HTTPTransport) {
        let access = try Kubeconfig.load([path]).access()
        let transport = try access.transport(clock: surroundings.clock)
        let client = APIClient(
            transport: transport, fieldManager: "tulle-lab", clock: surroundings.clock, random: surroundings.fraction,
            logger: logger)
        return (client, transport)
    }
}
