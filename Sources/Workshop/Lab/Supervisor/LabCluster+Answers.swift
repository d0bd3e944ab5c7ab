import APIServer
import Addressing
import Glibc
import KubeAPI
import KubeClient
import NIOCore

/// What the supervisor answers over the control socket.
extension LabCluster {
    func answer(_ question: ControlSocket.Question) async -> JSONValue {
        let tree = question.tree
        do {
            switch tree["do"]?.string {
            case "status": return try await status()
            case "exec": return try await execute(tree, question.descriptors)
            case "node": return try await runOnNode(tree, question.descriptors)
            case "log": return try await log(tree, question.descriptors)
            case "ping": return try await ping(tree)
            case "probe": return try await probe(tree)
            case "kill": return try kill(tree)
            case "power": return try power(tree)
            case "inventory": return try inventory()
            case "stream": return try await stream(tree)
            case "streams": return streams.json
            case "add": return try await addNode(tree)
            case "remove": return try await removeNode(tree)
            case "renumber": return try await renumberNode(tree)
            case "backend": return try await changeBackend(tree)
            default: return ["error": "this supervisor is of another version"]
            }
        } catch let error as LabError {
            return ["error": .string(error.description), "code": .string(error.code.rawValue)]
        } catch {
            return ["error": .string("\(error)")]
        }
    }

    /// A pod by its name in a namespace, from the API.
    private func pod(_ tree: JSONValue) async throws -> (pod: JSONValue, kubelet: KubeletService) {
        let (namespace, name) = (tree["namespace"]?.string ?? "default", tree["pod"]?.string ?? "")
        let pod: JSONValue
        do {
            pod = try await client.get(Pod.resource, name, in: namespace)
        } catch APIFailure.notFound {
            throw LabError(
                .unknown, "there is no pod \(namespace)/\(name)",
                remedy: "see tulle lab status\(directory.options), or name another --namespace")
        }
        let node = pod[at: "spec", "nodeName"]?.string ?? ""
        guard let kubelet = kubelets[node] else {
            throw LabError(.unknown, "pod \(namespace)/\(name) is on no node of the lab\(node.isEmpty ? " yet" : ": \(node)")")
        }
        return (pod, kubelet)
    }

    /// The container that is named, or the pod's first.
    private func container(_ tree: JSONValue, of pod: JSONValue) throws(LabError) -> String {
        let lists = ["containers", "initContainers"].map { pod[at: "spec", $0]?.array ?? [] }
        let names = lists.joined().compactMap { $0["name"]?.string }
        guard let asked = tree["container"]?.string, !asked.isEmpty else { return names.first ?? "" }
        guard names.contains(asked) else {
            throw LabError(.unknown, "the pod has no container \(asked); it has \(names.joined(separator: ", "))")
        }
        return asked
    }
}

// MARK: - Commands

extension LabCluster {
    private func execute(_ tree: JSONValue, _ descriptors: [CInt]) async throws -> JSONValue {
        let (pod, kubelet) = try await pod(tree)
        let container = try container(tree, of: pod)
        guard descriptors.count == 3 else { throw LabError(.processFailed, "a command needs three descriptors") }
        let status = try await kubelet.kubelet.execute(
            (tree["command"]?.array ?? []).compactMap(\.string), namespace: tree["namespace"]?.string ?? "default",
            pod: tree["pod"]?.string ?? "", container: container, input: descriptors[0], output: descriptors[1],
            error: descriptors[2], takesTerminal: tree["terminal"] == true)
        return ["exit": JSONValue(Int(status))]
    }

    private func runOnNode(_ tree: JSONValue, _ descriptors: [CInt]) async throws -> JSONValue {
        let name = tree["node"]?.string ?? ""
        guard let node = ground.nodes.first(where: { $0.name == name }) else {
            throw settings.unknown(name)
        }
        guard descriptors.count == 3 else { throw LabError(.processFailed, "a command needs three descriptors") }
        var words = [supervisor.tools.pod, "run", "--join", "\(node.holder.identifier)", "--namespaces", "net,uts,pid"]
        if tree["terminal"] == true { words.append("--tty") }
        words += LabNodeView.mounts(of: name, in: directory)
        let environment = LabNodeView.environment(of: name, in: directory, supervisor.tools, (tree["environment"] ?? [:]).strings)
        let child = try Child(
            words + ["--"] + (tree["command"]?.array ?? []).compactMap(\.string), environment: environment,
            streams: Child.Streams(input: descriptors[0], output: descriptors[1], error: descriptors[2]))
        let status = await withTaskCancellationHandler {
            await child.ended()
        } onCancel: {
            child.signal(SIGKILL)
        }
        return ["exit": JSONValue(Int(status))]
    }

