import Glibc
import Netlink

/// Namespaces without a name: a process holds them, and they go with it. The process goes with the lab, however the lab ends, so
/// nothing is left on the host: no mount, no file, no interface.
final class Holder: Sendable {
    let name: String
    let namespace: NetworkNamespace
    private let process: ChildProcess
    private let tools: Tools
    private let kinds: String
    /// The process that is in the namespaces.
    let identifier: Int32

    /// - Parameter kinds: which namespaces are new, as `tulle-pod pause --new` names them.
    init(_ name: String, kinds: String, tools: Tools) throws {
        process = try ChildProcess(name, [tools.pod, "pause", "--new", kinds, "--hostname", HostName.cut(name)])
        guard let line = try process.line(within: .seconds(5)), let identifier = Int32(line) else {
            throw LabError(.processFailed, "\(name): tulle-pod pause gave no process")
        }
        self.name = name
        self.identifier = identifier
        self.tools = tools
        self.kinds = kinds
        namespace = try NetworkNamespace(path: "/proc/\(identifier)/ns/net")
    }

    /// Where a runtime would say the network namespace is.
    var path: String { "/proc/\(identifier)/ns/net" }

    /// Starts a program inside.
    func start(
        _ name: String, _ command: [String], environment: [String: String] = [:], log: String? = nil
    ) throws(LabError) -> ChildProcess {
        try ChildProcess(
            name, [tools.pod, "run", "--join", "\(identifier)", "--namespaces", kinds, "--"] + command,
            environment: environment, log: log)
    }

    func end() { process.stop() }

    /// Asks it to end without waiting; everything in its PID namespace ends with it. From any thread.
    func interrupt() { process.signal(SIGTERM) }
}
