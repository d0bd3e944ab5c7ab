import ArgumentParser
import Glibc
import KubeAPI
import Lab

struct LabNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a command on a node; add nodes, remove them, give them other addresses.",
        usage: """
            tulle lab node [run] <node> -- <command> ...
            tulle lab node add [<node>]
            tulle lab node remove <node>
            tulle lab node renumber <node>
            """,
        discussion: """
            Examples:
              tulle lab node node-1 -- ip route
              tulle lab node add

            \(LabExit.codes)
            """,
        subcommands: [LabNodeRun.self, LabNodeAdd.self, LabNodeRemove.self, LabNodeRenumber.self],
        defaultSubcommand: LabNodeRun.self)
}

struct LabNodeRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command on a node: in its network, host name and processes, with this machine's files.",
        usage: """
            tulle lab node run [--name <name>] [--directory <path>]
                               <node> -- <command> ...
            """,
        discussion: """
            From a terminal the command gets one of its own. Ends as the command does. It has the node's own /etc/resolv.conf, \
            Tulle's programs first in PATH, the agent's socket in TULLE_AGENT_SOCKET, and the node's KUBECONFIG.

            Examples:
              tulle lab node node-1 -- ip route
              tulle lab node node-1 -- nft list ruleset
              tulle lab node node-1 -- tulle dns query kubernetes.default.svc.cluster.local

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Argument(help: "The node.")
    var node: String

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String] = []

    func validate() throws {
        guard command.isEmpty else { return }
        if LabNodeCommand.verbs.contains(node) {
            throw ValidationError("options come after “\(node)”: tulle lab node \(node)\(place.lab.options)")
        }
        throw ValidationError("a command comes after --, such as: tulle lab node\(place.lab.options) \(node) -- ip route")
    }

    func run() async throws {
        let status = try await LabExit.running("node") {
            var environment: [(String, JSONValue)] = []
            for name in ["PATH", "HOME", "TERM", "LANG", "USER"] {
                if let value = getenv(name) { environment.append((name, .string(String(cString: value)))) }
            }
            var question: JSONValue = [
                "do": "node", "node": .string(node), "command": .array(command.map { .string($0) }),
            ]
            for (name, value) in environment { question[at: "environment", name] = value }
            return try RemoteCommand(place.lab).run(question)
        }
        throw ExitCode(status)
    }
}

struct LabNodeAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a node to a lab that is up; returns when it is Ready.",
        discussion: """
            It gets the first addresses that are free. A lab that stopped comes up with it again.

            Examples:
              tulle lab node add
              tulle lab node add node-7

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Argument(help: "Its name: node-1 to node-\(LabSettings.mostNodes). [default: the next number]")
    var node: String?

    func run() async throws {
        try await LabExit.running("node add") {
            let answer = try LabControl(place.lab).ask(["do": "add", "node": node.map { .string($0) } ?? .null])
            FileHandles.say(LabNodeCommand.line(answer["node"]?.string ?? "", answer))
        }
    }
}

struct LabNodeRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a node from a lab that is up, with its object and its pods.",
        discussion: """
            As when a machine is switched off and sold: nothing is asked to end first. To move its pods away before, see kubectl \
            drain. A node that only loses its power for a while is one that kubectl delete node, or a scenario's “stop”, shows.

            Examples:
              tulle lab node remove node-3

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Argument(help: "The node.")
    var node: String

    func run() async throws {
        try await LabExit.running("node remove") {
            _ = try LabControl(place.lab).ask(["do": "remove", "node": .string(node)])
        }
    }
}

struct LabNodeRenumber: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renumber",
        abstract: "Give a node other addresses, on the segment that it is on.",
        discussion: """
            Its pods keep theirs. What goes to the old addresses is lost.

            Examples:
              tulle lab node renumber node-2

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Argument(help: "The node.")
    var node: String

    func run() async throws {
        try await LabExit.running("node renumber") {
            let answer = try LabControl(place.lab).ask(["do": "renumber", "node": .string(node)])
            FileHandles.say(LabNodeCommand.line(node, answer))
        }
    }
}

extension LabNodeCommand {
    /// What stands there is no node's name.
    fileprivate static let verbs = ["add", "remove", "renumber"]

    /// `node-4 172.30.0.14 fd30::e`
    fileprivate static func line(_ node: String, _ answer: JSONValue) -> String {
        ([node] + (answer["addresses"]?.array ?? []).compactMap(\.string)).joined(separator: " ")
    }
}

struct LabBackend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend",
        abstract: "Start every agent of a lab again with another backend, one after the other.",
        usage: """
            tulle lab backend [--name <name>] [--directory <path>]
                              <backend> [--vxlan-direct-routing]
            """,
        discussion: """
            Pods stay. What lies between two backends is in docs/decisions/0009-roads-between-nodes.md.

            Examples:
              tulle lab backend vxlan
              tulle lab backend vxlan --vxlan-direct-routing

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @Argument(help: "How pods of different nodes reach each other from now on.")
    var backend: LabSettings.Backend

    @Flag(help: "With vxlan: nodes that share a segment send as with host-gw.")
    var vxlanDirectRouting = false

    func run() async throws {
        try await LabExit.running("backend") {
            if var settings = try place.lab.readSettings(), !settings.moreAgentOptions.isEmpty {
                (settings.backend, settings.isDirectOnSegment) = (backend, vxlanDirectRouting)
                if let fault = LabAgentOptions.fault(of: settings) { throw LabError(.settingsRefused, fault) }
            }
            _ = try LabControl(place.lab).ask([
                "do": "backend", "backend": .string(backend.rawValue), "isDirectOnSegment": .bool(vxlanDirectRouting),
            ])
        }
    }
}