    /// Into the pipe that the asker gave, as it was said; when it is followed, until the container ends or the asker goes.
    private func log(_ tree: JSONValue, _ descriptors: [CInt]) async throws -> JSONValue {
        let (pod, kubelet) = try await pod(tree)
        let container = try container(tree, of: pod)
        let say = try await said(by: container, tree, kubelet.kubelet)
        // The asker's own may be closed before we are done with it.
        guard let given = descriptors.first, case let output = fcntl(given, F_DUPFD_CLOEXEC, 3), output >= 0 else {
            throw LabError(.processFailed, "a log needs a descriptor")
        }
        try await withThrowingDiscardingTaskGroup { group in
            // An asker who does not read, such as a pager, holds up nobody else.
            let pieces = Handoff<ByteBuffer>()
            group.addTask { await PipeEnd.write(pieces, to: output) }
            defer { pieces.finish() }
            try await say { guard await pieces.give($0) else { throw CancellationError() } }
        }
        return [:]
    }

    private typealias Hearing = (ByteBuffer) async throws -> Void

    private func said(by container: String, _ tree: JSONValue, _ kubelet: Kubelet) async throws -> (Hearing) async throws -> Void
    {
        let (namespace, pod) = (tree["namespace"]?.string ?? "default", tree["pod"]?.string ?? "")
        let tail = tree["tail"]?.integer
        do {
            if tree["follow"] == true {
                var options = LogOptions()
                (options.container, options.follows, options.tailLines) = (container, true, tail.map { Int64($0) })
                options.showsTimestamps = tree["timestamps"] == true
                let session = try await kubelet.log(options, namespace: namespace, pod: pod)
                return { try await session.run($0) }
            }
            let entries = try await kubelet.log(
                namespace: namespace, pod: pod, container: container, isPrevious: tree["previous"] == true)
            var selection = LogSelection(showsTimestamps: tree["timestamps"] == true)
            if let tail { selection.skipped = max(0, entries.count { $0.isWhole } - tail) }
            let text = ByteBuffer(bytes: selection.text(of: entries))
            return { hear in if text.readableBytes > 0 { try await hear(text) } }
        } catch let status as Status {
            throw LabError(.unknown, status.message)
        }
    }
}

// MARK: - Ping

extension LabCluster {
    /// At most so many pods ask and are asked: the matrix grows with the square.
    static let mostPinged = 200
    /// More would measure how they wait for each other.
    private static let sideBySide = 2

    struct Place: Sendable {
        var name: String
        var node: String
        var isNode: Bool
        var process: Int32
        var addresses: [String]
    }

    /// Every pod and every node asks every pod.
    private func ping(_ tree: JSONValue) async throws -> JSONValue {
        let count = min(20, max(1, tree["count"]?.integer ?? 3))
        let (pods, waiting) = try await pingable()
        let nodes = ground.nodes.map { node in
            Place(
                name: node.name, node: node.name, isNode: true, process: node.holder.identifier,
                addresses: node.addresses.map(\.description))
        }
        let (pod, sources) = (supervisor.tools.pod, pods + nodes)
        var results: [Int: PingOutcome] = [:]
        try await withThrowingTaskGroup(of: (Int, PingOutcome).self) { group in
            for (position, source) in sources.enumerated() {
                if position >= Self.sideBySide, let (index, result) = try await group.next() { results[index] = result }
                let targets = pods.filter { $0.process != source.process }.flatMap(\.addresses)
                group.addTask { (position, try await Self.ping(from: source, targets, count: count, program: pod)) }
            }
            for try await (index, result) in group { results[index] = result }
        }
        let (living, stillWaiting) = try await pingable()
        return try Self.matrix(sources, results, living: living, waiting: waiting.filter(stillWaiting.contains))
    }

