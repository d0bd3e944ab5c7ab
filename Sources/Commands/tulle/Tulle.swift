import ArgumentParser
import Glibc

/// The command line: settings, the real clock and the real dice, exit codes. Everything else is in the rooms.
@main
struct Tulle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tulle",
        abstract: "The whole network of a Kubernetes cluster, in one program.",
        discussion: """
            Examples:
              tulle lab up                              a cluster on this machine, for kubectl
              tulle lab walk examples/two-pods.yaml     one packet, hop by hop
              tulle agent --node n1 --objects objects/  keep this node as asked
              tulle dns                                 serve the cluster's names

            Shell completion: tulle --generate-completion-script bash
            """,
        version: "0.1.0",
        subcommands: [AgentCommand.self, CNICommand.self, DNSCommand.self, LabCommand.self, PoliciesCommand.self])

    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        if let fault = CommandWords.fault(in: words, of: Tulle.self) {
            FileHandles.complain(fault)
            Glibc.exit(64)
        }
        await main(words)
    }
}
