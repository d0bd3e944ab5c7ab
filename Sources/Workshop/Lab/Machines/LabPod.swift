import Addressing
import CNI
import KubeAPI

/// A pod of the lab: a sandbox that holds its namespaces, attached by the plugin, and the processes in it.
final class LabPod {
    let pod: Pod
    let node: LabNode
    let sandbox: Holder
    private let tools: Tools
    private(set) var addresses: [IPAddress] = []
    /// The node's end of its link.
    private(set) var link = ""
    private var processes: [ChildProcess] = []

    /// As a runtime does it: the sandbox first, then the network, then the containers.
    init(_ pod: Pod, on node: LabNode, tools: Tools) throws {
        self.pod = pod
        self.node = node
        self.tools = tools
        sandbox = try Holder(pod.metadata.name, kinds: "net,uts,ipc,pid", tools: tools)
    }

    var name: String { pod.metadata.name }

    /// With its namespace, unless that is the default one.
    var fullName: String { pod.metadata.namespace == "default" ? name : "\(pod.metadata.namespace)/\(name)" }

    /// What a container's ID looks like, and the same for the same pod.
    private var containerID: String { "lab-\(pod.metadata.namespace)-\(name)" }

    private var variables: [String: String] {
        [
            "CNI_CONTAINERID": containerID, "CNI_NETNS": sandbox.path, "CNI_IFNAME": "eth0",
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=\(pod.metadata.namespace);K8S_POD_NAME=\(name)",
        ]
    }

    func attach() throws {
        let (answer, status) = try node.call(.add, variables)
        guard status == 0, let answer else {
            let failure = answer.flatMap { Failure(json: $0) }
            throw LabError(.attachmentFailed, "ADD of \(name) on \(node.name): \(failure?.description ?? "no answer")")
        }
        let result = try AttachmentResult(json: answer)
        addresses = result.ips.compactMap { InterfaceAddress($0.address)?.address }
        link = result.interfaces.first { $0.sandbox == nil }?.name ?? ""
    }

    func detach() throws {
        let (answer, status) = try node.call(.delete, variables)
        guard status == 0 else {
            let failure = answer.flatMap { Failure(json: $0) }
            throw LabError(.attachmentFailed, "DEL of \(name) on \(node.name): \(failure?.description ?? "no answer")")
        }
    }

    /// Serves every TCP and UDP port of its containers, and returns when they are open.
    func serve() throws {
        let ports = pod.servedPorts
        guard !ports.isEmpty else { return }
        var command = [tools.pod, "echo", "--name", name, "--node", node.name]
        for port in ports { command += [port.transport == .tcp ? "--tcp" : "--udp", "\(port.number)"] }
        let process = try sandbox.start("the server of \(name)", command)
        processes.append(process)
        for _ in ports where try process.line(within: .seconds(5)) == nil {
            throw LabError(.processFailed, "the server of \(name) ended")
        }
    }

    /// Sends one line, and returns the round trip in microseconds, our own end, and the answer.
    func ask(_ transport: TransportProtocol, _ address: IPAddress, _ port: UInt16, _ message: String) throws -> Answer {
        let process = try sandbox.start(
            "ask", [tools.pod, "ask", "--\(transport.rawValue.lowercased())", "\(address)", "\(port)", "--message", message])
        let (output, status) = try process.finish(within: .seconds(10))
        let lines = output.split(separator: "\n").map(String.init)
        guard status == 0, lines.count >= 2 else {
            throw LabError(
                .unanswered,
                "\(name) asked \(SocketAddress(address, port)) over \(transport.rawValue): "
                    + (["answered", "refused", "no answer in time", "no way there"].dropFirst(Int(status)).first
                        ?? "exit \(status)"))
        }
        let figures = Dictionary(
            lines[0].split(separator: " ").compactMap { word -> (String, String)? in
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                return parts.count == 2 ? (parts[0], parts[1]) : nil
            }
        ) { first, _ in first }
        return Answer(microseconds: Int(figures["rtt_us"] ?? "") ?? 0, local: figures["local"] ?? "", text: lines[1])
    }

    struct Answer {
        var microseconds: Int
        var local: String
        var text: String
    }

    func end() {
        for process in processes { process.stop() }
        sandbox.end()
    }
}

extension Pod {
    /// The ports that the lab's server opens, each once; it does not speak SCTP.
    var servedPorts: [(transport: TransportProtocol, number: UInt16)] {
        var seen: Set<String> = []
        return spec.containers.flatMap(\.ports)
            .filter { $0.transport != .sctp && seen.insert("\($0.transport) \($0.number)").inserted }
            .map { ($0.transport, $0.number) }
    }
}
