import Agent
import ArgumentParser
import Glibc

extension AgentCommand {
    /// `--clean`: what was removed and what is left, a line each.
    func cleanNode() throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle agent --clean", "it removes links, routes and rules") }
        let settings = AgentSettings(
            node: "", stateDirectory: stateDirectory, socket: socket, queueDirectory: queueDirectory)
        let outcome: NodeCleaner.Outcome
        do {
            outcome = try NodeCleaner(settings, takesUnknownLinks: cleanUnknownLinks).run()
        } catch {
            FileHandles.complain("tulle agent --clean: \(error)")
            throw ExitCode(1)
        }
        for line in outcome.removed { print("removed \(line)") }
        for line in outcome.left { print("left \(line)") }
        if outcome.removed.isEmpty, outcome.left.isEmpty { print("nothing of Tulle is here") }
        if !outcome.left.isEmpty { throw ExitCode(1) }
    }
}
