import KubeAPI

/// What controllers ask about a pod.
extension Item {
    var phase: String { status["phase"]?.string ?? "Pending" }
    var isFinished: Bool { phase == "Succeeded" || phase == "Failed" }
    /// It counts: it runs or will.
    var isActivePod: Bool { !isFinished && !isBeingDeleted }
    var nodeName: String { spec["nodeName"]?.string ?? "" }
    var isReadyPod: Bool { condition("Ready")?["status"]?.string == "True" }

    func condition(_ type: String) -> JSONValue? {
        status["conditions"]?.array?.first { $0["type"]?.string == type }
    }

    /// Since when the pod is ready; `nil` when it is not, or nobody says.
    var readySince: Moment? {
        guard let condition = condition("Ready"), condition["status"]?.string == "True" else { return nil }
        return condition["lastTransitionTime"]?.string.flatMap(Moment.init)
    }

    enum Availability: Equatable {
        case available
        /// Ready, but not yet long enough.
        case ripening(until: Moment)
        case unavailable
    }

    /// Ready for `minReadySeconds`.
    func availability(minReady: Duration, at now: Moment) -> Availability {
        guard isReadyPod else { return .unavailable }
        if minReady <= .zero { return .available }
        guard let since = readySince else { return .unavailable }
        return since + minReady <= now ? .available : .ripening(until: since + minReady)
    }

    func isAvailable(minReady: Duration, at now: Moment) -> Bool { availability(minReady: minReady, at: now) == .available }

    var minReady: Duration { .seconds(spec["minReadySeconds"]?.integer ?? 0) }
    /// Defaulted as Kubernetes does.
    var replicas: Int { max(0, spec["replicas"]?.integer ?? 1) }
    func counter(_ name: String) -> Int { status[name]?.integer ?? 0 }

    /// The pod's addresses, at most one a family.
    var podAddresses: [String] {
        let many = (status["podIPs"]?.array ?? []).compactMap { $0["ip"]?.string }
        if !many.isEmpty { return many }
        return status["podIP"]?.string.map { $0.isEmpty ? [] : [$0] } ?? []
    }
}

/// A pod made of a template.
enum PodTemplate {
    static func pod(of template: JSONValue, named name: String, generateName: String?, owner: Item) -> JSONValue {
        var metadata: JSONValue = [:]
        if let generateName { metadata[field: "generateName"] = .string(generateName) }
        metadata[field: "name"] = .string(name)
        metadata[field: "namespace"] = .string(owner.namespace)
        for field in ["labels", "annotations", "finalizers"] {
            metadata[field: field] = template[field: "metadata", field]
        }
        metadata[field: "ownerReferences"] = [owner.controllerReference]
        return ["apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template[field: "spec"] ?? [:]]
    }
}

/// The list of conditions in a status.
struct ConditionList {
    private(set) var entries: [JSONValue]

    init(_ status: JSONValue) { entries = status["conditions"]?.array ?? [] }

    subscript(_ type: String) -> JSONValue? { entries.first { $0["type"]?.string == type } }

    /// The time of transition moves only when the status does.
    mutating func set(
        _ type: String, _ status: String, reason: String, message: String, at now: Moment, updateTime: Bool = false,
        heartbeat: JSONValue? = nil
    ) {
        let old = self[type]
        let same = old?["status"]?.string == status
        var entry: JSONValue = ["type": .string(type), "status": .string(status)]
        if updateTime { entry[field: "lastUpdateTime"] = .string(now.description) }
        if let heartbeat { entry[field: "lastHeartbeatTime"] = heartbeat }
        let transition: JSONValue? = same ? old?["lastTransitionTime"] : .none
        entry[field: "lastTransitionTime"] = transition ?? .string(now.description)
        if !reason.isEmpty { entry[field: "reason"] = .string(reason) }
        if !message.isEmpty { entry[field: "message"] = .string(message) }
        if let position = entries.firstIndex(where: { $0["type"]?.string == type }) {
            entries[position] = entry
        } else {
            entries.append(entry)
        }
    }

    mutating func remove(_ type: String) { entries.removeAll { $0["type"]?.string == type } }
}
