import ArgumentParser
import Glibc
import KubeClient
import Lab
import Logging
import UnixSignals

struct LabTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Play scenarios: what is done to a cluster, and what must be so then.",
        usage: """
            tulle lab test [--keep] [--only <options>] [--kubectl <program>]
                           <file> ...
            """,
        discussion: """
            Each scenario is a text file and gets a lab of its own, which is taken down after it. The form of the files is in \
            docs/scenarios.md.

            Examples:
              tulle lab test Scenarios/pods-talk.txt
              tulle lab test Scenarios/*.txt
              tulle lab test --only '--backend none' Scenarios/every-backend.txt
              tulle lab test --keep Scenarios/no-leak.txt     leaves the lab of one that fails

            Exit codes: 0 all came true, 1 one did not, 64 wrong usage or a file that is no scenario, 77 not root, 130 interrupted.
            """)

    @Argument(help: ArgumentHelp("Files of scenarios.", valueName: "file"))
    var files: [String]

    @Flag(help: "Leave the lab of a scenario that fails, to look at it.")
    var keep = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Of the labs that “each” asks for, only those with these options.", valueName: "options"))
    var only: String?

    @Option(help: ArgumentHelp("The kubectl that scenarios run.", valueName: "program"))
    var kubectl = "kubectl"

    func run() async throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle lab") }
        signal(SIGPIPE, SIG_IGN)
        // All are read before the first is played: a fault in the last is no reason to wait for the others.
        let plays = try self.plays()
        let failed = try await untilInterrupted { try await playAll(plays) }
        guard failed.isEmpty else {
            FileHandles.complain(
                "tulle lab test: \(failed.count) of \(plays.count) did not come true:\n"
                    + failed.map { "  \($0)" }.joined(separator: "\n"))
            throw ExitCode(1)
        }
        if plays.count > 1 { FileHandles.say("all \(plays.count) scenarios came true") }
    }

    private func plays() throws -> [Play] {
        let words = only?.split(separator: " ").map(String.init) ?? []
        let scenarios = try files.flatMap(Play.scenarios).filter { words.isEmpty || $0.isPlayed(with: words) }
        guard !scenarios.isEmpty else {
            FileHandles.complain("tulle lab test: no scenario is played with “\(only ?? "")”")
            throw ExitCode(64)
        }
        return try scenarios.enumerated().map { try Play($1, number: $0) }
    }

    /// A scenario and the lab that it asks for.
    private struct Play {
        let scenario: Scenario
        let settings: LabSettings
        let lab: LabDirectory

        /// As a person finds it again.
        var name: String { ([scenario.path] + scenario.variation).joined(separator: " ") }

        static func scenarios(in path: String) throws -> [Scenario] {
            do {
                return try Scenario(text: try text(of: path), path: path).variants
            } catch {
                FileHandles.complain("tulle lab test: \(error)")
                throw ExitCode(64)
            }
        }

        init(_ scenario: Scenario, number: Int) throws {
            do {
                let name = "test-\(getpid())-\(number + 1)"
                // Names cost a second of every lab: those that ask for them say so.
                let names = scenario.options.contains("--dns") ? [] : ["--dns", "0"]
                let words = ["--name", name, "--nodes", "\(scenario.nodes)"] + names + scenario.options
                self.scenario = scenario
                (settings, lab) = (try LabUp.parse(words).settings(), LabDirectory(name: name))
            } catch {
                FileHandles.complain("tulle lab test: \(scenario.path): \(LabUp.message(for: error))")
                throw ExitCode(64)
            }
        }

        private static func text(of path: String) throws -> String {
            guard let file = fopen(path, "r") else {
                throw LabError(.objectsUnusable, "\(path): \(String(cString: strerror(errno)))")
            }
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw LabError(.objectsUnusable, "\(path) is not UTF-8")
            }
            return text
        }
    }

    /// - Returns: the files of those that did not come true.
    private func playAll(_ plays: [Play]) async throws -> [String] {
        var failed: [String] = []
        var path: String?
        for play in plays {
            if play.scenario.path != path { FileHandles.say("\(play.scenario.path): \(play.scenario.title)") }
            path = play.scenario.path
            do {
                try await self.play(play)
            } catch is CancellationError {
                try play.lab.takeDown()
                throw CancellationError()
            } catch {
                failed.append(play.name)
                FileHandles.complain("\(error)")
                for log in [play.lab.supervisorLog, play.lab.serverLog] {
                    for line in play.lab.lastLines(of: log, count: 6) { FileHandles.complain("  │ \(line)") }
                }
                if keep {
                    FileHandles.complain("the lab is left up: tulle lab status --name \(play.settings.name)")
                    continue
                }
            }
            try play.lab.takeDown()
        }
        return failed
    }

    private func play(_ play: Play) async throws {
        _ = try await LabLauncher(play.lab, programs: Programs.directory).bringUp(play.settings, asKept: false) { _, _ in }
        var logger = Logger(label: "tulle.lab", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .error
        let transport = try Kubeconfig.load([play.lab.kubeconfig]).access().transport(clock: ContinuousClock())
        let client = APIClient(
            transport: transport, fieldManager: "tulle-lab-test", clock: ContinuousClock(), random: { .random(in: 0..<1) },
            logger: logger)
        let account = Account(of: play.scenario, began: ContinuousClock.now)
        var run = ScenarioRun(
            play.scenario, on: LabStage(play.lab, client: client, kubectl: kubectl), clock: ContinuousClock(),
            say: { account.take($0) })
        let outcome: Result<Void, any Error>
        do {
            try await run.play()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await account.end(isTrue: (try? outcome.get()) != nil)
        try? await transport.shutdown()
        try outcome.get()
    }

    /// Cancels the work when somebody interrupts, and waits until it has cleaned up.
    private func untilInterrupted<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            group.addTask { try await body() }
            group.addTask {
                for await _ in signals { return nil }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else {
                FileHandles.complain("tulle lab test: interrupted; taking down")
                group.cancelAll()
                while (try? await group.next()) != nil {}
                throw ExitCode(130)
            }
            return value
        }
    }
}

/// What is told of a scenario that is played: every step at once; of one of many labs a line, or all of it when it fails.
private struct Account {
    private let variation: String
    private let began: ContinuousClock.Instant
    private let steps: AsyncStream<String>
    private let feed: AsyncStream<String>.Continuation

    init(of scenario: Scenario, began: ContinuousClock.Instant) {
        (variation, self.began) = (scenario.variation.joined(separator: " "), began)
        (steps, feed) = AsyncStream.makeStream()
    }

    func take(_ step: String) {
        if variation.isEmpty { FileHandles.say("  \(step)") } else { feed.yield(step) }
    }

    func end(isTrue: Bool) async {
        guard !variation.isEmpty else { return }
        feed.finish()
        var count = 0
        for await step in steps {
            count += 1
            if !isTrue { FileHandles.say("    \(step)") }
        }
        let time = LabUp.seconds(ContinuousClock.now - began).drop { $0 == " " }
        FileHandles.say("  \(isTrue ? "✔" : "✘") \(variation) (\(count) steps, \(time))")
    }
}
