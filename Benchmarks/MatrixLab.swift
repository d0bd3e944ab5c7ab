import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import KubeClient
import Logging
import NFTablesKernel
import Netlink

/// A lab of its own, by the command that people give, whose pods do nothing: who asks opens sockets in their namespaces.
final class MatrixLab {
    let client: APIClient
    /// The nodes' namespaces and tables, by name.
    private(set) var nodes: [String: Node] = [:]
    private let directory: String
    private let transport: HTTPTransport

    struct Node {
        var namespace: NetworkNamespace
        var tables: KernelTables
        /// The agent's process.
        var agent: pid_t
    }

    struct Trouble: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    static let image = "matrix"
    /// For how many seconds the nodes remember a datagram, a connection that was reset and one that nobody answered.
    static let memory = 10

    init(nodes count: Int) async throws {
        var template = Array("/tmp/tulle-matrix-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelError(Errno(rawValue: errno), "make a directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let up = try Call(
            [
                try RoadAgent.program(), "lab", "up", "--brief", "--directory", directory, "--nodes", "\(count)", "--image",
                "\(Self.image)=idle", "--dns", "0",
            ], log: "\(directory).log"
        ).run()
        guard up.status == 0 else {
            throw Trouble("no lab: \((try? Call(["/bin/cat", "\(directory).log"]).run().output) ?? "")")
        }
        var logger = Logger(label: "soak")
        logger.logLevel = .error
        transport = try Kubeconfig.load(["\(directory)/kubeconfig"]).access().transport(clock: ContinuousClock())
        client = APIClient(
            transport: transport, clock: ContinuousClock(), random: { .random(in: 0..<1) }, logger: logger)
        for number in 1...count { nodes["node-\(number)"] = try node("node-\(number)") }
    }

    /// Everything of it is gone then.
    func end() async {
        try? await transport.shutdown()
        _ = try? Call([try RoadAgent.program(), "lab", "down", "--directory", directory]).run()
        unlink("\(directory).log")
    }

    private func node(_ name: String) throws -> Node {
        guard
            let agent = Self.processes({ words in
                words.count > 3 && words[0].hasSuffix("/tulle") && words[1...3] == ["agent", "--node", name]
                    && words.contains { $0.hasPrefix(directory + "/") }
            }).first
        else { throw Trouble("the agent of \(name) is not there") }
        let namespace = try NetworkNamespace(path: "/proc/\(agent)/ns/net")
        // What is asked once and never again is not to fill the table of connections for minutes.
        let timeouts = ["udp_timeout", "udp_timeout_stream", "tcp_timeout_close", "tcp_timeout_syn_sent"]
        let refusals = try KernelHost(namespace).apply(
            timeouts.map { .add(.sysctl(Sysctl("net/netfilter/nf_conntrack_\($0)", "\(Self.memory)"))) })
        if let refusal = refusals.first { throw refusal.kernelError }
        return Node(namespace: namespace, tables: try KernelTables(in: namespace), agent: agent)
    }

    /// A pod's network; `nil` while none of its containers runs.
    func namespace(ofPod uid: String) throws -> NetworkNamespace? {
        let home = try NetworkNamespace.current().identity
        for process in Self.processes({ $0.contains { $0.contains("_\(uid)/") } }) {
            guard let found = try? NetworkNamespace(path: "/proc/\(process)/ns/net"), found.identity != home else { continue }
            if !nodes.values.contains(where: { $0.namespace.identity == found.identity }) { return found }
        }
        return nil
    }

    /// Those whose words are like this.
    private static func processes(_ isMeant: ([String]) -> Bool) -> [pid_t] {
        guard let handle = opendir("/proc") else { return [] }
        defer { closedir(handle) }
        var found: [pid_t] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let process = pid_t(name) else { continue }
            if isMeant(text(of: "/proc/\(name)/cmdline").split(separator: "\0").map(String.init)) { found.append(process) }
        }
        return found
    }

    private static func text(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Of all agents together.
    func footprint() -> SoakScene.Footprint {
        nodes.values.reduce(into: SoakScene.Footprint()) { sum, node in
            let line = Self.text(of: "/proc/\(node.agent)/status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            sum.kibibytes += line?.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0
            sum.descriptors += (try? Call(["/bin/ls", "/proc/\(node.agent)/fd"]).run().output.split(separator: "\n").count) ?? 0
        }
    }

    /// What the agents said last.
    var log: String {
        nodes.keys.sorted().map { name in
            "\(name): …" + Self.text(of: "\(directory)/nodes/\(name)/agent.log").suffix(1500)
        }.joined(separator: "\n")
    }
}
