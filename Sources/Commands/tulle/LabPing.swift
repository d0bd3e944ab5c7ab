import ArgumentParser
import KubeAPI
import Lab

struct LabPing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Let every pod and every node ask every pod by ICMP, over each family.",
        usage: """
            tulle lab ping [--name <name>] [--directory <path>]
                           [--count <count>] [--output <output>]
            """,
        discussion: """
            Prints a matrix of median round trips in microseconds: a line for each asker and a column for each pod, its families \
            one after the other; ✗ for an address that did not answer every time. In a narrow terminal each family has a matrix of \
            its own. Above 16 pods each asker has a line of figures in place of its columns.

            Examples:
              tulle lab ping
              tulle lab ping --count 1 -o json

            Ends with 1 when an answer is missing or a pod does not run yet.

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Option(help: "How often each address is asked, 1 to 20.")
    var count = 3

    @Option(name: .shortAndLong, help: "How it is said.")
    var output = OutputForm.text

    func validate() throws {
        guard (1...20).contains(count) else { throw ValidationError("--count \(count): from 1 to 20") }
    }

    func run() async throws {
        try await LabExit.running("ping") {
            let answer = try LabControl(place.lab).ask(["do": "ping", "count": .number(JSONNumber(Int64(count)))])
            let matrix = PingMatrix(answer)
            FileHandles.say(output == .json ? answer.description : matrix.text(width: FileHandles.width))
            if !matrix.isWhole { throw ExitCode(1) }
        }
    }
}

/// Who reached whom, as the supervisor tells it.
struct PingMatrix {
    private struct Place {
        var name: String
        var node: String
        var isNode: Bool
        var addresses: [String]
        var trips: [String: (sent: Int64, received: Int64, median: Int64)] = [:]
    }

    private let pods: [Place]
    private let sources: [Place]
    private let waiting: [String]
    /// With more pods there is no room for a column each.
    private static let mostColumns = 16

    init(_ answer: JSONValue) {
        func place(_ tree: JSONValue) -> Place {
            var place = Place(
                name: tree["name"]?.string ?? "", node: tree["node"]?.string ?? "", isNode: tree["kind"] == "node",
                addresses: (tree["addresses"]?.array ?? []).compactMap(\.string))
            for trip in tree["answers"]?.array ?? [] {
                func number(_ field: String) -> Int64 { trip[field]?.number?.integer ?? 0 }
                place.trips[trip["address"]?.string ?? ""] = (number("sent"), number("received"), number("median_us"))
            }
            return place
        }
        pods = (answer["pods"]?.array ?? []).map(place)
        sources = (answer["sources"]?.array ?? []).map(place)
        waiting = (answer["waiting"]?.array ?? []).compactMap(\.string)
    }

    /// Whether every question was answered, and there were pods to ask.
    var isWhole: Bool { missing.isEmpty && waiting.isEmpty && !pods.isEmpty }

    /// `web-0 (node-1) → db-0 10.244.2.3`.
    private var missing: [String] {
        sources.flatMap { source in
            pods.filter { $0.name != source.name || source.isNode }.flatMap { pod in
                pod.addresses.filter { address in
                    guard let trip = source.trips[address] else { return true }
                    return trip.received < trip.sent || trip.sent == 0
                }.map { "\(source.name) (\(source.node)) → \(pod.name) \($0)" }
            }
        }
    }

    /// - Parameter width: of the terminal; `nil` for any.
    func text(width: Int?) -> String {
        guard !pods.isEmpty else {
            return waiting.isEmpty
                ? "There are no pods yet: kubectl apply -f examples/hello.yaml"
                : "No pod runs yet; waiting: \(waiting.joined(separator: ", "))"
        }
        var lines = table(width: width ?? .max)
        let asked = sources.reduce(0) { $0 + $1.trips.count }
        let missing = missing
        lines.append("")
        lines.append(
            missing.isEmpty
                ? "All \(asked) ways are open: \(pods.count) pods on \(Set(pods.map(\.node)).count) nodes, "
                    + "each over \(pods.map(\.addresses.count).max() == 2 ? "IPv4 and IPv6" : "one family")."
                : "\(missing.count) of \(asked) ways are closed:")
        lines += missing.prefix(20).map { "  \($0)" }
        if missing.count > 20 { lines.append("  … and \(missing.count - 20) more") }
        if !waiting.isEmpty { lines.append("Not running yet: \(waiting.joined(separator: ", "))") }
        return lines.joined(separator: "\n")
    }

    /// The fullest form that has room.
    private func table(width: Int) -> [String] {
        guard pods.count <= Self.mostColumns else { return summary }
        let legend = LabStatus.table(
            pods.enumerated().map { number, pod in ["\(number + 1)", pod.name, pod.node, pod.addresses.joined(separator: "  ")] })
        let whole = matrix("µs", of: nil)
        let parts = [(4, "IPv4 µs"), (6, "IPv6 µs")].flatMap { version, title in matrix(title, of: version) + [""] }.dropLast()
        guard let fitting = [whole, Array(parts)].first(where: { $0.allSatisfy { $0.count <= width } }) else { return summary }
        return legend + [""] + fitting
    }

    /// - Parameter version: of IP; `nil` for both, one after the other. None when no pod has an address of it.
    private func matrix(_ title: String, of version: Int?) -> [String] {
        func addresses(_ pod: Place) -> [String] {
            pod.addresses.filter { version == nil || $0.contains(":") == (version == 6) }
        }
        guard pods.contains(where: { !addresses($0).isEmpty }) else { return [] }
        var rows = [[title] + (version == nil ? ["from"] : []) + pods.indices.map { "\($0 + 1)" }]
        for (number, source) in sources.enumerated() {
            // Narrow ones leave the names to the legend.
            let label =
                version == nil
                ? [source.isNode ? "" : "\(number + 1)", source.name] : [source.isNode ? source.name : "\(number + 1)"]
            rows.append(
                label
                    + pods.map { pod in
                        pod.name == source.name && !source.isNode
                            ? "·" : addresses(pod).map { Self.cell(source.trips[$0]) }.joined(separator: " ")
                    })
        }
        return LabStatus.table(rows)
    }

    private static func cell(_ trip: (sent: Int64, received: Int64, median: Int64)?) -> String {
        guard let trip, trip.sent > 0, trip.received == trip.sent else { return "✗" }
        return "\(trip.median)"
    }

    private var summary: [String] {
        var rows = [["FROM", "NODE", "ASKED", "ANSWERED", "MEDIAN µs", "LONGEST µs"]]
        for source in sources {
            let medians = source.trips.values.filter { $0.received > 0 }.map(\.median)
            rows.append([
                source.name, source.node, "\(source.trips.count)",
                "\(source.trips.values.count { $0.received == $0.sent && $0.sent > 0 })",
                medians.isEmpty ? "–" : "\(medians.sorted()[medians.count / 2])",
                medians.max().map { "\($0)" } ?? "–",
            ])
        }
        return LabStatus.table(rows)
    }
}
