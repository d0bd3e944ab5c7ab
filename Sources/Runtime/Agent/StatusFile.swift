import Logging

/// The file that says how the node is: one line per fact, for people and scripts; whole or not at all.
///
/// While rounds follow each other closely it is some moments behind.
struct StatusFile {
    private let path: String
    private let now: @Sendable () -> Duration
    private let logger: Logger
    private var written: String?
    private var lastWriting: Duration?
    /// When to write what could not be written so soon after the last time.
    private(set) var waking: Duration?

    private static let distance = Duration.milliseconds(100)

    init(_ path: String, now: @escaping @Sendable () -> Duration, _ logger: Logger) {
        (self.path, self.now, self.logger) = (path, now, logger)
    }

    /// - Parameters:
    ///   - waiting: for what, before anything is known.
    ///   - isLast: there will be no later one.
    mutating func write(_ report: Reconciler.Report, waiting: String? = nil, isLast: Bool = false) {
        let now = now()
        waking = nil
        if let lastWriting, !isLast, now < lastWriting + Self.distance {
            waking = lastWriting + Self.distance
            return
        }
        var lines = ["rounds \(report.rounds)", "whole-rounds \(report.wholeRounds)", "changes \(report.changes)"]
        if let waiting { lines.append("waiting for \(waiting)") }
        lines += report.problems.map { "problem \($0)" }
        let text = lines.joined(separator: "\n") + "\n"
        guard text != written else { return }
        do {
            try Disk.write(Array(text.utf8), to: path)
            (written, lastWriting) = (text, now)
        } catch {
            logger.error("the status cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
