import Addressing
import KubeAPI

extension PodWorker {
    /// Takes over what the pod's status says of the time before this worker. Its processes ended with the kubelet before: a container
    /// that ran then has ended in a way that nobody saw.
    mutating func recall() {
        let status = manifest.status
        for list in ["initContainerStatuses", "containerStatuses"] {
            for old in status[list]?.array ?? [] {
                guard let index = containers.firstIndex(where: { $0.name == old["name"]?.string }) else { continue }
                var record = containers[index]
                recall(&record, old)
                containers[index] = record
            }
        }
        let phase = status["phase"]?.string
        let mains = containers.filter { $0.role == .main }
        let hasFailedInit =
            manifest.restartPolicy == .never && containers.contains { $0.role == .initial && ($0.ending?.code ?? 0) != 0 }
        if phase == "Succeeded" || phase == "Failed" {
            (stage, wasOver) = (.finished, true)
        } else if hasFailedInit || mains.allSatisfy({ $0.ending != nil && !restarts($0) }) {
            stage = .finished
            addresses = (status["podIPs"]?.array ?? []).compactMap { IPAddress($0["ip"]?.string ?? "") }
        } else {
            // A new sandbox has nothing of what init containers did in the old one.
            startAnew()
        }
    }

    private func recall(_ record: inout ContainerRecord, _ old: JSONValue) {
        record.restarts = Int(old["restartCount"]?.number?.integer ?? 0)
        record.lastEnding = (old["lastState"]?["terminated"]).map(ending)
        var last: ContainerRecord.Ending
        if let terminated = old["state"]?["terminated"] {
            last = ending(terminated)
        } else if let running = old["state"]?["running"] {
            last = ContainerRecord.Ending(
                code: 137, reason: "ContainerStatusUnknown",
                message: "the container ran when the node's kubelet ended, and how it ended is not known",
                startedAt: running["startedAt"]?.string.flatMap { Moment($0) }, finishedAt: now,
                id: Self.id(old["containerID"]))
        } else {
            return
        }
        if last.id.isEmpty { last.id = Self.id(old["containerID"]) }
        (record.id, record.image) = (last.id, old["imageID"]?.string ?? "")
        record.state = .terminated(last)
        guard restarts(record) else { return }
        // Its next start is counted already.
        (record.state, record.lastEnding) = (.waiting(reason: "ContainerCreating", message: ""), last)
        (record.restarts, record.isTrying) = (record.restarts + 1, true)
    }

    private func ending(_ tree: JSONValue) -> ContainerRecord.Ending {
        ContainerRecord.Ending(
            code: Int32(clamping: tree["exitCode"]?.number?.integer ?? 0), reason: tree["reason"]?.string ?? "",
            message: tree["message"]?.string ?? "", startedAt: tree["startedAt"]?.string.flatMap { Moment($0) },
            finishedAt: tree["finishedAt"]?.string.flatMap { Moment($0) } ?? now, id: Self.id(tree["containerID"]))
    }

    /// Without the runtime's name.
    private static func id(_ value: JSONValue?) -> String {
        let text = value?.string ?? ""
        return text.hasPrefix("tulle://") ? String(text.dropFirst("tulle://".count)) : text
    }

    var phase: String {
        if isPastDeadline, !containers.contains(where: \.isAlive) { return "Failed" }
        let mains = containers.filter { $0.role == .main }
        let endings = mains.compactMap(\.ending)
        if stage == .finished || stage == .ended || stage == .detaching || stage == .removing || stage == .stopping,
            after != .restart
        {
            let hasFailedInit = containers.contains { $0.role == .initial && ($0.ending?.code ?? 0) != 0 }
            if hasFailedInit { return "Failed" }
            if endings.count == mains.count { return endings.allSatisfy { $0.code == 0 } ? "Succeeded" : "Failed" }
            if stage == .ended { return "Failed" }
        }
        return mains.allSatisfy(\.hasRun) ? "Running" : "Pending"
    }

    mutating func writeStatus() {
        guard !wasOver, !isGone else { return }
        let status = self.status()
        guard status != written else { return }
        written = status
        unheard.append(StatusDigest(status))
        if unheard.count > 16 { unheard.removeFirst() }
        // A status that is not the last of this round would only be written over.
        orders.removeAll { if case .write = $0 { true } else { false } }
        let place = orders.firstIndex(of: .removeObject) ?? orders.endIndex
        orders.insert(.write(status), at: place)
    }

