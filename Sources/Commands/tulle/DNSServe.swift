import Addressing
import Agent
public import ArgumentParser
import CLinux
import Cluster
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NameServer
public import Plan
import ServiceLifecycle
import UnixSignals

struct DNSServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the names of the cluster's services and pods, and ask others for the rest of the world's.",
        usage: "tulle dns serve [--objects <path> ... | --kubeconfig <file>] [<option> ...]",
        discussion: """
            Answers by the Kubernetes DNS specification 1.1.0, over UDP and TCP. Until the objects are known, names of the \
            cluster get SERVFAIL. Other names are asked for at --upstream, or else at the servers of --resolver.

            Examples:
              tulle dns serve
              tulle dns serve --objects cluster.yaml --listen 127.0.0.1 --port 5353
              tulle dns serve --kubeconfig ~/.kube/config --upstream 192.0.2.53

            With neither --objects nor --kubeconfig it follows the API server by the pod's service account. Asked to stop (SIGTERM) \
            it says so at /health, serves on for --farewell seconds, and answers what it has received.

            Exit codes: 0 asked to stop, 1 it could not go on, 64 wrong usage.
            """)

    @OptionGroup var source: AgentSourceOptions
    @OptionGroup var places: DNSPlaces
    @OptionGroup var outside: DNSOutside

    @Option(
        help: ArgumentHelp(
            """
            The configuration (docs/dns.md). It is read again when it changes, and at SIGHUP; one with mistakes changes nothing. \
            Options count more than what it says.
            """, valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("What all names of the cluster end with. [default: cluster.local]", valueName: "domain"))
    var domain: String?

    @Option(
        help: ArgumentHelp(
            "How long answers of the cluster may be kept, in seconds, 0 to 3600. [default: 5]", valueName: "seconds"))
    var ttl: UInt32?

    @Option(
        help: ArgumentHelp(
            """
            Which names pods have by themselves, such as 10-244-1-7.default.pod.cluster.local: disabled, insecure (any address, \
            below any namespace there is), verified (those of pods that there are). [default: disabled]
            """, valueName: "mode"))
    var pods: NameSettings.PodRecords?

    @Option(help: ArgumentHelp("The service that leads to this server.", valueName: "namespace/name"))
    var service = "kube-system/kube-dns"

    @Flag(
        help: """
            Know pods by their addresses: for the log of queries, and to go through their search lists at their first question. They \
            are followed on the API server then, all of them.
            """)
    var clients = false

    @Flag(help: "Write a line for every query to the log.")
    var logQueries = false

    @Option(help: ArgumentHelp("How long it serves on when it is asked to stop.", valueName: "seconds"))
    var farewell: Double = 5

    @Option(help: "How much is said: trace, debug, info, notice, warning, error or critical.")
    var logLevel: Logger.Level = .info

    func validate() throws {
        if let ttl, ttl > 3600 { throw ValidationError("--ttl \(ttl): from 0 to 3600") }
        guard (0...300).contains(farewell) else { throw ValidationError("--farewell \(farewell): from 0 to 300") }
        if let domain, NameServerConfiguration.clusterDomain(domain) == nil {
            throw ValidationError("--domain \(domain): a domain name of at most 150 characters, such as cluster.local")
        }
        guard serverName != nil else {
            throw ValidationError("--service \(service): a namespace and a name, such as kube-system/kube-dns")
        }
    }

    private var serverName: ServiceIndex.Name? {
        let parts = service.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 2 && !parts.contains("") ? .init(namespace: parts[0], name: parts[1]) : nil
    }

    /// What is asked for here counts more than the file.
    private func apply(to configuration: inout NameServerConfiguration) {
        if let domain = domain.flatMap(NameServerConfiguration.clusterDomain) { configuration.clusterDomain = domain }
        if let ttl { configuration.ttl = TimeToLive(seconds: ttl) }
        if let pods = pods.flatMap({ NameServerConfiguration.PodNames(rawValue: $0.rawValue) }) { configuration.pods = pods }
        if logQueries { configuration.log = .all }
        outside.apply(to: &configuration)
        configuration.listen = places.overriding(configuration.listen)
    }

    func run() async throws {
        do {
            try await serve()
        } catch let code as ExitCode {
            throw code
        } catch {
            FileHandles.complain("tulle dns: \(error)")
            throw error is AgentUsage ? ExitCode(64) : ExitCode(1)
        }
    }

    private func serve() async throws {
        let origin = try source.origin(environment: environmentVariable)
        var logger = Logger(label: "tulle.dns", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel
        clinux_few_heaps(2)
        // Read twice: where it listens is needed to know whom not to ask. What is to be said of it is said once.
        var follower = try follower([], Logger(label: "tulle.dns", factory: { _ in SwiftLogNoOpLogHandler() }))
        let places = places.completed(by: follower.configuration.listen)
        follower = try self.follower(places.own, logger)
        let forwarder = Forwarder(
            follower.forwarding(domains: []), memory: AnswerMemory(follower.configuration.cache), now: Surroundings.real.now,
            random: { UInt64.random(in: .min ... .max) }, logger: logger, report: { [logger] in Self.tell($0, logger) })
        let log = QueryLog(linesPerSecond: follower.configuration.logRate, now: Surroundings.real.now)
        let server = DNSServer(places.settings { log.hear($0) }, outside: forwarder, logger: logger)
        var settings = try places.service(farewell: .milliseconds(Int(farewell * 1000)))
        settings.names.server = serverName ?? settings.names.server
        settings.names.serial = UInt32(truncatingIfNeeded: clinux_clock(CLOCK_REALTIME) / 1_000_000_000)
        settings.knowsClients = clients
        let (lists, listed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        var surroundings = Surroundings.real
        surroundings.hasListed = { listed.yield() }
        // Also without a list, as when no API server is there.
        let start = Task {
            try await Task.sleep(for: .seconds(10))
            listed.yield()
        }
        let rest = Task {
            for await _ in lists {
                try await Task.sleep(for: .seconds(1))
                StartupCode.giveBack()
            }
        }
        defer { for task in [start, rest] { task.cancel() } }
        let (reloads, reload) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = await UnixSignalsSequence(trapping: .sighup)
        let hearing = Task { for await _ in signals { reload.yield() } }
        defer { hearing.cancel() }
        // A change is to be heard of at once.
        try await origin.open(as: "tulle-dns", gathering: .milliseconds(5), logger: logger) {
            [settings, logger, follower, surroundings] sources, _, _ in
            let service = NameService(
                settings, sources: sources, server: server, forwarder: forwarder, log: log, configuration: follower,
                reloads: reloads, surroundings: surroundings, logger: logger)
            let services = ServiceGroup(
                configuration: .init(services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await services.run()
        }
    }
}

extension DNSServe {
    /// That nobody is there for names of the world outside is wanted, or told by who reads the file of resolvers.
    private static func tell(_ trouble: ForwardingTrouble, _ logger: Logger) {
        if trouble != .nobody(.root) { logger.warning("\(trouble)") }
    }

    private func follower(_ own: Set<SocketAddress>, _ logger: Logger) throws -> NameConfigurationFollower {
        do {
            return try NameConfigurationFollower(config, listening: own, logger: logger) { [self] in apply(to: &$0) }
        } catch {
            throw AgentUsage("\(error)")
        }
    }
}

extension NameSettings.PodRecords: ExpressibleByArgument {}

// MARK: - Where

/// Where a name server listens, and where it shows how it is.
struct DNSPlaces: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where names are asked for. May be repeated. [default: all addresses of the machine]", valueName: "address"))
    var listen: [String] = []

    @Option(
        name: .customLong("port"),
        help: ArgumentHelp("The port of UDP and TCP; 0: one that is free. [default: 53]", valueName: "port"))
    var givenPort: UInt16?

    @Option(help: ArgumentHelp("Threads that serve UDP, for each address, 1 to 64.", valueName: "count"))
    var threads: Int = NameServerSettings.usualThreads

    @Option(
        help: ArgumentHelp("Where /health is shown; “off” for nowhere. [default: port 8080]", valueName: "address"))
    var healthAddress: String?

    @Option(help: ArgumentHelp("Where /ready is shown; “off” for nowhere. [default: port 8181]", valueName: "address"))
    var readyAddress: String?

    @Option(
        help: ArgumentHelp(
            "Where figures (/metrics) and /explain are shown; “off” for nowhere. [default: port 9153]", valueName: "address"))
    var metricsAddress: String?

    func validate() throws {
        guard (1...64).contains(threads) else { throw ValidationError("--threads \(threads): from 1 to 64") }
        for text in listen where IPAddress(text) == nil {
            throw ValidationError("--listen \(text): an address, such as 127.0.0.1 or ::")
        }
        _ = try service(farewell: .zero)
    }

    private var port: UInt16 { givenPort ?? 53 }

    /// What is said of it here counts more than a configuration.
    func overriding(_ configured: NameServerConfiguration.Listen?) -> NameServerConfiguration.Listen? {
        guard var listen = configured else { return nil }
        if !self.listen.isEmpty { listen.addresses = self.listen.compactMap { IPAddress($0) } }
        listen.port = givenPort ?? listen.port
        return listen
    }

    /// With what a configuration says where nothing is said here.
    func completed(by configured: NameServerConfiguration.Listen?) -> DNSPlaces {
        var places = self
        if listen.isEmpty { places.listen = configured?.addresses.map(\.description) ?? [] }
        places.givenPort = givenPort ?? configured?.port
        return places
    }

    private var addresses: [IPAddress] {
        listen.isEmpty ? IPFamily.allCases.filter(Self.isThere).map { .any($0) } : listen.compactMap { IPAddress($0) }
    }

    /// A machine may be without IPv6; then it has no list of its addresses.
    private static func isThere(_ family: IPFamily) -> Bool { family == .v4 || access("/proc/net/if_inet6", F_OK) == 0 }

    /// Where a question of ours would come back to us.
    var own: Set<SocketAddress> { Set(addresses.map { SocketAddress($0, port) }) }

    func settings(_ report: @escaping @Sendable (QueryReport) -> Void) -> NameServerSettings {
        NameServerSettings(
            addresses: addresses, port: port, threads: threads, now: Surroundings.real.now, report: report)
    }

    func service(farewell: Duration) throws -> NameService.Settings {
        var settings = NameService.Settings()
        settings.healthAddresses = try Self.places(healthAddress, "--health-address", 8080)
        settings.readyAddresses = try Self.places(readyAddress, "--ready-address", 8181)
        settings.metricsAddresses = try Self.places(metricsAddress, "--metrics-address", 9153)
        settings.farewell = farewell
        settings.label = "dns://:\(port)"
        return settings
    }

    private static func places(_ text: String?, _ option: String, _ port: UInt16) throws -> [SocketAddress] {
        guard let text else { return IPFamily.allCases.map { SocketAddress(.any($0), port) } }
        if text == "off" { return [] }
        guard let address = SocketAddress(text: text), address.port != 0 else {
            throw ValidationError("\(option) \(text): an address and a port, such as 127.0.0.1:\(port) or [::]:\(port), or “off”")
        }
        return [address]
    }
}

// MARK: - The world outside

/// Who is asked for names that are not the cluster's.
struct DNSOutside: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who is asked for other names, such as 192.0.2.53 or [2001:db8::53]:5353. May be repeated.", valueName: "server"))
    var upstream: [String] = []

    @Option(
        help: ArgumentHelp(
            "Without --upstream: the file that names servers, followed; “off” for none. [default: /etc/resolv.conf]",
            valueName: "file"))
    var resolver: String?

    func validate() throws {
        for text in upstream where Upstream(text) == nil {
            throw ValidationError("--upstream \(text): an address, and perhaps a port, such as 192.0.2.53 or [2001:db8::53]:5353")
        }
    }

    /// What is asked for here counts more than a file.
    func apply(to configuration: inout NameServerConfiguration) {
        if !upstream.isEmpty {
            configuration.forward.upstreams = .these(upstream.compactMap { Upstream($0) })
        } else if let resolver {
            configuration.forward.upstreams = resolver == "off" ? .these([]) : .file(resolver)
        }
    }
}
