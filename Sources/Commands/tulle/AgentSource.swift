import Agent
import ArgumentParser
import Glibc
import KubeClient
import Logging

/// Which objects an agent follows: those of files, or those of an API server.
struct AgentSourceOptions: ParsableArguments {
    @Option(
        name: .customLong("objects"), parsing: .upToNextOption,
        help: ArgumentHelp(
            "Files or directories of Kubernetes objects (YAML or JSON), followed as they change.", valueName: "path"))
    var objects: [String] = []

    @OptionGroup var server: APIServerOptions

    func validate() throws {
        if server.kubeconfig != nil, !objects.isEmpty {
            throw ValidationError("--kubeconfig and --objects: the objects come from a server or from files; give one of them")
        }
    }

    /// Where the objects will come from. Files are looked at, and nothing is asked yet.
    func origin(environment: (String) -> String?) throws -> AgentOrigin {
        if !objects.isEmpty { return .files(objects) }
        if let (access, way) = try server.named() { return .server(access, way) }
        do {
            return .server(try APIServerOptions.inCluster(environment), "the pod's service account")
        } catch {
            guard error.code == .notInCluster else { throw error }
            throw AgentUsage(
                """
                nothing says where the objects are: give --kubeconfig FILE for an API server or --objects PATH for files, or \
                start it in a pod with a service account (there KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are set)
                """)
        }
    }
}

/// The way to an API server.
struct APIServerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The way to an API server, as kubectl's.", valueName: "file"))
    var kubeconfig: String?

    @Option(help: ArgumentHelp("Which context of the kubeconfig. [default: its current one]", valueName: "name"))
    var context: String?

    func validate() throws {
        if context != nil, kubeconfig == nil { throw ValidationError("--context names a context of --kubeconfig; give both") }
    }

    /// The one that the options name, and what led there; `nil` when they name none.
    func named() throws -> (access: ServerAccess, way: String)? {
        guard let kubeconfig else { return nil }
        return (try Kubeconfig.load([kubeconfig]).access(to: context), "--kubeconfig \(kubeconfig)")
    }

    /// By a pod's service account.
    static func inCluster(_ environment: (String) -> String?) throws(ServerAccessError) -> ServerAccess {
        try ServerAccess.inCluster(host: environment("KUBERNETES_SERVICE_HOST"), port: environment("KUBERNETES_SERVICE_PORT"))
    }
}

/// Said in one sentence; the program ends with 64.
struct AgentUsage: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

enum AgentOrigin {
    case files([String])
    /// And what led there, for people.
    case server(ServerAccess, String)

    var description: String {
        switch self {
        case .files(let paths): paths.joined(separator: ", ")
        case .server(let access, let way): "\(access.server), by \(way)"
        }
    }

    /// Opens the way, and ends its connections when the body has ended. Events and conditions are written to a server, and not to files.
    ///
    /// - Parameters:
    ///   - who: what the server calls the writer.
    ///   - gathering: how long what a server says is gathered before it is read: little wakes save time of the processor.
    func follow(
        _ collections: [ServerObjectSource.Collection], as who: String = "tulle-agent", gathering: Duration = .milliseconds(20),
        logger: Logger,
        _ body: (any ObjectSource, EventRecorder?, ConditionWriter?) async throws -> Void
    ) async throws {
        try await open(as: who, gathering: gathering, logger: logger) { source, events, conditions in
            try await body(source(collections), events, conditions)
        }
    }

    /// The same, for who follows now these collections and now others: a file has all that there is, whatever is asked for.
    func open(
        as who: String, gathering: Duration, logger: Logger,
        _ body: (@escaping NameService.Sources, EventRecorder?, ConditionWriter?) async throws -> Void
    ) async throws {
        let clock = ContinuousClock()
        switch self {
        case .files(let paths):
            try await body(
                { _ in
                    FileObjectSource(
                        paths: paths, unknownFields: UnknownFields.find, interval: .milliseconds(500), clock: clock,
                        logger: logger)
                }, nil, nil)
        case .server(let access, _):
            var limits = HTTPTransport.Limits()
            limits.gathering = gathering
            let transport = try access.transport(limits: limits, clock: clock)
            let client = APIClient(
                transport: transport, fieldManager: who, clock: clock, random: { Double.random(in: 0..<1) },
                logger: logger)
            let events = EventRecorder(
                EventAggregator(component: "tulle", namesByContent: true), client: client, now: Surroundings.real.date,
                logger: logger)
            let outcome: Result<Void, any Error>
            let conditions = ConditionWriter(client: client, now: Surroundings.real.date, logger: logger)
            do {
                outcome = .success(try await body({ client.source($0) }, events, conditions))
            } catch {
                outcome = .failure(error)
            }
            try await transport.shutdown()
            try outcome.get()
        }
    }
}

/// The name of this machine's Node object, where nobody says it: kubelets register the host's name in lower case.
func defaultNodeName(environment: (String) -> String?) throws -> String {
    if let name = environment("NODE_NAME"), !name.isEmpty { return name }
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0, buffer[0] != 0 else {
        throw AgentUsage("this host has no name; give --node, or NODE_NAME in the environment")
    }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).lowercased()
}

/// A variable of this process's environment.
func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
