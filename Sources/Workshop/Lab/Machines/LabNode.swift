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
        guard mkdir(directory, 0o700) == 0 else { throw LabError(.processFailed, "make \(directory): errno \(errno)") }
        holder = try Holder(name, kinds: "net,uts,pid", tools: tools)
    }

    /// Where the agent keeps its state.
    var stateDirectory: String { directory + "/state" }
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
            "agentSocket": .string(stateDirectory + "/cni.sock"),
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

    /// Waits until the agent says that it can serve.
    func awaitReady(_ agent: ChildProcess) throws {
        for _ in 0..<400 {
            if try call(.status).status == 0 { return }
            poll(nil, 0, 10)
        }
        throw LabError(.processFailed, "\(agent.name) was not ready within seconds", remedy: "its log is \(log)")
    }
}
