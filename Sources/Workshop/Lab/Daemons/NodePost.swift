import Addressing
import CNI
import KubeAPI
import KubeClient
import Logging

/// Says of a node what it is and how it is: at the start, when it changes, every few minutes, and when somebody else said
/// something else.
struct NodePost {
    let host: NodeHost
    let facts: KubeletService.Facts
    let client: APIClient
    let circumstances: Circumstances
    let logger: Logger
    private var fault: String? = Self.starting
    private var posted: Moment?
    private var addresses: [IPAddress] = []
    /// When the node was last read.
    private var looked: Moment?
    private var impatience = Self.shortest

    init(host: NodeHost, facts: KubeletService.Facts, client: APIClient, circumstances: Circumstances, logger: Logger) {
        (self.host, self.facts, self.client) = (host, facts, client)
        (self.circumstances, self.logger) = (circumstances, logger)
    }

    /// As kubelet: a status in which nothing changed is said again after five minutes.
    private static let repetition = Duration.seconds(300)
    /// How often the node is read: the controller of nodes may have given it up while this machine slept.
    private static let review = Duration.seconds(10)
    /// How often the plugin is asked: soon while it is not ready, for nothing else tells when it is; then ever more slowly, for
    /// each time is a process.
    private static let (shortest, longest, calm) = (Duration.milliseconds(100), Duration.seconds(2), Duration.seconds(5))
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

    /// Until the task is cancelled, or the node is not there any more, or is another one.
    ///
    /// - Parameter uid: the node's, as ``register()`` gave it.
    mutating func run(_ uid: String) async {
        while !Task.isCancelled {
            let now = circumstances.now()
            let fault = await fault()
            if Task.isCancelled { return }
            do {
                if looked.map({ now - $0 >= Self.review }) ?? true {
                    if try await isContradicted(uid) { posted = nil }
                    looked = now
                }
                if posted == nil || fault != self.fault || addresses != host.addresses
                    || posted.map({ now - $0 >= Self.repetition }) ?? true
                {
                    let heartbeat = heartbeat
                    try await post(heartbeat, fault, to: uid, at: now)
                    (self.fault, addresses, posted) = (fault, heartbeat.addresses, now)
                }
            } catch is Gone {
                return
            } catch APIFailure.notFound {
                return
            } catch {
                logger.debug("the node's status was not written", metadata: ["node": "\(host.name)", "failure": "\(error)"])
                (posted, looked) = (nil, nil)
                try? await circumstances.sleep(Self.retry)
                continue
            }
            impatience = fault == nil ? Self.shortest : min(impatience * 2, Self.longest)
            await rest(fault == nil ? Self.calm : impatience)
        }
    }

    /// Until then, or until the node has other addresses.
    private func rest(_ time: Duration) async {
        await withTaskGroup(of: Void.self) { [circumstances, location = host.location] group in
            group.addTask { try? await circumstances.sleep(time) }
            group.addTask { await location.moved() }
            await group.next()
            group.cancelAll()
        }
    }

    private struct Gone: Error {}

    /// Whether the API says of the node's readiness what was not said here.
    private func isContradicted(_ uid: String) async throws -> Bool {
        guard posted != nil else { return false }
        let node = try await client.get(Self.nodes, host.name)
        guard node[field: "metadata", "uid"]?.string == uid else { throw Gone() }
        let ready = node[field: "status", "conditions"]?.array?.first { $0["type"]?.string == "Ready" }
        return ready?["status"]?.string != (fault == nil ? "True" : "False")
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

    private func post(_ heartbeat: NodeHeartbeat, _ fault: String?, to uid: String, at now: Moment) async throws {
        try await client.modify(Self.nodes, host.name, subresource: .status) { tree in
            guard tree[field: "metadata", "uid"]?.string == uid else { throw Gone() }
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