    enum PingOutcome: Sendable {
        /// A list of what came of each address.
        case answers(JSONValue)
        /// It could not ask.
        case silent(String)
    }

    /// What is told of a round: those that ended in its course have no part in it.
    ///
    /// - Parameters:
    ///   - results: by the position of the source.
    ///   - living: the pods that run when all has been asked.
    static func matrix(
        _ sources: [Place], _ results: [Int: PingOutcome], living: [Place], waiting: [String]
    ) throws(LabError) -> JSONValue {
        // A pod's name may be another pod's by now; its process and addresses are not.
        let alive = Set(living.map(\.process))
        let all = sources.filter { !$0.isNode }
        let gone = Set(all.filter { !alive.contains($0.process) }.flatMap(\.addresses))
        let pods = all.filter { alive.contains($0.process) }
        func json(_ place: Place) -> JSONValue {
            [
                "name": .string(place.name), "node": .string(place.node), "kind": place.isNode ? "node" : "pod",
                "addresses": .array(place.addresses.map { .string($0) }),
            ]
        }
        var rows: [JSONValue] = []
        for (position, source) in sources.enumerated() where source.isNode || alive.contains(source.process) {
            var row = json(source)
            switch results[position] {
            case .silent(let why): throw LabError(.unanswered, "ping from \(source.name): \(why)")
            case .answers(let answers):
                row[at: "answers"] = .array((answers.array ?? []).filter { !gone.contains($0["address"]?.string ?? "") })
            case nil: row[at: "answers"] = []
            }
            rows.append(row)
        }
        return [
            "pods": .array(pods.map(json)), "waiting": .array(waiting.map { .string($0) }), "sources": .array(rows),
        ]
    }

    /// The pods that run in a network of their own, and the names of those that should and do not yet; the lab's own name servers
    /// are left out.
    private func pingable() async throws -> ([Place], waiting: [String]) {
        var places: [Place] = []
        var waiting: [String] = []
        for pod in try await client.list(Pod.resource).items where pod[at: "spec", "hostNetwork"] != true {
            let (namespace, name) = (
                pod[at: "metadata", "namespace"]?.string ?? "", pod[at: "metadata", "name"]?.string ?? ""
            )
            if LabNameServer.owns(pod) { continue }
            let phase = pod[at: "status", "phase"]?.string ?? ""
            guard phase != "Succeeded", phase != "Failed", pod[at: "metadata", "deletionTimestamp"] == nil else { continue }
            let full = namespace == "default" ? name : "\(namespace)/\(name)"
            let addresses = (pod[at: "status", "podIPs"]?.array ?? []).compactMap { $0["ip"]?.string }
            let node = pod[at: "spec", "nodeName"]?.string ?? ""
            guard phase == "Running", !addresses.isEmpty, let kubelet = kubelets[node],
                let process = await kubelet.kubelet.sandbox(namespace: namespace, pod: name)
            else {
                waiting.append(full)
                continue
            }
            places.append(Place(name: full, node: node, isNode: false, process: process, addresses: addresses))
        }
        guard places.count <= Self.mostPinged else {
            throw LabError(.processFailed, "\(places.count) pods are too many for a matrix: at most \(Self.mostPinged)")
        }
        return (places.sorted { ($0.node, $0.name) < ($1.node, $1.name) }, waiting.sorted())
    }

    private static func ping(from source: Place, _ targets: [String], count: Int, program: String) async throws -> PingOutcome {
        guard !targets.isEmpty else { return .answers([]) }
        let child = try Child([program, "ping", "--join", "\(source.process)", "--count", "\(count)"] + targets)
        let (status, _) = await child.ended(within: .seconds(60))
        guard status < 2 else { return .silent(child.text()) }
        let answers = JSONValue.array(
            child.text().split(separator: "\n").map { line in
                let words = line.split(separator: " ").map(String.init)
                var answer: JSONValue = ["address": .string(words.first ?? "")]
                for word in words.dropFirst() {
                    let parts = word.split(separator: "=").map(String.init)
                    if parts.count == 2, let number = Int(parts[1]) { answer[at: parts[0]] = JSONValue(number) }
                }
                return answer
            })
        return .answers(answers)
    }
}
