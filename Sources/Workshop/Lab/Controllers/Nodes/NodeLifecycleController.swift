public import KubeAPI

/// Watches over nodes: one whose kubelet is silent becomes Unknown, its state becomes taints, and pods that were Ready when it
/// turned are Ready no longer. What a kubelet says of a pod after that stands.
public struct NodeLifecycleController: Controller {
    public static let name = "node-controller"
    public let kinds = [Kinds.node, Kinds.lease, Kinds.pod]

    /// How long a kubelet may be silent.
    private let grace: Duration

    /// - Parameter grace: Kubernetes' default is 50 s.
    public init(grace: Duration = .seconds(50)) { self.grace = grace }

    static let leaseNamespace = "kube-node-lease"

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.node) { return [change.key] }
        if change.key.isOf(Kinds.lease) {
            // A beat of a node in good health only puts off a look that comes anyway.
            guard change.key.namespace == Self.leaseNamespace, let node = world[Kinds.node, "", change.key.name],
                node.condition("Ready")?["status"]?.string != "True"
            else { return [] }
            return [node.key]
        }
        guard let pod = change.new, pod.isReadyPod, !pod.nodeName.isEmpty, change.old?.isReadyPod != true else { return [] }
        return [ObjectKey(Kinds.node, name: pod.nodeName)]
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let node = world[key], !node.isBeingDeleted else { return Outcome() }
        var outcome = Outcome()
        let deadline = lastSeen(node, in: world) + grace
        if deadline <= now {
            let status = silenced(node, at: now)
            outcome.setStatus(status, of: node)
            if !outcome.writes.isEmpty {
                outcome.note(node, "NodeNotReady", "Node \(node.name) status is now: NodeNotReady", by: Self.self)
                return outcome
            }
        } else {
            outcome.look(at: deadline, from: now)
        }
        let tree = tainted(node, at: now)
        if tree != node.tree { outcome.writes.append(.update(tree)) }
        if node.condition("Ready")?["status"]?.string != "True" { unready(node, in: world, at: now, &outcome) }
        return outcome
    }

    /// The newest sign of life: the lease, or the node's own status.
    private func lastSeen(_ node: Item, in world: World) -> Moment {
        let renewed = world[Kinds.lease, Self.leaseNamespace, node.name]?.spec["renewTime"]?.string
        let told = node.condition("Ready").flatMap {
            $0["reason"]?.string == Self.silence ? nil : $0["lastHeartbeatTime"]?.string
        }
        return [renewed, told].compactMap { $0.flatMap(Moment.init) }.reduce(node.createdAt, max)
    }

    private static let silence = "NodeStatusUnknown"

    private func silenced(_ node: Item, at now: Moment) -> JSONValue {
        var conditions = ConditionList(node.status)
        for type in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            let known = conditions[type]
            if known?["status"]?.string == "Unknown" { continue }
            let (reason, message) =
                known == nil
                ? ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
                : (Self.silence, "Kubelet stopped posting node status.")
            conditions.set(type, "Unknown", reason: reason, message: message, at: now, heartbeat: known?["lastHeartbeatTime"])
        }
        var status = node.status
        status[field: "conditions"] = .array(conditions.entries)
        return status
    }

    private func unready(_ node: Item, in world: World, at now: Moment, _ outcome: inout Outcome) {
        // A node that never said anything has pods of which a kubelet speaks, or none.
        guard let turn = node.condition("Ready")?["lastTransitionTime"]?.string.flatMap(Moment.init) else { return }
        for pod in world.pods(on: node.name) where pod.isReadyPod && pod.readySince.map({ $0 < turn }) ?? true {
            var (status, conditions) = (pod.status, ConditionList(pod.status))
            conditions.set("Ready", "False", reason: "NodeLost", message: "Node \(node.name) is not ready", at: now)
            status[field: "conditions"] = .array(conditions.entries)
            outcome.setStatus(status, of: pod)
            outcome.note(pod, "NodeNotReady", "Node is not ready", .warning, by: Self.self)
        }
    }
}

// MARK: - Taints

extension NodeLifecycleController {
    private static let prefix = "node.kubernetes.io/"

    /// Conditions that keep new pods away while they are true.
    private static let pressures = [
        "MemoryPressure": "memory-pressure", "DiskPressure": "disk-pressure", "PIDPressure": "pid-pressure",
        "NetworkUnavailable": "network-unavailable",
    ]

    private func tainted(_ node: Item, at now: Moment) -> JSONValue {
        var wanted: [(key: String, effect: String)] = []
        switch node.condition("Ready")?["status"]?.string {
        case "True": break
        case "False": wanted += [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]
        case "Unknown": wanted += [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
        default: wanted += [("not-ready", "NoSchedule")]
        }
        if node.spec["unschedulable"]?.bool == true { wanted.append(("unschedulable", "NoSchedule")) }
        for (condition, taint) in Self.pressures.sorted(by: { $0.key < $1.key })
        where node.condition(condition)?["status"]?.string == "True" {
            wanted.append((taint, "NoSchedule"))
        }
        let present = node.spec["taints"]?.array ?? []
        func key(_ taint: JSONValue) -> String { "\(taint["key"]?.string ?? "")=\(taint["effect"]?.string ?? "")" }
        let names = wanted.map { "\(Self.prefix)\($0.key)=\($0.effect)" }
        var taints = present.filter { !Self.isOurs($0) || names.contains(key($0)) }
        for (entry, name) in zip(wanted, names) where !taints.contains(where: { key($0) == name }) {
            var taint: JSONValue = ["key": .string(Self.prefix + entry.key), "effect": .string(entry.effect)]
            taint[field: "timeAdded"] = .string(now.description)
            taints.append(taint)
        }
        // People leave out when they put one there, and it has to be known how long pods have borne it.
        for index in taints.indices
        where taints[index]["effect"]?.string == "NoExecute" && taints[index][field: "timeAdded"] == nil {
            taints[index][field: "timeAdded"] = .string(now.description)
        }
        guard taints != present else { return node.tree }
        var tree = node.tree
        tree[field: "spec", "taints"] = taints.isEmpty ? nil : .array(taints)
        return tree
    }

    /// Taints that follow a node's state; those that people put there are theirs.
    private static func isOurs(_ taint: JSONValue) -> Bool {
        guard let key = taint["key"]?.string, key.hasPrefix(prefix) else { return false }
        let name = String(key.dropFirst(prefix.count))
        switch taint["effect"]?.string {
        case "NoSchedule": return ["not-ready", "unreachable", "unschedulable"].contains(name) || pressures.values.contains(name)
        case "NoExecute": return ["not-ready", "unreachable"].contains(name)
        default: return false
        }
    }
}
