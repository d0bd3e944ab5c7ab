import Glibc
public import KubeAPI
public import KubeClient

/// A lab that is up, as scenarios see it: the API server for objects, the supervisor for everything else.
public struct LabStage: ScenarioStage {
    private let directory: LabDirectory
    private let control: LabControl
    private let client: APIClient
    /// How `kubectl` is called.
    private let kubectl: String

    /// - Parameter kubectl: the program that `kubectl` steps run.
    public init(_ directory: LabDirectory, client: APIClient, kubectl: String = "kubectl") {
        (self.directory, self.client, self.kubectl) = (directory, client, kubectl)
        control = LabControl(directory)
    }

    private func ask(_ question: JSONValue, descriptors: [CInt] = []) async throws -> JSONValue {
        let control = control
        return try await offPool { try control.ask(question, descriptors: descriptors) }
    }

    private func resource(_ word: String) throws -> ResourceType {
        guard let resource = ResourceNames.resource(word) else {
            throw ScenarioRefusal(message: "“\(word)” is no kind that is known here")
        }
        return resource
    }
}

// MARK: - Objects

extension LabStage {
    public func object(_ name: Scenario.Name) async throws -> JSONValue? {
        let resource = try resource(name.word)
        do {
            return try await client.get(resource, name.name, in: resource.isNamespaced ? name.namespace : nil)
        } catch APIFailure.notFound {
            return nil
        }
    }

    public func objects(_ word: String, namespace: String, labels: String) async throws -> [JSONValue] {
        let resource = try resource(word)
        let pairs = labels.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let wanted = Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
        guard wanted.count == pairs.count else {
            throw ScenarioRefusal(message: "“\(labels)”: a label is written name=value")
        }
        return try await client.list(
            resource, in: resource.isNamespaced ? namespace : nil, labels: wanted.isEmpty ? nil : LabelSelector(matching: wanted)
        ).items
    }

    public func apply(_ tree: JSONValue, namespace: String) async throws {
        guard let kind = tree["kind"]?.string, let version = tree["apiVersion"]?.string,
            let resource = ResourceNames.resource(kind), resource.kind.apiVersion == version
        else {
            throw ScenarioRefusal(
                message: "\(tree["apiVersion"]?.string ?? "?") \(tree["kind"]?.string ?? "?") is not known here")
        }
        let name = tree[at: "metadata", "name"]?.string ?? ""
        let place = resource.isNamespaced ? tree[at: "metadata", "namespace"]?.string ?? namespace : nil
        do {
            _ = try await client.create(tree, of: resource, in: place)
        } catch APIFailure.alreadyExists {
            _ = try await client.patch(resource, name, in: place, .merge(tree))
        } catch APIFailure.invalid {
            throw ScenarioRefusal(message: "\(kind) \(name) is refused: \(try await refusal(tree, resource, place))")
        }
    }

    /// The server's words once more, for the step that fails by them.
    private func refusal(_ tree: JSONValue, _ resource: ResourceType, _ namespace: String?) async throws -> String {
        do {
            _ = try await client.create(tree, of: resource, in: namespace)
            return "and accepted when it is sent again"
        } catch {
            return "\(error)"
        }
    }

    public func patch(_ name: Scenario.Name, _ patch: JSONValue) async throws {
        let resource = try resource(name.word)
        _ = try await client.patch(resource, name.name, in: resource.isNamespaced ? name.namespace : nil, .merge(patch))
    }

    public func delete(_ name: Scenario.Name) async throws {
        let resource = try resource(name.word)
        do {
            _ = try await client.delete(resource, name.name, in: resource.isNamespaced ? name.namespace : nil)
        } catch APIFailure.notFound {
            return
        }
    }
}

// MARK: - Packets

extension LabStage {
    public func reach(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach] {
        try await ask(from, to, probe, listens: false)
    }

    public func sight(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach] {
        try await ask(from, to, probe, listens: true)
    }

    private func ask(
        _ from: Scenario.Place, _ to: Scenario.Place, _ probe: Scenario.Probe, listens: Bool
    ) async throws -> [ScenarioReach] {
        let addresses = try await addresses(of: to)
        guard !addresses.isEmpty else { return [] }
        let question = try question("probe", from, addresses, probe, listens: listens)
        return (try await ask(question)["answers"]?.array ?? []).map { answer in
            ScenarioReach(
                address: answer["address"]?.string ?? "", silence: answer["silence"]?.string, seen: answer["seen"]?.string)
        }
    }

    private func question(
        _ verb: String, _ from: Scenario.Place, _ addresses: [String], _ probe: Scenario.Probe, listens: Bool = false
    ) throws -> JSONValue {
        var question: JSONValue = ["do": .string(verb), "addresses": .array(addresses.map { .string($0) })]
        switch from {
        case .node(let name): question[at: "from", "node"] = .string(name)
        case .pod(let namespace, let name): question[at: "from"] = ["namespace": .string(namespace), "pod": .string(name)]
        case .address, .host, .service: throw ScenarioRefusal(message: "packets start at a pod or a node")
        }
        switch probe {
        case .ping: question[at: "by"] = "ping"
        case .tcp(let port): question[at: "by"] = "tcp"; question[at: "port"] = .number(JSONNumber(Int64(port)))
        case .udp(let port): question[at: "by"] = "udp"; question[at: "port"] = .number(JSONNumber(Int64(port)))
        }
        question[at: "listens"] = .bool(listens)
        return question
    }

