import Addressing
import Cluster
import Logging

/// The file that says how the node is: one line per fact, for people and scripts; whole or not at all.
///
/// While rounds of some keys follow each other closely, the counts are some moments behind.
public struct StatusFile {
    private let path: String
    /// What the agent does: `pods,overlay`.
    private let parts: String
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

    init(_ path: String, parts: String, now: @escaping @Sendable () -> Duration, _ logger: Logger) {
        (self.path, self.parts, self.now, self.logger) = (path, parts, now, logger)
    }

    /// What an agent that keeps its state in a directory does, as it says; `nil`: none has said it there.
    public static func parts(in stateDirectory: String) -> String? {
        guard let bytes = try? Disk.read(stateDirectory + "/status") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("parts ") }.map {
            String($0.dropFirst(6))
        }
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
        var lines = [
            "parts \(parts)", "rounds \(report.rounds)", "whole-rounds \(report.wholeRounds)", "changes \(report.changes)",
        ]
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
