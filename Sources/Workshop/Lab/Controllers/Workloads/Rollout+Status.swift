import KubeAPI

extension Rollout {
    /// Writes the status, unless the Deployment itself is being written: then the next look does.
    mutating func report() {
        let isWritten = outcome.writes.contains { $0.key == deployment.key }
        var status = counters
        var conditions = ConditionList(deployment.status)
        judgeAvailability(&conditions, status)
        judgeProgress(&conditions, status)
        status[field: "conditions"] = .array(conditions.entries)
        if let collisions { status[field: "collisionCount"] = JSONValue(collisions) }
        guard !isWritten else { return }
        outcome.setStatus(status, of: deployment)
    }

    private var counters: JSONValue {
        func sum(_ name: String) -> Int { sets.reduce(0) { $0 + $1.counter(name) } }
        let available = sum("availableReplicas")
        var status = deployment.status
        func count(_ name: String, _ number: Int) { status[field: name] = number == 0 ? nil : JSONValue(number) }
        status[field: "observedGeneration"] = JSONValue(Int(deployment.metadata.generation))
        count("replicas", sum("replicas"))
        count("updatedReplicas", newest?.counter("replicas") ?? 0)
        count("readyReplicas", sum("readyReplicas"))
        count("availableReplicas", available)
        count("unavailableReplicas", max(0, sets.reduce(0) { $0 + $1.replicas } - available))
        return status
    }

    private func judgeAvailability(_ conditions: inout ConditionList, _ status: JSONValue) {
        let isEnough = (status["availableReplicas"]?.integer ?? 0) >= deployment.replicas - bounds.unavailable
        let reason = isEnough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable"
        let message = "Deployment \(isEnough ? "has" : "does not have") minimum availability."
        let known = conditions["Available"]
        let wanted = isEnough ? "True" : "False"
        if known?["status"]?.string == wanted, known?["reason"]?.string == reason { return }
        conditions.set("Available", wanted, reason: reason, message: message, at: now, updateTime: true)
    }
}

// MARK: - Progress

extension Rollout {
    private mutating func judgeProgress(_ conditions: inout ConditionList, _ status: JSONValue) {
        let known = conditions["Progressing"]
        let reason = known?["reason"]?.string
        func set(_ status: String, _ reason: String, _ message: String) {
            conditions.set("Progressing", status, reason: reason, message: message, at: now, updateTime: true)
        }
        // Without a deadline nobody judges.
        guard let deadline = deployment.spec["progressDeadlineSeconds"].map({ $0.integer ?? 600 }), deadline != Int(Int32.max)
        else {
            return conditions.remove("Progressing")
        }
        if isPaused {
            if reason != "DeploymentPaused" { set("Unknown", "DeploymentPaused", "Deployment is paused") }
            return
        }
        if reason == "DeploymentPaused" { return set("Unknown", "DeploymentResumed", "Deployment is resumed") }
        if known == nil, let newest { return begin(newest, since: deployment.createdAt, set) }
        let subject = newest.map { "ReplicaSet \"\($0.name)\"" } ?? "Deployment \"\(deployment.name)\""
        if isComplete(status) {
            if reason != "NewReplicaSetAvailable" {
                set("True", "NewReplicaSetAvailable", "\(subject) has successfully progressed.")
            }
            return
        }
        // A rollout that was complete and lost a pod has no deadline, as long as nothing new is asked.
        if reason == "NewReplicaSetAvailable", status["replicas"] == status["updatedReplicas"] { return }
        // A rollout begins, and its time with it: the last one's is not its own.
        if reason == "NewReplicaSetAvailable" {
            guard let newest else { return }
            return begin(newest, since: known?["lastUpdateTime"]?.string.flatMap(Moment.init) ?? deployment.createdAt, set)
        }
        if hasProgressed(to: status) { return set("True", "ReplicaSetUpdated", "\(subject) is progressing.") }
        if reason == "ProgressDeadlineExceeded" { return }
        let since = known?["lastUpdateTime"]?.string.flatMap(Moment.init) ?? now
        if since + .seconds(deadline) < now {
            set("False", "ProgressDeadlineExceeded", "\(subject) has timed out progressing.")
        } else {
            outcome.look(at: since + .seconds(deadline + 1), from: now)
        }
    }

    /// - Parameter time: a set that is older was there before: a rollback found it.
    private func begin(_ newest: Item, since time: Moment, _ set: (String, String, String) -> Void) {
        let isNew = newest.createdAt >= time
        set(
            "True", isNew ? "NewReplicaSetCreated" : "FoundNewReplicaSet",
            "\(isNew ? "Created" : "Found") new replica set \"\(newest.name)\"")
    }

    private func isComplete(_ status: JSONValue) -> Bool {
        func count(_ name: String) -> Int { status[name]?.integer ?? 0 }
        return newest != nil && count("updatedReplicas") == deployment.replicas && count("replicas") == deployment.replicas
            && count("availableReplicas") == deployment.replicas
    }

    private func hasProgressed(to status: JSONValue) -> Bool {
        func change(_ name: String) -> Int { (status[name]?.integer ?? 0) - deployment.counter(name) }
        return change("updatedReplicas") > 0 || change("replicas") < change("updatedReplicas") || change("readyReplicas") > 0
            || change("availableReplicas") > 0
    }
}
