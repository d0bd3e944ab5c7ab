import Addressing
import KubeAPI
import KubeClient

/// How the lab is.
extension LabCluster {
    func status() async throws -> JSONValue {
        var answer: JSONValue = [
            "name": .string(settings.name), "directory": .string(directory.path), "kubeconfig": .string(directory.kubeconfig),
            "server": .string(serverURL), "podPrefixes": .array(settings.podPrefixes.map { .string($0.description) }),
            "servicePrefixes": .array(settings.servicePrefixes.map { .string($0.description) }),
            "backend": .string(settings.backend.rawValue),
        ]
        let now = supervisor.surroundings.now()
        let family = ProcessFamily()
        answer[at: "parts"] = .array(
            [supervisorPart(now)]
                + allParts.map { part in
                    var json = part.json(at: now)
                    // What runs in a node's namespaces was started there by a program that only waits for it.
                    if part.runsInside, let process = part.record.process, let child = family.children(of: process).first {
                        json[at: "process"] = JSONValue(Int(child))
                    }
                    return json
                })
        do {
            let pods = try await client.list(Pod.resource).items
            let order = settings.nodeNames
            func place(_ node: JSONValue) -> Int { order.firstIndex(of: node[at: "metadata", "name"]?.string ?? "") ?? .max }
            let nodes = try await client.list(Node.resource).items.sorted { place($0) < place($1) }
            answer[at: "nodes"] = .array(nodes.map { node($0, pods) })
            answer[at: "pods"] = count(pods)
        } catch {
            answer[at: "fault"] = .string("the API server does not answer: \(error)")
        }
        return answer
    }

    private func supervisorPart(_ now: Moment) -> JSONValue {
        [
            "name": "supervisor", "process": JSONValue(Int(supervisor.process)),
            "seconds": JSONValue(Int((now - began).components.seconds)), "restarts": JSONValue(supervisor.restarts),
            "lastEnd": nil,
            "log": .string(directory.supervisorLog),
        ]
    }

    private func node(_ node: JSONValue, _ pods: [JSONValue]) -> JSONValue {
        let name = node[at: "metadata", "name"]?.string ?? ""
        let ready = node[at: "status", "conditions"]?.array?.first { $0["type"] == "Ready" }
        let here = pods.filter { $0[at: "spec", "nodeName"]?.string == name }
        let lines = (Files.text(of: directory.agentState(name) + "/status") ?? "").split(separator: "\n")
        return [
            "name": .string(name), "ready": .bool(Self.isReady(node)),
            "reason": ready?["message"] ?? "the kubelet has said nothing yet",
            "addresses": .array(
                (node[at: "status", "addresses"]?.array ?? []).filter { $0["type"] == "InternalIP" }.compactMap { $0["address"] }),
            "podPrefixes": node[at: "spec", "podCIDRs"] ?? [], "pods": count(here),
            "agentParts": (lines.first { $0.hasPrefix("parts ") }?.dropFirst(6)).map { .string(String($0)) } ?? .null,
            "names": .array(
                (lines.first { $0.hasPrefix("names ") }?.split(separator: " ").dropFirst() ?? []).map { .string(String($0)) }),
            "problems": .array(lines.filter { $0.hasPrefix("problem ") }.map { .string(String($0.dropFirst(8))) }),
        ]
    }

    /// By phase, and how many of them are Ready.
    private func count(_ pods: [JSONValue]) -> JSONValue {
        var counts: [String: Int] = [:]
        for pod in pods {
            let phase = pod[at: "metadata", "deletionTimestamp"] != nil ? "Terminating" : pod[at: "status", "phase"]?.string
            counts[phase ?? "Pending", default: 0] += 1
        }
        var answer: JSONValue = ["total": JSONValue(pods.count), "ready": JSONValue(pods.count(where: Self.isReady))]
        for (phase, number) in counts.sorted(by: { $0.key < $1.key }) { answer[at: phase] = JSONValue(number) }
        return answer
    }
}
