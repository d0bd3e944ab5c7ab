import KubeAPI

/// A pod gets its node. Pure.
enum Binding {
    /// - Throws: 409 when it has one already, or is going.
    static func bound(_ pod: JSONValue, to node: String, _ kind: ServedKind) throws(Status) -> JSONValue {
        let before = pod.at("spec", "nodeName")?.string ?? ""
        guard before.isEmpty else {
            throw .conflict(kind, pod.name, "pod \(pod.name) is already assigned to node \"\(before)\"")
        }
        guard !pod.isBeingDeleted else {
            throw .conflict(kind, pod.name, "pod \(pod.name) is being deleted, cannot be assigned to a host")
        }
        var pod = pod
        pod.set(.string(node), at: "spec", "nodeName")
        return pod
    }

    static func scheduled(_ pod: JSONValue, now: Timestamp) -> JSONValue {
        var pod = pod
        let condition: JSONValue = [
            "type": "PodScheduled", "status": "True", "lastProbeTime": nil, "lastTransitionTime": .string(now.description),
        ]
        let others = (pod.at("status", "conditions")?.array ?? []).filter { $0["type"] != "PodScheduled" }
        pod.set(.array(others + [condition]), at: "status", "conditions")
        return pod
    }
}
