import KubeAPI

extension Printer {
    static let pod = Printer([
        Table.Column("Ready"), Table.Column("Status"), Table.Column("Restarts"), .age, .wide("IP"), .wide("Node"),
        .wide("Nominated Node"), .wide("Readiness Gates"),
    ]) { pod, now in
        let summary = PodSummary(pod, now)
        func shown(_ value: JSONValue?) -> JSONValue { value?.string.map { $0.isEmpty ? "<none>" : .string($0) } ?? "<none>" }
        let gates = pod.at("spec", "readinessGates")?.objects ?? []
        let conditions = pod.at("status", "conditions")?.objects ?? []
        let met = gates.count { gate in
            conditions.contains { $0["type"] == gate["conditionType"] && $0["status"] == "True" }
        }
        return [
            .string("\(summary.ready)/\(summary.total)"), .string(summary.status), .string(summary.restarts),
            .string(pod.age(now)), shown(pod.at("status", "podIP") ?? pod.at("status", "podIPs")?.objects.first?["ip"]),
            shown(pod.at("spec", "nodeName")), shown(pod.at("status", "nominatedNodeName")),
            gates.isEmpty ? "<none>" : .string("\(met)/\(gates.count)"),
        ]
    }
}

/// What kubectl says of a pod in one word, and how far its containers are.
///
/// The word is the phase, unless a container has more to say: why it waits, or how it ended. While init containers run, theirs
/// goes before (`Init:0/1`); at the end of all, going away is said first (`Terminating`).
struct PodSummary {
    private(set) var status: String
    private(set) var ready = 0
    private(set) var total: Int
    private var restartCount: Int64 = 0
    private var lastRestart: Timestamp?
    private let now: Timestamp

    /// `3 (5m ago)`.
    var restarts: String {
        guard restartCount > 0, let lastRestart else { return "\(restartCount)" }
        return "\(restartCount) (\(Age.text(now.seconds - lastRestart.seconds)) ago)"
    }

    init(_ pod: JSONValue, _ now: Timestamp) {
        self.now = now
        let sidecars = Set(
            (pod.at("spec", "initContainers")?.objects ?? []).filter { $0["restartPolicy"] == "Always" }.map { $0.string("name") }
        )
        total = (pod.at("spec", "containers")?.array?.count ?? 0) + sidecars.count
        let reason = pod.at("status", "reason")?.string ?? ""
        status = reason.isEmpty ? pod.at("status", "phase")?.string ?? "" : reason
        let conditions = pod.at("status", "conditions")?.objects ?? []
        if conditions.contains(where: { $0["type"] == "PodScheduled" && $0["reason"] == "SchedulingGated" }) {
            status = "SchedulingGated"
        }
        let isInitializing = initContainers(pod, sidecars)
        let isInitialized = conditions.contains { $0["type"] == "Initialized" && $0["status"] == "True" }
        if !isInitializing || isInitialized { containers(pod, conditions) }
        if pod.at("metadata", "deletionTimestamp") != nil {
            status = reason == "NodeLost" ? "Unknown" : Self.isOver(pod) ? status : "Terminating"
        }
    }

    private static func isOver(_ pod: JSONValue) -> Bool {
        ["Failed", "Succeeded"].contains(pod.at("status", "phase")?.string ?? "")
    }

    /// Says whether they are still at it.
    private mutating func initContainers(_ pod: JSONValue, _ sidecars: Set<String>) -> Bool {
        let count = pod.at("spec", "initContainers")?.array?.count ?? 0
        for (position, container) in (pod.at("status", "initContainerStatuses")?.objects ?? []).enumerated() {
            note(container)
            let isSidecar = sidecars.contains(container.string("name"))
            let state = container["state"] ?? [:]
            if let end = state.at("terminated") {
                if end["exitCode"]?.integer == 0 { continue }
                status = "Init:\(Self.ending(end))"
            } else if isSidecar, container["started"]?.bool == true {
                if container["ready"]?.bool == true { ready += 1 }
                continue
            } else if let reason = state.at("waiting", "reason")?.string, !reason.isEmpty, reason != "PodInitializing" {
                status = "Init:\(reason)"
            } else {
                status = "Init:\(position)/\(count)"
            }
            return true
        }
        return false
    }

    private mutating func containers(_ pod: JSONValue, _ conditions: [JSONObject]) {
        restartCount = 0
        lastRestart = nil
        var isRunning = false
        // The first container has the last word.
        for container in (pod.at("status", "containerStatuses")?.objects ?? []).reversed() {
            note(container)
            let state = container["state"] ?? [:]
            if let reason = state.at("waiting", "reason")?.string, !reason.isEmpty {
                status = reason
            } else if let end = state.at("terminated") {
                status = Self.ending(end)
            } else if container["ready"]?.bool == true, state.at("running") != nil {
                isRunning = true
                ready += 1
            }
        }
        // One container is done and another runs: the pod is not done.
        guard status == "Completed", isRunning else { return }
        let isReady = conditions.contains { $0["type"] == "Ready" && $0["status"] == "True" }
        status = isReady ? "Running" : "NotReady"
    }

    private static func ending(_ end: JSONValue) -> String {
        if let reason = end["reason"]?.string, !reason.isEmpty { return reason }
        if let signal = end["signal"]?.integer, signal != 0 { return "Signal:\(signal)" }
        return "ExitCode:\(end["exitCode"]?.integer ?? 0)"
    }

    private mutating func note(_ container: JSONObject) {
        restartCount += container["restartCount"]?.integer ?? 0
        let end = container["lastState"]?.at("terminated", "finishedAt")?.string.flatMap(Timestamp.init)
        if let end, lastRestart.map({ $0 < end }) ?? true { lastRestart = end }
    }
}
