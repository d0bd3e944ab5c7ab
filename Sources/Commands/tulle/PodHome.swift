import Cluster
import DNS
import KubeAPI
import KubeClient
import Logging
import Plan

/// Where a pod that somebody asks as is looked up: an API server, if there is a way to one.
struct PodHome {
    private let way: ServerAccess?
    private let plan: NamePlan

    init(_ way: ServerAccess?, domain: String) {
        self.way = way
        plan = NamePlan(NameSettings(domain: DomainName(domain) ?? NameSettings.usualDomain))
    }

    /// By `--kubeconfig`, by `KUBECONFIG`, or by a pod's service account; `nil` where there is neither.
    static func access(_ server: APIServerOptions) throws -> ServerAccess? {
        if let (access, _) = try server.named() { return access }
        if let paths = environmentVariable("KUBECONFIG"), !paths.isEmpty {
            // Meant for other programs: one that is not there says nothing of what is asked for here.
            return try? Kubeconfig.load(Kubeconfig.paths(environment: ["KUBECONFIG": paths])).access()
        }
        return try? APIServerOptions.inCluster(environmentVariable)
    }

    var isKnown: Bool { way != nil }
    /// Of pods that are named without one.
    var namespace: String? { way?.namespace }

    /// What the kubelet of a pod wrote for it, but for what it took over from its node.
    func searchList(of pod: Pod) -> (searches: [DomainName], dots: Int) {
        let list = plan.searchList(of: NamedPod(pod))
        return (list.searches, list.dots)
    }

    func pod(_ name: String, in namespace: String?) async throws -> Pod {
        guard let way else { throw AgentUsage("--as reads the pod from an API server; give --kubeconfig") }
        let clock = ContinuousClock()
        let transport = try way.transport(clock: clock)
        let client = APIClient(
            transport: transport, fieldManager: "tulle-dns", clock: clock, random: { Double.random(in: 0..<1) },
            logger: Logger(label: "tulle.dns", factory: { _ in SwiftLogNoOpLogHandler() }))
        let outcome: Result<JSONValue, any Error>
        let namespace = namespace ?? way.namespace
        do {
            outcome = .success(try await client.get(Pod.resource, name, in: namespace))
        } catch APIFailure.notFound {
            outcome = .failure(
                AgentUsage(
                    "--as: there is no pod \(name) in the namespace \(namespace); see kubectl get pods --namespace \(namespace)"))
        } catch {
            outcome = .failure(error)
        }
        try await transport.shutdown()
        var fields = FieldReader(try outcome.get())
        return Pod(reading: &fields)
    }

    /// On which node a pod is that this one's agent does not know, and what to ask instead.
    ///
    /// - Parameter said: the agent's words: `node n1 has no pod shop/cart-0`.
    /// - Throws: that there is no such pod at all.
    func whereabouts(of name: String, in namespace: String, from said: String) async throws -> String {
        let elsewhere = "or ask one of the cluster's servers, with --server ADDRESS"
        guard isKnown, let pod = try await known(name, in: namespace) else {
            return
                "\(said); ask on the node that it is on (kubectl get pod --namespace \(namespace) \(name) --output wide), "
                + "\(elsewhere) and --kubeconfig FILE"
        }
        let node = pod.spec.nodeName
        if node.isEmpty { return "\(said), nor has any other yet: it is on no node" }
        if said.hasPrefix("node \(node) ") {
            let why = pod.spec.usesHostNetwork ? "it is on the node's network: ask without --as" : "it has no addresses there yet"
            return "\(said), whose object says that it is there; \(why)"
        }
        return
            "\(said): it is on \(node); ask there (in a lab: tulle lab node \(node) -- tulle dns query NAME --as "
            + "pod/\(namespace)/\(name)), \(elsewhere)"
    }

    /// `nil` when the server does not answer.
    private func known(_ name: String, in namespace: String) async throws -> Pod? {
        do { return try await pod(name, in: namespace) } catch let usage as AgentUsage { throw usage } catch { return nil }
    }
}
