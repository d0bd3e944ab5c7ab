import Addressing
import Agent
public import ArgumentParser
import CLinux
import Cluster
import Glibc
import KubeAPI
import KubeClient
public import Logging
import Plan
import ServiceLifecycle
import UnixSignals

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Keep this node's network as the objects ask, and answer tulle-cni.",
        usage: """
            tulle agent --node <node> --objects <path> ... [<option> ...]
            tulle agent --clean [--state <state>] [<option> ...]
            """,
        discussion: """
            Works in the network namespace it is started in. Killed at any moment and started again it comes to the same state; \
            on a node where nothing changed it writes nothing.

            Examples:
              tulle agent --node n1 --objects cluster.yaml
              tulle agent --node n1 --objects objects/ --state /run/tulle --log-level debug
              tulle agent --kubeconfig /etc/kubernetes/tulle.conf --parts overlay
              tulle agent --node n1 --objects cluster.yaml --backend vxlan
              tulle agent --node n1 --objects cluster.yaml --non-masquerade 10.0.0.0/8
              tulle agent --clean --state /run/tulle

            With neither --objects nor --kubeconfig it follows the API server by the pod's service account (deploy/tulle.yaml).

            --clean says what it removed and what is left; its exit code is 0 when nothing is left. Forwarding stays as it is.

            Exit codes: 0 asked to stop, 1 it could not go on, 64 wrong usage, 77 not root.
            """)

    @Option(help: "The name of this node's Node object. [default: NODE_NAME, or else the host's name]")
    var node: String?

    @OptionGroup var source: AgentSourceOptions

    @Option(
        help: ArgumentHelp(
            """
            What it does: pods (their addresses and links), overlay (the roads between nodes), services (in place of kube-proxy), \
            policies (who may talk to whom). Beside these dns: names, answered on the node, with the configuration of --dns-config \
            alone.
            """, valueName: "parts"))
    var parts = "pods,overlay,services,policies"

    @Flag(
        inversion: .prefixedNo,
        help: "With the part policies: cut connections that are no longer allowed. Otherwise they end by themselves.")
    var cutConnections = true

    @Option(
        help: ArgumentHelp(
            """
            With the part policies: which new connections are written to the log: none, denied (also what a policy in shadow \
            would deny), or all that policies decide about.
            """, valueName: "which"))
    var logConnections: PolicyLog = .none

    @Option(
        name: .customLong("service-cidr"),
        help: ArgumentHelp(
            "Where the cluster's service addresses come from; what no service has of it leads nowhere. May be repeated.",
            valueName: "prefix"))
    var serviceRanges: [String] = []

    @Option(
        name: .customLong("nodeport-addresses"),
        help: ArgumentHelp(
            "At which of the node's addresses node ports answer. May be repeated. [default: all but loopback ones]",
            valueName: "prefix"))
    var nodePortAddresses: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            Where figures (/metrics) and health (/healthz, /readyz) are shown; “off” for nowhere. [default: 127.0.0.1:10249, \
            kube-proxy's, with the part services; otherwise off]
            """, valueName: "address"))
    var metricsAddress: String?

    @Option(
        name: [.customLong("health-address"), .customLong("healthz-bind-address")],
        help: ArgumentHelp(
            """
            Where load balancers ask whether this node serves services (/healthz, /livez); “off” for nowhere. [default: port \
            10256 of all addresses, as kube-proxy, with the part services; otherwise off]
            """, valueName: "address"))
    var healthAddress: String?

    @OptionGroup var names: AgentNameOptions

    @OptionGroup var network: AgentNetworkOptions

    @Option(name: .customLong("state"), help: "Where attachments are kept: a directory that a reboot empties.")
    var stateDirectory = "/run/tulle"

    @Option(help: "Where tulle-cni finds the agent. [default: <state>/cni.sock]")
    var socket: String?

    @Option(name: .customLong("queue"), help: "Where tulle-cni leaves deletions meanwhile. [default: <state>/deletions]")
    var queueDirectory: String?

    @Option(help: "Seconds between comparisons of everything although nothing happened.")
    var period: Double = 60

    @OptionGroup var installation: AgentInstallationOptions

    @Flag(help: "Take down all that Tulle made in this network namespace, and end. Not while an agent runs.")
    var clean = false

    @Flag(help: "With --clean: also links that look like pods' and of which nothing is written down in --state.")
    var cleanUnknownLinks = false

    @Option(help: "How much is said: trace, debug, info, notice, warning, error or critical.")
    var logLevel: Logger.Level = .info

    func validate() throws {
        guard (1...86_400).contains(period) else {
            throw ValidationError("--period \(period): between one second and a day (86400)")
        }
        guard clean || !cleanUnknownLinks else { throw ValidationError("--clean-unknown-links goes with --clean") }
        for (option, path) in [("--state", stateDirectory), ("--socket", socket), ("--queue", queueDirectory)] where path == "" {
            throw ValidationError("\(option) “” is no path")
        }
        if clean { return }
        guard node?.isEmpty != true else { throw ValidationError("--node needs the name of this node's Node object") }
        guard !source.objects.contains("") else { throw ValidationError("--objects “” is no path of a file or directory") }
    }

    func run() async throws {
        // Neither a node nor objects are needed, nor is a part asked for.
        if clean { return try cleanNode() }
        do {
            try await keepNode()
        } catch let code as ExitCode {
            throw code
        } catch {
            FileHandles.complain("tulle agent: \(error)")
            throw error is AgentUsage ? ExitCode(64) : ExitCode(1)
        }
    }

    private func prefixes(_ texts: [String], _ option: String) throws -> [IPPrefix] {
        let prefixes = try texts.map { text in
            guard let prefix = IPPrefix(text) else { throw AgentUsage("\(option) \(text): a prefix, such as 10.96.0.0/16") }
            return prefix
        }
        if option == "--nodeport-addresses",
            let loopback = prefixes.first(where: { $0.family == .v6 && $0.description == "::1/128" })
        {
            throw AgentUsage("\(option) \(loopback): the kernel routes nothing from ::1; 127.0.0.0/8 works")
        }
        return prefixes
    }

    /// Beside kube-proxy its own address would be taken.
    private func figuresAddress(_ duties: Set<Duty>) throws -> SocketAddress? {
        guard let metricsAddress else {
            return duties.contains(.services) ? SocketAddress(.v4(.loopback), 10249) : nil
        }
        if metricsAddress == "off" { return nil }
        guard let address = SocketAddress(text: metricsAddress), address.port != 0 else {
            throw AgentUsage(
                "--metrics-address \(metricsAddress): an address and a port, such as 127.0.0.1:10249 or [::]:10249, or “off”")
        }
        return address
    }

    private func healthAddresses(_ duties: Set<Duty>) throws -> [SocketAddress] {
        guard let healthAddress else {
            return duties.contains(.services) ? IPFamily.allCases.map { SocketAddress(.any($0), 10256) } : []
        }
        if healthAddress == "off" { return [] }
        guard let address = SocketAddress(text: healthAddress), address.port != 0 else {
            throw AgentUsage(
                "--health-address \(healthAddress): an address and a port, such as 0.0.0.0:10256 or [::]:10256, or “off”")
        }
        return [address]
    }

    /// What the options come to.
    ///
    /// - Throws: ``AgentUsage``, or what cannot be as it is asked for.
    func settings(node: String, origin: String) throws -> AgentSettings {
        let duties = try AgentParts.duties(parts)
        var settings = AgentSettings(
            node: node, duties: duties, network: try network.settings(), origin: origin,
            stateDirectory: stateDirectory, socket: socket, queueDirectory: queueDirectory, period: .seconds(period),
            serviceRanges: try prefixes(serviceRanges, "--service-cidr"),
            nodePortAddresses: try prefixes(nodePortAddresses, "--nodeport-addresses"),
            metricsAddress: try figuresAddress(duties),
            probePeriod: network.probePeriod == 0 ? nil : .seconds(network.probePeriod))
        settings.names = try names.settings()
        settings.cutsConnections = cutConnections
        settings.policyLog = logConnections
        settings.healthAddresses = try healthAddresses(duties)
        installation.apply(to: &settings)
        do {
            try settings.check()
        } catch {
            throw AgentUsage("\(error)")
        }
        return settings
    }

    private func keepNode() async throws {
        let node = try node ?? defaultNodeName(environment: environmentVariable)
        let origin = try source.origin(environment: environmentVariable)
        let settings = try settings(node: node, origin: origin.description)
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle agent", "it sets up links, routes and rules") }
        var logger = Logger(label: "tulle.agent", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel
        logger[metadataKey: "node"] = "\(node)"
        // An agent waits most of the time; a heap for each of the threads it once had would be 3 MiB.
        clinux_few_heaps(2)
        let rest = Task {
            try await Task.sleep(for: .seconds(10))
            StartupCode.giveBack()
        }
        defer { rest.cancel() }
        try await origin.follow(settings.collections, logger: logger) { [logger] source, events, conditions in
            let agent = NodeAgent(
                settings, source: source, events: events, conditions: conditions, surroundings: .real, logger: logger)
            let services = ServiceGroup(
                configuration: .init(services: [agent], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await services.run()
        }
    }
}

// Both types are others': should one of them say it itself one day, this line goes.
extension Logger.Level: @retroactive ExpressibleByArgument {}
extension PolicyLog: ExpressibleByArgument {}

extension Surroundings {
    /// The machine's clock and dice.
    static var real: Surroundings {
        Surroundings(
            now: { .nanoseconds(clinux_clock(CLOCK_BOOTTIME)) },
            random: { Double.random(in: 0..<1) },
            date: { Timestamp(microseconds: clinux_clock(CLOCK_REALTIME) / 1000) })
    }
}