    /// The API tells what the status is there. When somebody else wrote over ours (the controller of nodes does, while this node
    /// is not heard of), ours is said again.
    mutating func hear(_ status: JSONValue) {
        guard let written else { return }
        let (told, own) = (StatusDigest(status), StatusDigest(written))
        if told == own {
            unheard = []
        } else if !unheard.contains(told) {
            // What we say again turns at this moment: whoever wrote the other thing sees that it was answered.
            for (type, isTrue) in own.conditions where told.conditions[type] != isTrue { transitions[type] = (isTrue, now) }
            (self.written, unheard) = (nil, [])
        }
    }

    private mutating func status() -> JSONValue {
        var status: JSONObject = ["phase": .string(phase), "conditions": .array(conditions())]
        if let first = settings.nodeAddresses.first {
            status["hostIP"] = .string("\(first)")
            status["hostIPs"] = .array(settings.nodeAddresses.map { ["ip": .string("\($0)")] })
        }
        if let first = addresses.first {
            status["podIP"] = .string("\(first)")
            status["podIPs"] = .array(addresses.map { ["ip": .string("\($0)")] })
        }
        status["startTime"] = .string(startTime)
        if isPastDeadline, phase == "Failed" {
            (status["reason"], status["message"]) = ("DeadlineExceeded", .string(Self.deadlineMessage))
        }
        status["qosClass"] = .string(manifest.qualityOfService)
        let initial = containers.filter { $0.role != .main }
        if !initial.isEmpty { status["initContainerStatuses"] = .array(initial.map(containerStatus)) }
        status["containerStatuses"] = .array(containers.filter { $0.role == .main }.map(containerStatus))
        return .object(status)
    }

    var startTime: String {
        // The first that was written stays.
        manifest.status["startTime"]?.string ?? written?["startTime"]?.string ?? now.description
    }
}

// MARK: - Conditions

extension PodWorker {
    static let own = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]

    private mutating func conditions() -> [JSONValue] {
        let initial = containers.filter { $0.role != .main }
        let mains = containers.filter { $0.role == .main }
        let pending = initial.filter { $0.role == .sidecar ? !$0.hasStarted : $0.ending?.code != 0 }
        let unready = (mains + initial.filter { $0.role == .sidecar }).filter { !($0.isRunning && $0.isReady) }
        let isOver = phase == "Succeeded" || phase == "Failed"
        let isInitialized = pending.isEmpty || phase == "Succeeded"
        let gates = (manifest.tree["spec"]?["readinessGates"]?.array ?? []).compactMap { $0["conditionType"]?.string }
        let others = (manifest.status["conditions"]?.array ?? []).filter { !Self.own.contains($0["type"]?.string ?? "") }
        let closed = gates.filter { gate in !others.contains { $0["type"]?.string == gate && $0["status"]?.string == "True" } }
        func names(_ records: [ContainerRecord]) -> String { records.map(\.name).joined(separator: " ") }
        let completed = ("PodCompleted", "")
        let why: (String, String) =
            phase == "Succeeded"
            ? completed
            : isOver ? ("PodFailed", "") : ("ContainersNotReady", "containers with unready status: [\(names(unready))]")
        let areReady = unready.isEmpty && !isOver
        let whyNotReady = areReady ? ("ReadinessGatesNotReady", "the status of pod readiness gate \(closed) is not True") : why
        return [
            condition("PodReadyToStartContainers", hasSandbox && (!addresses.isEmpty || manifest.usesHostNetwork)),
            condition(
                "Initialized", isInitialized,
                phase == "Succeeded"
                    ? completed : ("ContainersNotInitialized", "containers with incomplete status: [\(names(pending))]"),
                always: phase == "Succeeded"),
            condition("Ready", areReady && closed.isEmpty, whyNotReady),
            condition("ContainersReady", areReady, why),
            condition("PodScheduled", true),
        ]
    }

    private mutating func condition(
        _ type: String, _ isTrue: Bool, _ why: (reason: String, message: String) = ("", ""), always: Bool = false
    ) -> JSONValue {
        if transitions[type]?.status != isTrue { transitions[type] = (isTrue, now) }
        var condition: JSONObject = [
            "type": .string(type), "status": .string(isTrue ? "True" : "False"), "lastProbeTime": nil,
            "lastTransitionTime": .string(transitions[type]?.since.description ?? ""),
        ]
        if type == "PodScheduled", let old = old(type)?["lastTransitionTime"] { condition["lastTransitionTime"] = old }
        if !isTrue || always {
            if !why.reason.isEmpty { condition["reason"] = .string(why.reason) }
            if !why.message.isEmpty { condition["message"] = .string(why.message) }
        }
        return .object(condition)
    }

    private func old(_ type: String) -> JSONValue? {
        manifest.status["conditions"]?.array?.first { $0["type"]?.string == type }
    }
}

