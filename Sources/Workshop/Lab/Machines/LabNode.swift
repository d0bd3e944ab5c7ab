import CNI
import Glibc
import Netlink

/// A node of the lab: namespaces, and the agent as a process in them.
final class LabNode: Sendable {
    let name: String
    let holder: Holder
    let directory: String
    private let tools: Tools

    init(_ name: String, directory: String, tools: Tools) throws {
        self.name = name
        self.directory = directory
        self.tools = tools
        try NewDirectory.make(directory)
        holder = try Holder(name, kinds: "net,uts,pid", tools: tools)
    }

    /// Where the agent keeps its state.
    var stateDirectory: String { directory + "/state" }
    /// Where the agent of a node with this directory listens.
    static func socket(in directory: String) -> String { directory + "/state/cni.sock" }
    var log: String { directory + "/agent.log" }

    func startAgent(objects: String) throws -> ChildProcess {
        try holder.start(
            "the agent of \(name)",
            [tools.tulle, "agent", "--node", name, "--objects", objects, "--state", stateDirectory, "--log-level", "debug"],
            log: log)
    }

    /// What a runtime reads from its configuration directory, in the form in which it hands it on to the plugin.
    var configuration: SmallJSON {
        [
            "cniVersion": "1.1.0", "name": "tulle", "type": "tulle-cni",
            "agentSocket": .string(Self.socket(in: directory)),
            "queueDirectory": .string(stateDirectory + "/deletions"),
        ]
    }

    /// Calls the plugin as containerd does: a process, variables, the configuration on standard input.
    func call(_ verb: Verb, _ variables: [String: String] = [:]) throws -> (answer: SmallJSON?, status: CInt) {
        var environment = variables
        environment["CNI_COMMAND"] = verb.rawValue
        environment["CNI_PATH"] = "/opt/cni/bin"
        let process = try ChildProcess("tulle-cni", [tools.plugin], environment: environment, input: configuration.bytes)
        let (output, status) = try process.finish(within: .seconds(30))
        return (try? SmallJSON(reading: output.utf8), status)
    }

    /// Waits until the agent says that it can serve: at most some seconds, and not at all once it has ended or refuses for good.
    func awaitReady(_ agent: ChildProcess) throws {
        var why = ""
        for _ in 0..<400 {
            let (answer, status) = try call(.status)
            if status == 0 { return }
            if let ending = agent.ending {
                throw LabError(.processFailed, "\(agent.name) ended with \(ending)\(lastWords)", remedy: "its log is \(log)")
            }
            // Not there yet, or not ready yet: 50 and 11. Anything else stays as it is.
            let failure = answer.flatMap { Failure(json: $0) }
            if let failure, ![.unavailable, .tryAgainLater].contains(failure.code) {
                throw LabError(.processFailed, "\(agent.name): \(failure)", remedy: "its log is \(log)")
            }
            why = failure.map { ": \($0.message)" } ?? ""
            poll(nil, 0, 10)
        }
        throw LabError(.processFailed, "\(agent.name) was not ready within seconds\(why)", remedy: "its log is \(log)")
    }

    /// What the agent says is wrong, as in its status file: `error node-address-missing: Node n1: …; put …`.
    var problems: [String] {
        let lines = Files.text(of: stateDirectory + "/status")?.split(separator: "\n") ?? []
        return lines.filter { $0.hasPrefix("problem ") }.map { String($0.dropFirst(8)) }
    }

    /// The log's last line, after a colon; empty when it said nothing.
    var lastWords: String {
        Files.text(of: log)?.split(separator: "\n").last.map { ": \($0)" } ?? ""
    }
}
