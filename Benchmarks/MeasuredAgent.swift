import Glibc
import Netlink

/// An agent that a server on the loopback of its namespace feeds, looked at from outside.
struct MeasuredAgent {
    let process: pid_t

    /// - Parameter parts: its duties, as `--parts` takes them.
    init(parts: String, directory: String, in socket: IsolatedSocket) throws {
        let kubeconfig = "\(directory)/kubeconfig"
        socket.writeKubeconfig(to: kubeconfig)
        process = try Call(
            [
                try RoadAgent.program(), "agent", "--node", "n1", "--kubeconfig", kubeconfig, "--parts", parts, "--state",
                "\(directory)/state",
            ], log: "\(directory)/log"
        ).spawn(in: socket.namespace).process
    }

    func end() {
        kill(process, SIGTERM)
        waitpid(process, nil, 0)
    }

    /// What it has used so far.
    var cpu: Duration {
        var clock = clockid_t()
        guard clock_getcpuclockid(process, &clock) == 0 else { return .zero }
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// `12 MiB, at most 34 MiB`.
    var memory: String {
        let text = (try? Call(["/bin/cat", "/proc/\(process)/status"]).run().output) ?? ""
        func megabytes(_ name: Substring) -> Int {
            for line in text.split(separator: "\n") where line.hasPrefix(name) {
                return (line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) / 1024
            }
            return 0
        }
        return "\(megabytes("VmRSS:")) MiB, at most \(megabytes("VmHWM:")) MiB"
    }
}

extension IsolatedSocket {
    /// The way to the server that listens there, for an agent in the same namespace.
    func writeKubeconfig(to path: String) {
        let text = """
            apiVersion: v1
            kind: Config
            current-context: c
            clusters: [{name: c, cluster: {server: "http://127.0.0.1:\(port)"}}]
            users: [{name: c, user: {}}]
            contexts: [{name: c, context: {cluster: c, user: c}}]

            """
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        _ = write(file, text, text.utf8.count)
        close(file)
    }
}
