import Agent
import ArgumentParser
import Lab
import Plan

/// Words that a lab puts on the command lines of its agents.
enum LabAgentOptions {
    /// What the lab says itself, since it knows where things are, and has options of its own for the rest.
    private static let own = [
        "--backend", "--clean", "--clean-unknown-links", "--context", "--help", "--kubeconfig", "--node", "--objects",
        "--pod-mode",
        "--queue", "--service-cidr", "--socket", "--state", "--version", "--vxlan-direct-routing", "-h",
    ]
    /// The agents of a lab see the machine's files.
    private static let outside = ["--cni-bin-dir", "--cni-conf-dir", "--cni-plugin", "--flannel-env", "--install-cni"]

    /// Why the agents of such a lab would not start, in the agent's words where it says it; `nil`: they would.
    static func fault(of settings: LabSettings) -> String? {
        guard !settings.moreAgentOptions.isEmpty else { return nil }
        for word in settings.moreAgentOptions {
            let name = String(word.prefix { $0 != "=" })
            if own.contains(name) {
                return "--agent-option \(word): \(name) is for the lab itself to say; see tulle lab up --help"
            }
            if outside.contains(name) { return "--agent-option \(word): it would change files of this machine, outside the lab" }
        }
        do {
            let command = try AgentCommand.parse(["--node", "node-1", "--kubeconfig", "kubeconfig"] + settings.agentOptions)
            let agent = try command.settings(node: "node-1", origin: "kubeconfig")
            guard agent.duties.contains(.pods) else {
                return
                    "--agent-option --parts \(command.parts): nodes of a lab become Ready by the part pods; let it be one of them"
            }
            if let path = command.names.dnsConfig, !path.hasPrefix("/") {
                return "--agent-option --dns-config \(path): agents do not start in this directory; give the path from / on"
            }
            return nil
        } catch {
            return "--agent-option: tulle agent says: \(AgentCommand.message(for: error))"
        }
    }
}
