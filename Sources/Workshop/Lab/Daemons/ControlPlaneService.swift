public import Addressing
import KubeAPI
public import KubeClient
public import Logging
import Reconcile
public import ServiceLifecycle

/// The cluster's controllers against an API server: follows what they need to know, carries out what they want.
///
/// It ends when its task is cancelled or the service group shuts down. A server that is away or has forgotten the place in its
/// history only delays it. At rest it writes nothing.
public struct ControlPlaneService: ServiceLifecycle.Service {
    /// What is decided for the cluster as a whole.
    public struct Settings: Sendable {
        /// The prefixes for pods, at most one a family, the primary one first. None: nodes get no prefixes here.
        public var pods: [NodePrefixController.Range]
        /// The prefixes for services, the primary one first. None: there is no service `kubernetes`.
        public var services: [IPPrefix]
        /// Where pods reach the API server.
        public var servers: [IPAddress]
        public var port: UInt16
        /// Of the CA that signed the server's certificate, as PEM: pods find it in `kube-root-ca.crt`.
        public var certificate: String
        /// How long a node may be silent before it counts as lost.
        public var nodeGrace = Duration.seconds(50)
        /// How long pods stay on a node that is lost.
        public var evictionPatience = Duration.seconds(300)
        /// How often everything is looked at though nothing was told.
        public var review = Duration.seconds(600)

        public init(
            pods: [NodePrefixController.Range], services: [IPPrefix], servers: [IPAddress], port: UInt16, certificate: String
        ) {
            (self.pods, self.services, self.servers) = (pods, services, servers)
            (self.port, self.certificate) = (port, certificate)
        }
    }

    private let client: APIClient
    private let settings: Settings
    private let circumstances: Circumstances
    private let logger: Logger

    public init(client: APIClient, settings: Settings, circumstances: Circumstances, logger: Logger) {
        (self.client, self.settings) = (client, settings)
        (self.circumstances, self.logger) = (circumstances, logger)
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await work() }
    }
}

extension ControlPlaneService {
    private var controllers: [any Controller] {
        var controllers: [any Controller] = [
            DeploymentController(), ReplicaSetController(), StatefulSetController(), DaemonSetController(),
            EndpointSliceController(), EndpointsController(), EndpointsMirrorController(),
            NamespaceFurnitureController(certificate: settings.certificate),
            NodeLifecycleController(grace: settings.nodeGrace), TaintEvictionController(patience: settings.evictionPatience),
            PodGarbageController(), Scheduler(),
        ]
        if !settings.pods.isEmpty { controllers.append(NodePrefixController(settings.pods)) }
        if let address = settings.services.first?.address(at: 1) {
            controllers.append(
                KubernetesServiceController(clusterIP: address, servers: settings.servers, port: settings.port))
        }
        return controllers
    }

    private func work() async {
        let controllers = controllers
        let recorders = Dictionary(controllers.map { type(of: $0).name }.map { ($0, recorder($0)) }) { $1 }
        let writer = APIWriter(client: client, recorders: recorders, circumstances: circumstances, logger: logger)
        let driver = ControllerDriver(
            controllers, writer: writer, seed: circumstances.seed, clock: circumstances.now,
            sleep: { [circumstances] in try await circumstances.sleep($0) })
        let source = client.source(
            driver.kinds.map { ServerObjectSource.Collection(Kinds.resource($0)) }, registry: Registry([]),
            backoff: .local)
        await withDiscardingTaskGroup { group in
            group.addTask { await source.run() }
            for recorder in recorders.values { group.addTask { await recorder.run() } }
            for await batch in source.events {
                for event in batch.events {
                    switch event {
                    case .listed(let objects):
                        await driver.learn(objects.compactMap(\.tree))
                        group.addTask { await driver.run() }
                        group.addTask { await review(driver) }
                    case .added(let object), .modified(let object): if let tree = object.tree { await driver.learn(tree) }
                    case .deleted(let key, let uid): await driver.forget(key, uid: uid)
                    case .faults(let faults):
                        logger.debug("following the server", metadata: ["faults": "\(faults.map(\.description))"])
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func recorder(_ component: String) -> EventRecorder {
        EventRecorder(
            EventAggregator(component: component), client: client, now: circumstances.timestamp, logger: logger)
    }

    private func review(_ driver: ControllerDriver) async {
        while true {
            do { try await circumstances.sleep(settings.review) } catch { return }
            await driver.lookAtEverything()
        }
    }
}

extension Backoff {
    /// For a server on the same machine: it is back within seconds, and asking it costs nobody anything.
    static let local = Backoff(first: .milliseconds(50), limit: .seconds(2))
}

extension KubernetesObject {
    /// The whole object, when it was read as a tree; with its kind, which servers leave out in lists.
    var tree: JSONValue? {
        guard let object = self as? UnknownObject else { return nil }
        // A constant of that type: without it this very property would be meant.
        var tree: JSONValue = object.tree
        if tree["kind"] == nil {
            tree[field: "apiVersion"] = .string(kind.apiVersion)
            tree[field: "kind"] = .string(kind.kind)
        }
        return tree
    }
}
