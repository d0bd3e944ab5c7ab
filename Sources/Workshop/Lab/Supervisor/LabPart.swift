import Glibc
import KubeAPI
import Logging
import Reconcile
import Synchronization

/// A process of the lab that is started again whenever it ends.
final class LabPart: Sendable {
    let name: String
    let log: String
    /// Its process is a program that waits for another, inside of a node.
    let runsInside: Bool
    private let rotates: (limit: Int, interval: Duration)
    private let surroundings: LabSurroundings
    private let logger: Logger
    private let start: @Sendable (_ log: CInt) throws -> Child
    private let state = Mutex(Record())

    struct Record: Sendable {
        /// `nil` while it is not there.
        var process: pid_t?
        var since: Moment?
        var starts = 0
        /// How the last one ended.
        var ended: String?
        var exitCode: CInt?
    }

    /// - Parameters:
    ///   - rotates: when the log is full, in bytes, and how often that is looked at.
    ///   - start: gets where standard output and error go.
    init(
        _ name: String, log: String, rotates: (limit: Int, interval: Duration) = (PartLog.limit, .seconds(5)),
        runsInside: Bool = false, _ surroundings: LabSurroundings, logger: Logger,
        start: @escaping @Sendable (_ log: CInt) throws -> Child
    ) {
        self.runsInside = runsInside
        (self.name, self.log, self.rotates) = (name, log, rotates)
        (self.surroundings, self.logger, self.start) = (surroundings, logger, start)
    }

    var record: Record { state.withLock { $0 } }

    /// Asks it to end, and so to start again.
    func startAgain() { if let process = record.process { kill(process, SIGTERM) } }

    /// How long it has to end when it is asked to: an agent answers who waits for a name.
    private static let grace = Duration.seconds(10)

    /// Keeps it running until the task is cancelled; then it is asked to end, and after a while it has no choice.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [log, rotates, clock = surroundings.clock] in
                await PartLog.keepSmall(log, limit: rotates.limit, every: rotates.interval, clock)
            }
            await keepRunning()
            group.cancelAll()
        }
    }

    private func keepRunning() async {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(10))
        while !Task.isCancelled {
            let since = surroundings.now()
            let end = await runOnce(since)
            if Task.isCancelled { return }
            logger.warning("a part ended and is started again", metadata: ["part": "\(name)", "end": "\(end)"])
            if surroundings.now() - since > .seconds(10) { backoff.reset() }
            try? await surroundings.clock.sleep(for: backoff.next(random: surroundings.fraction()))
        }
    }

    private func runOnce(_ since: Moment) async -> String {
        let file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { if file >= 0 { close(file) } }
        let child: Child
        do {
            child = try start(file)
        } catch {
            state.withLock {
                $0.starts += 1
                $0.ended = "\(error)"
            }
            return "\(error)"
        }
        state.withLock {
            $0 = Record(process: child.identifier, since: since, starts: $0.starts + 1, ended: $0.ended, exitCode: $0.exitCode)
        }
        let status = await withTaskCancellationHandler {
            await child.ended()
        } onCancel: {
            child.signal(SIGTERM)
            Task { [clock = surroundings.clock] in
                try? await clock.sleep(for: Self.grace)
                child.signal(SIGKILL)
            }
        }
        state.withLock { $0.exitCode = status }
        let words = status > 128 ? "signal \(status - 128)" : "exit code \(status)"
        state.withLock { ($0.process, $0.ended) = (nil, words) }
        return words
    }
}

extension LabPart {
    func json(at now: Moment) -> JSONValue {
        let record = record
        return [
            "name": .string(name), "process": record.process.map { JSONValue(Int($0)) } ?? .null,
            "seconds": record.since.map { JSONValue(Int((now - $0).components.seconds)) } ?? .null,
            "restarts": JSONValue(max(0, record.starts - 1)), "lastEnd": record.ended.map { .string($0) } ?? .null,
            "log": .string(log),
        ]
    }
}
