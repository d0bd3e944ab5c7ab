import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import KubeClient
import NFTables
import NFTablesKernel

/// What scenarios do to a lab beyond its API: probes from inside, deaths, power cuts, and a look at what is there.
extension LabCluster {
    /// Sends something from a pod or a node to addresses.
    ///
    /// - Returns: `answers`: each address, and with it its `silence` when it did not answer. When whoever asks `listens`, the
    ///   answer is read, and the address that it names as the asker's is `seen`.
    /// - Throws: when it could not be asked, which is no silence.
    func probe(_ tree: JSONValue) async throws -> JSONValue {
        let process = try await holder(tree["from"] ?? .null)
        let addresses = (tree["addresses"]?.array ?? []).compactMap(\.string)
        let (pod, port) = (supervisor.tools.pod, "\(tree["port"]?.integer ?? 0)")
        var answers: [JSONValue] = []
        let listens = tree["listens"] == true
        for address in addresses {
            func asking(_ transport: String, _ milliseconds: Int) -> [String] {
                [
                    pod, "run", "--join", "\(process)", "--namespaces", "net", "--", pod, "ask", "--\(transport)", address, port,
                    "--timeout", "\(milliseconds)",
                ]
            }
            let command: [String] =
                switch tree["by"]?.string {
                case "tcp" where listens: asking("tcp", 2000)
                case "tcp": [pod, "probe", "--tcp", address, port, "--timeout", "2000", "--join", "\(process)"]
                case "udp": asking("udp", 1000)
                default: [pod, "ping", "--join", "\(process)", "--count", "1", "--timeout", "1000", address]
                }
            let child = try Child(command)
            let (status, _) = await child.ended(within: .seconds(10))
            let lines = child.text().split(separator: "\n")
            let text = lines.first.map(String.init) ?? "no answer"
            guard status < 64 else { throw LabError(.unanswered, "probe of \(address): \(text)") }
            answers.append([
                "address": .string(address), "silence": status == 0 ? .null : .string(text),
                "seen": listens ? Self.client(in: lines.last ?? "").map { .string($0) } ?? .null : .null,
            ])
        }
        return ["answers": .array(answers)]
    }

    /// Whom an answer of the echo server says it saw, without the port: `client=[2001:db8::9]:40312`.
    private static func client(in answer: Substring) -> String? {
        guard let word = answer.split(separator: " ").first(where: { $0.hasPrefix("client=") }),
            let colon = word.lastIndex(of: ":")
        else { return nil }
        return String(word[..<colon].dropFirst(7).filter { $0 != "[" && $0 != "]" })
    }

    func holder(_ place: JSONValue) async throws -> Int32 {
        if let name = place["node"]?.string { return try node(name).holder.identifier }
        let (namespace, name) = (place["namespace"]?.string ?? "default", place["pod"]?.string ?? "")
        let pod: JSONValue
        do {
            pod = try await client.get(Pod.resource, name, in: namespace)
        } catch APIFailure.notFound {
            throw LabError(.unknown, "there is no pod \(namespace)/\(name)")
        }
        let node = pod[at: "spec", "nodeName"]?.string ?? ""
        guard let process = await kubelets[node]?.kubelet.sandbox(namespace: namespace, pod: name) else {
            throw LabError(.unknown, "pod \(namespace)/\(name) does not run")
        }
        return process
    }

    private func node(_ name: String) throws(LabError) -> LabGround.Node {
        guard let node = ground.nodes.first(where: { $0.name == name }) else {
            throw settings.unknown(name)
        }
        return node
    }

    /// `kill -9` of a process that is started again: `api-server`, or the agent of a node; with a `signal` it stands still or goes
    /// on.
    func kill(_ tree: JSONValue) throws -> JSONValue {
        let name = tree["agent"]?.string.map { "agent of \($0)" } ?? "API server"
        guard let part = allParts.first(where: { $0.name == name }) else {
            throw LabError(.unknown, "there is no \(name); there are \(allParts.map(\.name).joined(separator: ", "))")
        }
        guard let process = part.record.process else { throw LabError(.processFailed, "\(name) is not running") }
        let signals = ["STOP": SIGSTOP, "CONT": SIGCONT]
        guard let signal = tree["signal"]?.string.flatMap({ signals[$0] }) else {
            Glibc.kill(process, SIGKILL)
            return ["process": JSONValue(Int(process))]
        }
        // Unlike a death, standing still is not handed on to the process that was started in the node's namespaces.
        for process in [process] + ProcessFamily().descendants(of: process) { Glibc.kill(process, signal) }
        return ["process": JSONValue(Int(process))]
    }
}

extension LabCluster {
    /// A node's power goes off or comes on.
    func power(_ tree: JSONValue) throws -> JSONValue {
        let name = tree["node"]?.string ?? ""
        _ = try node(name)
        try machines.first { $0.name == name }?.turn(on: tree["on"] == true)
        return [:]
    }
}

// MARK: - What is there

extension LabCluster {
    /// What is on every node, in lines that are the same again when the same is there again.
    func inventory() throws -> JSONValue {
        var answer = JSONObject()
        for node in ground.nodes {
            let lines = try network(node) + tables(node) + files(node)
            answer[node.name] = .array(lines.sorted().map { .string($0) })
        }
        answer["lab"] = .array(processes().map { .string($0) })
        return .object(answer)
    }

    private func network(_ node: LabGround.Node) throws -> [String] {
        // Neighbours come and go by themselves.
        let interest = Interest(Set(Interest.Part.allCases).subtracting([.neighbours]))
        return try KernelHost(node.holder.namespace).observe(interest).description.split(separator: "\n").map(String.init)
    }

    private func tables(_ node: LabGround.Node) throws -> [String] {
        let tables = try KernelTables(in: node.holder.namespace)
        return try tables.tables().flatMap { id in
            try tables.observe(id).map { observed in
                observed.table.text.split(separator: "\n").map { "\(id): \($0)" }
            } ?? []
        }
    }

    /// The lab's processes, by what they are, since their numbers change: those below the supervisor.
    private func processes() -> [String] {
        ProcessFamily().descendants(of: supervisor.process).map { process in
            let words = (Files.text(of: "/proc/\(process)/cmdline") ?? "").split(separator: "\0")
            let program = words.first?.split(separator: "/").last ?? "?"
            return "process \(program) \(words.dropFirst().first ?? "")"
        }.sorted()
    }

    private func files(_ node: LabGround.Node) -> [String] {
        let state = directory.agentState(node.name)
        return Files.names(in: state + "/attachments").map { "attachment \($0)" }
            + Files.names(in: state + "/deletions").map { "deletion \($0)" }
            + Files.names(in: directory.node(node.name) + "/pods").map { "pod \($0)" }
    }
}
