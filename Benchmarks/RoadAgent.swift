import Glibc
import HostNetworkKernel
import KubeAPI
import Netlink

/// A whole agent among many nodes, for what it keeps in memory.
struct RoadAgent {
    private let directory: String
    private let namespace: NetworkNamespace
    private let running: Call.Running

    /// - Parameter objects: nodes, in YAML.
    init(_ objects: [String], node: String) throws {
        var template = Array("/tmp/tulle-roads-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelError(Errno(rawValue: errno), "make a directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        namespace = try .new()
        try RoadStage.carryOut(try KernelHost(namespace), uplink: "uplink")
        guard let file = fopen("\(directory)/objects.yaml", "we") else {
            throw KernelError(Errno(rawValue: errno), "write \(directory)/objects.yaml")
        }
        fputs(objects.joined(separator: "---\n"), file)
        fclose(file)
        running = try Call(
            [
                try Self.program(), "agent", "--node", node, "--objects", "\(directory)/objects.yaml", "--state",
                "\(directory)/state", "--backend", "vxlan",
            ], log: "\(directory)/log"
        ).spawn(in: namespace)
    }

    /// One document.
    static func text(_ node: Node) -> String {
        let ranges = node.spec.podCIDRs.map { "\"\($0)\"" }.joined(separator: ", ")
        let addresses = node.status.addresses.map { "{type: InternalIP, address: \"\($0.text)\"}" }.joined(separator: ", ")
        return """
            apiVersion: v1
            kind: Node
            metadata: {name: \(node.metadata.name)}
            spec: {podCIDRs: [\(ranges)]}
            status: {addresses: [\(addresses)]}

            """
    }

    /// MiB, once it has made everything; then it is ended.
    func resident() throws -> Double {
        defer {
            kill(running.process, SIGTERM)
            waitpid(running.process, nil, 0)
            _ = try? Call(["/bin/rm", "-r", directory]).run()
        }
        for _ in 0..<600 {
            poll(nil, 0, 100)
            let status = try Call(["/bin/cat", "\(directory)/state/status"]).run().output
            guard status.contains("whole-rounds "), !status.contains("whole-rounds 0") else { continue }
            // It gives back what its start needed some seconds later.
            poll(nil, 0, 15_000)
            let lines = try Call(["/bin/cat", "/proc/\(running.process)/status"]).run().output.split(separator: "\n")
            let size = lines.first { $0.hasPrefix("VmRSS:") }?.split { !$0.isNumber }.first
            guard let kibibytes = size.flatMap({ Double($0) }) else { break }
            return kibibytes / 1024
        }
        throw KernelError(.inputOutput, "read an agent's memory; its log is \(directory)/log")
    }

    /// A program beside this one.
    static func program(_ name: String = "tulle") throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = "\(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])/\(name)"
        guard access(path, X_OK) == 0 else { throw KernelError(.noSuchEntry, "find \(path), which scripts/bench builds") }
        return path
    }
}