// MARK: - Containers

extension PodWorker {
    private func containerStatus(_ record: ContainerRecord) -> JSONValue {
        var status: JSONObject = [
            "name": .string(record.name), "image": .string(record.manifest.image),
            "imageID": .string(record.image), "ready": .bool(isReady(record)), "started": .bool(record.hasStarted),
            "restartCount": .number(JSONNumber(Int64(record.restarts))), "lastState": [:],
        ]
        if !record.id.isEmpty { status["containerID"] = .string("tulle://\(record.id)") }
        switch record.state {
        case .waiting(let reason, let message):
            var waiting: JSONObject = ["reason": .string(waitingReason(record, reason))]
            if !message.isEmpty { waiting["message"] = .string(message) }
            status["state"] = ["waiting": .object(waiting)]
        case .running(let since): status["state"] = ["running": ["startedAt": .string(since.description)]]
        case .terminated(let ending): status["state"] = ["terminated": Self.terminated(ending)]
        }
        if let ending = record.lastEnding, record.ending != ending {
            status["lastState"] = ["terminated": Self.terminated(ending)]
        }
        return .object(status)
    }

    /// An init container is ready when it has done its work.
    private func isReady(_ record: ContainerRecord) -> Bool {
        record.role == .initial ? record.ending?.code == 0 : record.isRunning && record.isReady
    }

    func waitingReason(_ record: ContainerRecord, _ reason: String) -> String {
        guard reason == "ContainerCreating", record.run == 0, !manifest.initContainers.isEmpty else { return reason }
        return "PodInitializing"
    }

    private static func terminated(_ ending: ContainerRecord.Ending) -> JSONValue {
        var terminated: JSONObject = [
            "exitCode": .number(JSONNumber(Int64(ending.code))), "reason": .string(ending.reason),
            "finishedAt": .string(ending.finishedAt.description), "containerID": .string("tulle://\(ending.id)"),
        ]
        if let startedAt = ending.startedAt { terminated["startedAt"] = .string(startedAt.description) }
        if !ending.message.isEmpty { terminated["message"] = .string(ending.message) }
        return .object(terminated)
    }
}

/// What is a kubelet's to say in a pod's status, by its meaning: two that differ in it contradict each other.
struct StatusDigest: Hashable, Sendable {
    struct Container: Hashable, Sendable {
        var state: String
        var isReady: Bool
        var restarts: Int64
    }

    var phase: String
    /// Whether each condition that a kubelet sets is true.
    var conditions: [String: Bool] = [:]
    var containers: [String: Container] = [:]
    var addresses: [String] = []

    init(_ status: JSONValue) {
        phase = status["phase"]?.string ?? ""
        for condition in status["conditions"]?.array ?? [] {
            guard let type = condition["type"]?.string, PodWorker.own.contains(type) else { continue }
            conditions[type] = condition["status"]?.string == "True"
        }
        for list in ["initContainerStatuses", "containerStatuses"] {
            for entry in status[list]?.array ?? [] {
                containers[entry["name"]?.string ?? ""] = Container(
                    state: entry["state"]?.object?.members.first?.key ?? "", isReady: entry["ready"]?.bool ?? false,
                    restarts: entry["restartCount"]?.number?.integer ?? 0)
            }
        }
        addresses = (status["podIPs"]?.array ?? []).compactMap { $0["ip"]?.string }
    }
}
