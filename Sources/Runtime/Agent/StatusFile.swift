import Addressing
import Cluster
import Logging

/// The file that says how the node is: one line per fact, for people and scripts; whole or not at all.
///
/// While rounds of some keys follow each other closely, the counts are some moments behind.
struct StatusFile {
    private let path: String
    private let now: @Sendable () -> Duration
    private let logger: Logger
    private var written: String?
    private var news: News?
    private var lastWriting: Duration?
    /// When to write what could not be written so soon after the last time.
    private(set) var waking: Duration?

    private static let distance = Duration.milliseconds(500)

    /// What is written at once.
    private struct News: Hashable {
        var wholeRounds: Int
        var problems: [Problem]
        var names: [IPAddress]
        var waiting: String?
    }

    init(_ path: String, now: @escaping @Sendable () -> Duration, _ logger: Logger) {
        (self.path, self.now, self.logger) = (path, now, logger)
    }

    /// - Parameters:
    ///   - waiting: for what, before anything is known.
    ///   - isLast: there will be no later one.
    mutating func write(_ report: Reconciler.Report, waiting: String? = nil, isLast: Bool = false) {
        let now = now()
        waking = nil
        let news = News(wholeRounds: report.wholeRounds, problems: report.problems, names: report.names, waiting: waiting)
        if let lastWriting, !isLast, news == self.news, now < lastWriting + Self.distance {
            waking = lastWriting + Self.distance
            return
        }
        var lines = ["rounds \(report.rounds)", "whole-rounds \(report.wholeRounds)", "changes \(report.changes)"]
        if let waiting { lines.append("waiting for \(waiting)") }
        if !report.names.isEmpty { lines.append("names \(report.names.map(\.description).joined(separator: " "))") }
        lines += report.problems.map { "problem \($0)" }
        let text = lines.joined(separator: "\n") + "\n"
        guard text != written else { return }
        do {
            try Disk.write(Array(text.utf8), to: path)
            (written, self.news, lastWriting) = (text, news, now)
        } catch {
            logger.error("the status cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
