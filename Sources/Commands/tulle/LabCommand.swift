import ArgumentParser
import Glibc
import Lab

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "A cluster on this machine: nodes are network namespaces, the host stays untouched.",
        subcommands: [
            LabUp.self, LabStatus.self, LabDown.self, LabExec.self, LabLogs.self, LabNodeCommand.self, LabPing.self,
            LabKubeconfig.self, LabTest.self, WalkCommand.self, LabSupervise.self, LabServe.self,
        ])
}

struct WalkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walk",
        abstract: "Send packets from pod to pod across two nodes, and show every hop.",
        discussion: """
            Makes the nodes of a file, starts an agent on each, attaches the pods, lets one ask the other over TCP and UDP and both
            families, prints where the kernel saw each packet, and takes everything down.

            Examples:
              tulle lab walk examples/two-pods.yaml

            Exit codes: 0 the packets arrived, 1 they did not, 64 wrong usage, 77 not root.
            """)

    @Argument(help: "A file with two nodes and, on different nodes, a pod that serves and one that asks.")
    var objects: String

    @Option(help: "Where state and logs are kept meanwhile; must not exist. [default: /run/tulle-walk-<pid>]")
    var directory: String?

    func run() async throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle lab") }
        do {
            let walk = try Walk(
                objects: objects, programs: Self.programs, directory: directory ?? "/run/tulle-walk-\(getpid())",
                say: { line in
                    print(line)
                    fflush(nil)
                })
            try walk.run()
        } catch {
            FileHandles.complain("tulle lab walk: \(error)")
            throw ExitCode(1)
        }
    }

    /// Where this program lies: the others lie beside it.
    private static var programs: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "." }
        let path = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }
}
