import ArgumentParser
import Glibc
import Lab
import Logging
import ServiceLifecycle
import UnixSignals

/// What `tulle lab up` starts and people do not: the supervisor.
struct LabSupervise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "supervise", abstract: "Hold a lab; started by “tulle lab up”.", shouldDisplay: false)

    @Option var directory: String
    @Option var logLevel: Logger.Level = .info

    func run() async throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle lab") }
        signal(SIGPIPE, SIG_IGN)
        var logger = Logger(label: "tulle.lab", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel
        do {
            let supervisor = try Supervisor(
                LabDirectory(directory), programs: Programs.directory,
                restarts: getenv("TULLE_RESTARTS").flatMap { Int(String(cString: $0)) } ?? 0, surroundings: .real, logger: logger
            ) { announcement in
                FileHandles.say(announcement.line)
                if announcement == .ready { FileHandles.endOutput() }
            }
            try await supervisor.run()
        } catch {
            logger.error("the lab ends", metadata: ["error": "\(error)"])
            FileHandles.say(Supervisor.Announcement.failed("\(error)", code: (error as? LabError)?.code ?? .processFailed).line)
            // 75: its process 1 starts it again.
            throw ExitCode((error as? LabError)?.code == .startAgain ? 75 : 1)
        }
    }
}

extension FileHandles {
    /// Whoever waits for our words has heard them all.
    static func endOutput() {
        let nothing = open("/dev/null", O_WRONLY | O_CLOEXEC)
        dup2(nothing, STDOUT_FILENO)
        close(nothing)
    }
}

/// What the supervisor starts: the API server.
struct LabServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a lab's API; started by its supervisor.", shouldDisplay: false)

    @Option var directory: String
    @Option(help: "How many listening sockets were inherited, from descriptor 3 on.")
    var sockets: Int
    @Option var logLevel: Logger.Level = .info

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        var logger = Logger(label: "tulle.api", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel
        do {
            let server = try LabServer(
                LabDirectory(directory), sockets: (0..<sockets).map { Int32(3 + $0) }, surroundings: .real, logger: logger)
            let services = ServiceGroup(
                configuration: .init(services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await services.run()
        } catch {
            logger.error("the API server ends", metadata: ["error": "\(error)"])
            // Its supervisor knows that it would end so again.
            throw ExitCode((error as? LabError)?.code == .stateUnusable ? LabServer.unusable : 1)
        }
    }
}
