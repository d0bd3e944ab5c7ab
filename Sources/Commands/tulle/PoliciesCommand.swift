import Agent
import ArgumentParser
import Glibc

struct PoliciesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies",
        abstract: "Show what the rules of policies on this node have counted.",
        usage: "tulle policies",
        discussion: """
            Reads the kernel's counters in the network namespace it is started in. No agent is asked, and none need run. Counted are \
            first packets of connections; what is only tried out begins with “shadow-”.

            Examples:
              tulle policies
              kubectl -n kube-system exec ds/tulle -- tulle policies

            Exit codes: 0 shown, 1 the kernel refused, 77 not root.
            """)

    func run() throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle policies") }
        do {
            FileHandles.say("\(try PolicyListing())")
        } catch {
            FileHandles.complain("tulle policies: \(error)")
            throw ExitCode(1)
        }
    }
}
