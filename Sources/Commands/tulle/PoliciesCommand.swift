import Agent
import ArgumentParser
import Glibc
import KubeAPI

struct PoliciesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies",
        abstract: "Show what the rules of policies on this node have counted.",
        usage: "tulle policies [--namespace <namespace>] [--nonzero] [--output <output>] [--state <state>]",
        discussion: """
            Reads the kernel's counters in the network namespace it is started in. No agent is asked, and none need run. Counted are \
            first packets of connections; what is only tried out begins with “shadow-”. Policies of the cluster stand in the order \
            in which they are asked, around the network policies. Where this node's agent does not enforce policies, that is said first, as \
            far as its status tells what it does.

            Examples:
              tulle policies
              tulle policies --namespace shop --nonzero
              tulle policies --output json
              kubectl -n kube-system exec ds/tulle -- tulle policies

            Exit codes: 0 shown, 1 the kernel refused, 64 the command line is wrong, 77 not root.
            """)

    @Option(name: .shortAndLong, help: "Only rules of this namespace's policies.")
    var namespace: String?

    @Flag(help: "Only what has counted something.")
    var nonzero = false

    @Option(name: .shortAndLong, help: "How it is said.")
    var output = OutputForm.text

    @Option(
        name: .customLong("state"),
        help: ArgumentHelp(
            "Where this node's agent keeps its state. [default: where TULLE_AGENT_SOCKET is, or /run/tulle]", valueName: "state"))
    var stateDirectory: String?

    private var usualState: String {
        guard let socket = environmentVariable("TULLE_AGENT_SOCKET"), let slash = socket.lastIndex(of: "/") else {
            return "/run/tulle"
        }
        return String(socket[..<slash])
    }

    func run() throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle policies", "it reads the kernel's rules") }
        do {
            var listing = try PolicyListing().filtered(namespace: namespace, isNonzero: nonzero)
            listing.agentParts = StatusFile.parts(in: stateDirectory ?? usualState)
            FileHandles.say(output == .json ? listing.tree.description : listing.description)
        } catch {
            FileHandles.complain("tulle policies: \(error)")
            throw ExitCode(1)
        }
    }
}
