import KubeAPI
public import KubeClient
public import Logging
import Reconcile
public import ServiceLifecycle

/// The kubelet of one node against an API server: registers the node, keeps its lease and its status, and runs the pods that are
/// bound to it.
///
/// The node is Ready when the plugin answers STATUS. It ends when its task is cancelled or the service group shuts down; its pods'
/// processes end with it, their objects stay, and a service that is started again takes them up.
public struct KubeletService: ServiceLifecycle.Service {
    /// What the node is, apart from its network.
    public struct Facts: Hashable, Sendable {
        public var processors: Int
        /// In bytes.
        public var memory: Int
        /// As `uname -r` says it.
        public var kernelVersion: String
        public var machineID: String
        public var bootID: String
        /// Further labels of the node, such as its zone.
        public var labels: [String: String]

        public init(
            processors: Int, memory: Int, kernelVersion: String, machineID: String = "", bootID: String = "",
            labels: [String: String] = [:]
        ) {
            (self.processors, self.memory, self.kernelVersion) = (processors, memory, kernelVersion)
            (self.machineID, self.bootID, self.labels) = (machineID, bootID, labels)
        }
    }

    private let host: NodeHost
    private let client: APIClient
    private let facts: Facts
    private let circumstances: Circumstances
    private let logger: Logger
    private let recorder: EventRecorder
    /// For those who look into its containers: ``PodStreams``.
    public let kubelet: Kubelet

    /// - Parameter factor: what a kubelet's waits after failures are multiplied by.
    public init(
        host: NodeHost, client: APIClient, facts: Facts, factor: Double = 1, circumstances: Circumstances, logger: Logger
    ) {
        (self.host, self.client, self.facts) = (host, client, facts)
        (self.circumstances, self.logger) = (circumstances, logger)
        recorder = EventRecorder(
            EventAggregator(component: "kubelet", host: host.name), client: client, now: circumstances.timestamp, logger: logger)
        kubelet = Kubelet(
            host: host, factor: factor, api: KubeletClient(client: client, recorder: recorder, logger: logger),
            now: circumstances.now)
    }

    public var node: String { host.name }

    /// Makes the Node object, before the kubelet works; until the task is cancelled.
    func register() async { _ = await post.register() }

    private var post: NodePost {
        NodePost(host: host, facts: facts, client: client, circumstances: circumstances, logger: logger)
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await work() }
    }
}

extension KubeletService {
    private func work() async {
        let pods = client.source(
            [.init(Kinds.resource(Kinds.pod), fieldSelector: "spec.nodeName=\(host.name)")], registry: Registry([]),
            backoff: .local)
        await withDiscardingTaskGroup { group in
            group.addTask { await kubelet.run() }
            group.addTask { await recorder.run() }
            group.addTask { await pods.run() }
            group.addTask { await keepNode() }
            for await batch in pods.events { for event in batch.events { take(event) } }
            group.cancelAll()
        }
    }

    private func take(_ event: ObjectEvent) {
        switch event {
        case .listed(let objects):
            for object in objects { tell(object) }
            kubelet.tell(.synced)
        case .added(let object), .modified(let object): tell(object)
        case .deleted(let key, let uid): kubelet.tell(.gone(PodKey(namespace: key.namespace, name: key.name, uid: uid)))
        case .faults(let faults):
            logger.debug("following pods", metadata: ["node": "\(node)", "faults": "\(faults.map(\.description))"])
        }
    }

    private func tell(_ object: any KubernetesObject) {
        if let tree = object.tree { kubelet.tell(.present(tree)) }
    }
}

// MARK: - The node

extension KubeletService {
    /// A node that somebody deletes is made again, with a lease of its own.
    private func keepNode() async {
        while !Task.isCancelled {
            var post = post
            // The lease belongs to the node and goes with it, so the node comes first.
            guard let uid = await post.register() else { return }
            let owner: JSONValue = ["apiVersion": "v1", "kind": "Node", "name": .string(node), "uid": .string(uid)]
            let keeper = LeaseKeeper(
                LeaseRenewal(name: node, holder: node, duration: NodeHeartbeat.leaseDuration, owner: owner), client: client,
                clock: circumstances.clock, now: circumstances.timestamp, random: circumstances.random, logger: logger)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await keeper.run() }
                await post.run(uid)
                group.cancelAll()
            }
        }
    }
}
