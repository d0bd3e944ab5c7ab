import ArgumentParser
import KubeAPI
import Lab

enum OutputForm: String, ExpressibleByArgument, CaseIterable { case text, json }

struct LabStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how a lab is: nodes, pods, problems, processes.",
        usage: """
            tulle lab status [--name <name>] [--directory <path>]
                             [--output <output>]
            """,
        discussion: """
            Examples:
              tulle lab status
              tulle lab status -o json

            Ends with 1 when a node is not Ready or the API does not answer.

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Option(name: .shortAndLong, help: "How it is said.")
    var output = OutputForm.text

    func run() async throws {
        try await LabExit.running("status") {
            let status = Self.numbered(try LabControl(place.lab).ask(["do": "status"]), place.lab.processNumbers)
            FileHandles.say(output == .json ? status.description : Self.text(status))
            let nodes = status["nodes"]?.array ?? []
            if status["fault"] != nil || nodes.contains(where: { $0["ready"] != true }) { throw ExitCode(1) }
        }
    }

    /// With the processes' numbers as they are here: the lab has others inside.
    private static func numbered(_ status: JSONValue, _ numbers: [Int: Int]) -> JSONValue {
        var status = status
        status[at: "parts"] = .array(
            (status["parts"]?.array ?? []).map { part in
                var part = part
                let inside = part["process"]?.number?.integer.map { Int($0) }
                part[at: "process"] = inside.flatMap { numbers[$0] }.map { .number(JSONNumber(Int64($0))) } ?? .null
                return part
            })
        return status
    }

    private static func text(_ status: JSONValue) -> String {
        func string(_ value: JSONValue?) -> String { value?.string ?? "" }
        func list(_ value: JSONValue?) -> String { (value?.array ?? []).compactMap(\.string).joined(separator: ", ") }
        func number(_ value: JSONValue?) -> String { value?.number.map(\.description) ?? "–" }
        var lines = [
            "lab         \(string(status["name"])), in \(string(status["directory"]))",
            "API         \(string(status["server"]))", "kubeconfig  \(string(status["kubeconfig"]))",
            "pods        \(list(status["podPrefixes"])), by \(string(status["backend"]))",
            "services    \(list(status["servicePrefixes"]))", "",
        ]
        if let fault = status["fault"]?.string { lines += [fault, ""] }
        var nodes = [["NODE", "READY", "ADDRESSES", "POD PREFIXES", "PODS", "NAMES"]]
        for node in status["nodes"]?.array ?? [] {
            nodes.append([
                string(node["name"]), node["ready"] == true ? "yes" : "no", list(node["addresses"]), list(node["podPrefixes"]),
                pods(node["pods"]), (node["names"]?.array ?? []).isEmpty ? "–" : "answered here",
            ])
        }
        if nodes.count > 1 { lines += table(nodes) + [""] }
        lines += NodeRemarks.lines(status["nodes"]?.array ?? [])
        if lines.last?.isEmpty == false { lines.append("") }
        // Those of the lab's directory are told from there on: the lines stay short.
        let directory = string(status["directory"]) + "/"
        func short(_ path: String) -> String { path.hasPrefix(directory) ? String(path.dropFirst(directory.count)) : path }
        var parts = [["PROCESS", "PID", "SINCE", "RESTARTS", "LOG"]]
        for part in status["parts"]?.array ?? [] {
            parts.append([
                string(part["name"]), number(part["process"]), part["seconds"]?.number?.integer.map(age) ?? "–",
                restarts(part), short(string(part["log"])),
            ])
        }
        return (lines + table(parts)).joined(separator: "\n")
    }

    private static func pods(_ counts: JSONValue?) -> String {
        guard let total = counts?["total"], total != 0 else { return "none" }
        let members = counts?.object?.members ?? []
        let others = members.filter { !["total", "ready", "Running"].contains($0.key) }.map { ", \($0.value) \($0.key)" }
        return "\(counts?["ready"] ?? 0)/\(total) ready" + others.joined()
    }

    /// With how the last one ended: `2 (signal 9)`.
    private static func restarts(_ part: JSONValue) -> String {
        let count = part["restarts"]?.number?.integer ?? 0
        guard let end = part["lastEnd"]?.string else { return "\(count)" }
        return "\(count) (\(end))"
    }

    private static func age(_ seconds: Int64) -> String {
        seconds < 120 ? "\(seconds) s" : seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
    }

    /// Columns as wide as they need to be.
    static func table(_ rows: [[String]]) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, text) in row.enumerated() {
                line += text + (column == row.count - 1 ? "" : String(repeating: " ", count: widths[column] - text.count + 2))
            }
            return line
        }
    }
}
