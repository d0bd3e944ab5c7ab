import Agent
import ArgumentParser
import CNI
import Glibc

struct CNICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cni",
        abstract: "Put tulle-cni where a container runtime looks, or take it away.",
        subcommands: [CNIInstall.self, CNIUninstall.self])
}

struct CNIPlaces: ParsableArguments {
    @Option(help: "Where the runtime looks for plugins.")
    var binDir = "/opt/cni/bin"

    @Option(help: "Where the runtime looks for configurations.")
    var confDir = "/etc/cni/net.d"

    @Option(help: "The configuration's name: of several the runtime takes the first in order.")
    var name = "10-tulle.conflist"

    func validate() throws {
        for (option, path) in [("--bin-dir", binDir), ("--conf-dir", confDir)] where !path.hasPrefix("/") {
            throw ValidationError("\(option) “\(path)” is no absolute path")
        }
        guard !name.contains("/"), name.hasSuffix(".conflist") else {
            throw ValidationError("--name “\(name)”: a file name that ends with .conflist")
        }
    }

    var installation: PluginInstallation {
        PluginInstallation(binaries: binDir, configurations: confDir, name: name)
    }
}

struct CNIInstall: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Write the plugin, and then the configuration that names it.",
        discussion: """
            Each file appears whole or not at all; what is there already as it should be is not written again.

            Examples:
              tulle cni install
              tulle cni install --bin-dir /usr/lib/cni --socket /run/tulle/cni.sock
              tulle cni install --bin-only           where the agent writes the configuration (tulle agent --install-cni)

            Exit codes: 0 written or there, 1 it could not be written, 64 wrong usage, 69 another plugin's configuration comes \
            first.
            """)

    @OptionGroup var places: CNIPlaces

    @Option(help: "The plugin as it was built. [default: tulle-cni beside this program]")
    var plugin: String?

    @Option(help: "Where the plugin finds the agent.")
    var socket = NetworkConfiguration.defaultAgentSocket

    @Option(name: .customLong("queue"), help: "Where the plugin leaves deletions while the agent is away.")
    var queueDirectory = NetworkConfiguration.defaultQueueDirectory

    @Flag(help: "The plugin alone.")
    var binOnly = false

    @Flag(help: "Also where another plugin's configuration comes first, which the runtime takes instead.")
    var force = false

    func run() throws {
        var installation = places.installation
        (installation.socket, installation.queueDirectory) = (socket, queueDirectory)
        do {
            let rivals = binOnly ? [] : try installation.rivals()
            if !rivals.isEmpty {
                FileHandles.complain(
                    "tulle cni install: the runtime takes \(rivals[0]) in \(places.confDir) before \(places.name): move "
                        + "\(rivals.count == 1 ? "it" : "them (\(rivals.joined(separator: ", ")))") away, or choose --name"
                        + (force ? "" : "; --force installs all the same"))
                guard force else { throw ExitCode(69) }
            }
            let source = plugin ?? ownDirectory() + "/tulle-cni"
            say(installation.binaryPath, try installation.installBinary(from: source))
            if !binOnly { say(installation.configurationPath, try installation.installConfiguration()) }
        } catch let code as ExitCode {
            throw code
        } catch {
            FileHandles.complain("tulle cni install: \(error)")
            throw ExitCode(1)
        }
    }

    private func say(_ path: String, _ isNew: Bool) { print(isNew ? "wrote \(path)" : "\(path) is as it should be") }
}

struct CNIUninstall: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uninstall", abstract: "Remove the configuration and the plugin.",
        discussion: """
            A file that Tulle did not write stays, such as a configuration that somebody else chained plugins in, and is named.

            Pods that are there keep their network, and cannot be deleted by the runtime until the plugin is back: drain the node \
            first.

            Exit codes: 0 removed or not there, 1 it could not be removed, 64 wrong usage.
            """)

    @OptionGroup var places: CNIPlaces

    func run() throws {
        do {
            let (removed, left) = try places.installation.remove()
            for path in removed { print("removed \(path)") }
            for path in left { print("left \(path): Tulle did not write it; remove it if nobody needs it") }
            if removed.isEmpty, left.isEmpty { print("nothing of Tulle is in \(places.binDir) and \(places.confDir)") }
        } catch {
            FileHandles.complain("tulle cni uninstall: \(error)")
            throw ExitCode(1)
        }
    }
}

/// Where this program is.
func ownDirectory() -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
}
