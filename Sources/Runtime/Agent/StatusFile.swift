import Logging

/// The file that says how the node is: one line per fact, for people and scripts; whole or not at all.
struct StatusFile {
    private let path: String
    private let logger: Logger
    private var written: String?

    init(_ path: String, _ logger: Logger) {
        self.path = path
        self.logger = logger
    }

    /// - Parameter waiting: for what, before anything is known.
    mutating func write(_ report: Reconciler.Report, waiting: String? = nil) {
        var lines = ["rounds \(report.rounds)", "whole-rounds \(report.wholeRounds)", "changes \(report.changes)"]
        if let waiting { lines.append("waiting for \(waiting)") }
        lines += report.problems.map { "problem \($0)" }
        let text = lines.joined(separator: "\n") + "\n"
        guard text != written else { return }
        do {
            try Disk.write(Array(text.utf8), to: path)
            written = text
        } catch {
            logger.error("the status cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