    public func addresses(of place: Scenario.Place) async throws -> [String] {
        switch place {
        case .address(let text): return [text]
        case .host: return []
        case .pod(let namespace, let name):
            let pod = try await object(Scenario.Name(word: "pod", name: name, namespace: namespace))
            return (pod?[at: "status", "podIPs"]?.array ?? []).compactMap { $0["ip"]?.string }
        case .service(let namespace, let name):
            let service = try await object(Scenario.Name(word: "service", name: name, namespace: namespace))
            return (service?[at: "spec", "clusterIPs"]?.array ?? []).compactMap(\.string)
        case .node(let name):
            let node = try await object(Scenario.Name(word: "node", name: name, namespace: ""))
            return (node?[at: "status", "addresses"]?.array ?? []).filter { $0["type"] == "InternalIP" }
                .compactMap { $0["address"]?.string }
        }
    }

    public func reachAll() async throws -> String? {
        let answer = try await ask(["do": "ping", "count": 1])
        let pods = answer["pods"]?.array ?? []
        guard pods.count > 1 else { return "there are \(pods.count) running pods" }
        let waiting = (answer["waiting"]?.array ?? []).compactMap(\.string)
        guard waiting.isEmpty else { return "not running yet: \(waiting.joined(separator: ", "))" }
        var missing: [String] = []
        for source in answer["sources"]?.array ?? [] {
            for target in source["answers"]?.array ?? [] where target["received"]?.number?.integer ?? 0 == 0 {
                missing.append("\(source["name"]?.string ?? "") -> \(target["address"]?.string ?? "")")
            }
        }
        return missing.isEmpty ? nil : "no answer: \(missing.joined(separator: ", "))"
    }
}

// MARK: - Commands

extension LabStage {
    public func run(_ place: Scenario.Place, _ command: [String]) async throws -> ScenarioAnswer {
        let words = JSONValue.array(command.map { .string($0) })
        switch place {
        case .pod(let namespace, let name):
            return try await run(["do": "exec", "namespace": .string(namespace), "pod": .string(name), "command": words])
        case .node(let name): return try await run(["do": "node", "node": .string(name), "command": words])
        case .host:
            let child = try Child(
                ["/usr/bin/env", kubectl] + command.dropFirst(),
                environment: [
                    // Discovery is kept below HOME: the lab's own, so that no other cluster's is taken for it.
                    (name: "HOME", value: directory.path), (name: "KUBECONFIG", value: directory.kubeconfig),
                ] + Supervisor.environment)
            let (status, isLate) = await child.ended(within: .seconds(120))
            return ScenarioAnswer(output: child.text() + (isLate ? "\nno end within two minutes" : ""), code: Int(status))
        case .address, .service: throw ScenarioRefusal(message: "nothing can be run on \(place)")
        }
    }

    /// A command whose both streams go to one file.
    private func run(_ question: JSONValue) async throws -> ScenarioAnswer {
        let (input, output) = (open("/dev/null", O_RDONLY | O_CLOEXEC), MemoryFile())
        defer { close(input) }
        let answer = try await ask(question, descriptors: [input, output.descriptor, output.descriptor])
        return ScenarioAnswer(output: output.text, code: Int(answer["exit"]?.number?.integer ?? -1))
    }

    public func kill(_ part: Scenario.Part) async throws {
        var question: JSONValue = ["do": "kill"]
        if case .agent(let node) = part { question[at: "agent"] = .string(node) }
        _ = try await ask(question)
    }

    public func pause(agentOf node: String, isPaused: Bool) async throws {
        _ = try await ask(["do": "kill", "agent": .string(node), "signal": isPaused ? "STOP" : "CONT"])
    }

    public func power(node: String, isOn: Bool) async throws {
        _ = try await ask(["do": "power", "node": .string(node), "on": .bool(isOn)])
    }

    /// What the supervisor refuses it refuses the next time too.
    private func order(_ question: JSONValue) async throws -> JSONValue {
        do {
            return try await ask(question)
        } catch let error as LabError {
            throw ScenarioRefusal(message: "\(error)")
        }
    }

    public func add(node: String) async throws { _ = try await order(["do": "add", "node": .string(node)]) }

    public func remove(node: String) async throws { _ = try await order(["do": "remove", "node": .string(node)]) }

    public func renumber(node: String) async throws { _ = try await order(["do": "renumber", "node": .string(node)]) }

    public func changeBackend(_ words: [String]) async throws {
        _ = try await order([
            "do": "backend", "backend": .string(words.first ?? ""),
            "isDirectOnSegment": .bool(words.contains("--vxlan-direct-routing")),
        ])
    }

    public func stream(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws {
        var question = try question("stream", from, try await addresses(of: to), probe)
        question[at: "way"] = .string("\(from) -> \(to)\(probe)")
        _ = try await order(question)
    }

    public func streams() async throws -> [ScenarioStream] {
        (try await ask(["do": "streams"])["streams"]?.array ?? []).map { stream in
            ScenarioStream(
                way: stream["way"]?.string ?? "", answered: stream["answered"]?.integer ?? 0, lost: stream["lost"]?.integer ?? 0,
                first: stream["first"]?.string ?? "")
        }
    }

    public func inventory() async throws -> [String: [String]] {
        let answer = try await ask(["do": "inventory"])
        let pairs = (answer.object?.members ?? []).map { ($0.key, ($0.value.array ?? []).compactMap(\.string)) }
        return Dictionary(pairs) { $1 }
    }
}
