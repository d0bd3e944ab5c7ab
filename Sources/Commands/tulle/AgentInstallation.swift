import Agent
import ArgumentParser

/// How a container runtime, or flannel's plugin, comes to know the agent.
struct AgentInstallationOptions: ParsableArguments {
    @Flag(help: "When it is ready, put tulle-cni and 10-tulle.conflist where a container runtime looks.")
    var installCni = false

    @Option(help: "With --install-cni: where the runtime looks for plugins.")
    var cniBinDir = "/opt/cni/bin"

    @Option(help: "With --install-cni: where the runtime looks for configurations.")
    var cniConfDir = "/etc/cni/net.d"

    @Option(help: "With --install-cni: tulle-cni as it was built. [default: beside this program]")
    var cniPlugin: String?

    @Option(
        help: ArgumentHelp(
            "Write what flannel's CNI plugin reads, usually /run/flannel/subnet.env.",
            valueName: "path"))
    var flannelEnv: String?

    func validate() throws {
        let paths = [("--cni-bin-dir", cniBinDir), ("--cni-conf-dir", cniConfDir), ("--flannel-env", flannelEnv ?? "/")]
        for (option, path) in paths where !path.hasPrefix("/") {
            throw ValidationError("\(option) “\(path)” is no absolute path")
        }
    }

    func apply(to settings: inout AgentSettings) {
        settings.flannelFile = flannelEnv
        guard installCni else { return }
        settings.installation = PluginInstallation(
            binaries: cniBinDir, configurations: cniConfDir, socket: settings.socket, queueDirectory: settings.queueDirectory)
        settings.plugin = cniPlugin ?? ownDirectory() + "/tulle-cni"
    }
}
