import KubeAPI
import Synchronization

/// Steady streams of questions from one place to another, which tell whether one was lost.
final class LabStreams: Sendable {
    private let all = Mutex<[Stream]>([])

    struct Stream: Sendable {
        /// From where to where, and by what.
        var way: String
        var child: Child
        /// Where its program writes its figures.
        var figures: MemoryFile
    }

    func add(_ stream: Stream) { all.withLock { $0.append(stream) } }

    var json: JSONValue {
        ["streams": .array(all.withLock { $0 }.map(Self.json))]
    }

    private static func json(_ stream: Stream) -> JSONValue {
        var answer: JSONValue = ["way": .string(stream.way)]
        // “asked=12 answered=12 lost=0”, and what became of the first that was lost.
        let lines = stream.figures.text.split(separator: "\n", maxSplits: 1).map(String.init)
        for word in (lines.first ?? "").split(separator: " ") {
            let parts = word.split(separator: "=").map(String.init)
            if parts.count == 2, let number = Int(parts[1]) { answer[at: parts[0]] = JSONValue(number) }
        }
        if lines.count > 1 { answer[at: "first"] = .string(lines[1].filter { $0 != "\n" }) }
        return answer
    }
}

extension LabCluster {
    /// Begins a stream of questions to each of the addresses; it ends with the lab.
    func stream(_ tree: JSONValue) async throws -> JSONValue {
        let process = try await holder(tree["from"] ?? .null)
        let (pod, port, transport) = (supervisor.tools.pod, "\(tree["port"]?.integer ?? 0)", tree["by"]?.string ?? "tcp")
        for address in (tree["addresses"]?.array ?? []).compactMap(\.string) {
            let figures = MemoryFile()
            let child = try Child(
                [
                    pod, "run", "--join", "\(process)", "--namespaces", "net", "--", pod, "stream", "--\(transport)", address,
                    port,
                ], streams: Child.Streams(output: figures.descriptor, error: figures.descriptor))
            streams.add(LabStreams.Stream(way: "\(tree["way"]?.string ?? "") (\(address))", child: child, figures: figures))
        }
        return [:]
    }
}
