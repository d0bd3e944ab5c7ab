import CNI
import KubeAPI
import KubeClient
import Logging

/// Says of a node what it is and how it is: at the start, when it changes, and every few minutes.
struct NodePost {
    let host: NodeHost
    let facts: KubeletService.Facts
    let client: APIClient
    let circumstances: Circumstances
    let logger: Logger
    private var fault: String? = Self.starting
    private var posted: Moment?

    init(host: NodeHost, facts: KubeletService.Facts, client: APIClient, circumstances: Circumstances, logger: Logger) {
        (self.host, self.facts, self.client) = (host, facts, client)
        (self.circumstances, self.logger) = (circumstances, logger)
    }

    /// As kubelet: a status in which nothing changed is said again after five minutes.
    private static let repetition = Duration.seconds(300)
    /// How often the plugin is asked: soon while it is not ready, for nothing else tells when it is.
    private static let (impatience, calm) = (Duration.milliseconds(100), Duration.seconds(5))
    private static let retry = Duration.milliseconds(500)
    private static let nodes = Kinds.resource(Kinds.node)
    private static let starting = Self.words("cni plugin not initialized")

    private static func words(_ fault: String) -> String {
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
            + "message:Network plugin returns error: \(fault)"
    }

    private var heartbeat: NodeHeartbeat {
        var heartbeat = NodeHeartbeat(
            name: host.name, addresses: host.addresses, processors: facts.processors, memory: facts.memory,
            kernelVersion: facts.kernelVersion)
        (heartbeat.machineID, heartbeat.bootID) = (facts.machineID, facts.bootID)
        return heartbeat
    }
}

extension NodePost {
    /// Makes the node, or gives the one that is there its labels.
    ///
    /// - Returns: its uid; `nil` when the task was cancelled.
    func register() async -> String? {
        while !Task.isCancelled {
            do {
                return try await registered()[field: "metadata", "uid"]?.string ?? ""
            } catch {
                logger.debug("the node is not registered yet", metadata: ["node": "\(host.name)", "failure": "\(error)"])
                try? await circumstances.sleep(Self.retry)
            }
        }
        return nil
    }

    private func registered() async throws -> JSONValue {
        var wanted = heartbeat.node()
        for (label, value) in facts.labels { wanted[field: "metadata", "labels", label] = .string(value) }
        // As admission does it: until its first word no pod is meant for it.
        wanted[field: "spec", "taints"] = [["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"]]
        do {
            let labels = wanted[field: "metadata", "labels"] ?? [:]
            return try await client.modify(Self.nodes, host.name) { tree in
                for member in labels.object?.members ?? [] { tree[field: "metadata", "labels", member.key] = member.value }
            }
        } catch APIFailure.notFound {
            return try await client.create(wanted, of: Self.nodes)
        }
    }

    /// Until the task is cancelled. A node that somebody deletes is made again.
    mutating func run() async {
        while !Task.isCancelled {
            let now = circumstances.now()
            let fault = await fault()
            if Task.isCancelled { return }
            if posted == nil || fault != self.fault || posted.map({ now - $0 >= Self.repetition }) ?? true {
                do {
                    try await post(fault, at: now)
                    (self.fault, posted) = (fault, now)
                } catch APIFailure.notFound {
                    _ = await register()
                    continue
                } catch {
                    logger.debug("the node's status was not written", metadata: ["node": "\(host.name)", "failure": "\(error)"])
                    posted = nil
                    try? await circumstances.sleep(Self.retry)
                    continue
                }
            }
            try? await circumstances.sleep(fault == nil ? Self.calm : Self.impatience)
        }
    }

    /// Why the node is not ready; `nil` when it is.
    private func fault() async -> String? {
        do {
            try await host.askStatus()
            return nil
        } catch {
            return Self.words("\(error)")
        }
    }

    private func post(_ fault: String?, at now: Moment) async throws {
        let heartbeat = heartbeat
        try await client.modify(Self.nodes, host.name, subresource: .status) { tree in
            let old = tree["status"] ?? [:]
            var status = heartbeat.status(at: now, fault: fault, previous: old)
            // What others say of the node stays: their conditions, and fields nobody here knows.
            let own = status["conditions"]?.array ?? []
            let types = Set(own.compactMap { $0["type"]?.string })
            let others = (old["conditions"]?.array ?? []).filter { !types.contains($0["type"]?.string ?? "") }
            status[field: "conditions"] = .array(own + others)
            for member in status.object?.members ?? [] { tree[field: "status", member.key] = member.value }
        }
    }
}
