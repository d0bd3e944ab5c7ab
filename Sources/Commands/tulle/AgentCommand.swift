import Agent
public import ArgumentParser
import Glibc
import KubeClient
public import Logging
import ServiceLifecycle
import UnixSignals

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Keep this node's network as the objects ask, and answer tulle-cni.",
        discussion: """
            Works in the network namespace it is started in. Killed at any moment and started again it comes to the same state;
            on a node where nothing changed it writes nothing.

            Examples:
              tulle agent --node n1 --objects cluster.yaml
              tulle agent --node n1 --objects objects/ --state /run/tulle --log-level debug
            """)

    @Option(help: "The name of this node's Node object.")
    var node: String

    @Option(
        name: .customLong("objects"), parsing: .upToNextOption,
        help: ArgumentHelp(
            "Files or directories of Kubernetes objects (YAML or JSON), followed as they change.", valueName: "path"))
    var objects: [String]

    @Option(name: .customLong("state"), help: "Where attachments are kept: a directory that a reboot empties.")
    var stateDirectory = "/run/tulle"

    @Option(help: "Where tulle-cni finds the agent. [default: <state>/cni.sock]")
    var socket: String?

    @Option(name: .customLong("queue"), help: "Where tulle-cni leaves deletions meanwhile. [default: <state>/deletions]")
    var queueDirectory: String?

    @Option(help: "Seconds between comparisons of everything although nothing happened.")
    var period: Double = 60

    @Option(help: "How much is said: trace, debug, info, notice, warning, error or critical.")
    var logLevel: Logger.Level = .info

    func validate() throws {
        guard (1...86_400).contains(period) else {
            throw ValidationError("--period \(period): between one second and a day (86400)")
        }
        guard !node.isEmpty else { throw ValidationError("--node needs the name of this node's Node object") }
        guard !objects.isEmpty else { throw ValidationError("--objects needs at least one file or directory") }
    }

    func run() async throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle agent") }
        var logger = Logger(label: "tulle.agent", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel
        logger[metadataKey: "node"] = "\(node)"
        let settings = AgentSettings(
            node: node, stateDirectory: stateDirectory, socket: socket, queueDirectory: queueDirectory, period: .seconds(period))
        do {
            try settings.check()
        } catch {
            FileHandles.complain("tulle agent: \(error)")
            throw ExitCode(64)
        }
        let source = FileObjectSource(paths: objects, interval: .milliseconds(500), clock: ContinuousClock(), logger: logger)
        let agent = NodeAgent(settings, source: source, surroundings: .real, logger: logger)
        let services = ServiceGroup(
            configuration: .init(services: [agent], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do {
            try await services.run()
        } catch {
            FileHandles.complain("tulle agent: \(error)")
            throw ExitCode(1)
        }
    }
}

// Both types are others': should one of them say it itself one day, this line goes.
extension Logger.Level: @retroactive ExpressibleByArgument {}

extension Surroundings {
    /// The machine's clock and dice.
    static var real: Surroundings {
        Surroundings(
            now: {
                var time = timespec()
                clock_gettime(CLOCK_BOOTTIME, &time)
                return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
            },
            random: { Double.random(in: 0..<1) })
    }
}
