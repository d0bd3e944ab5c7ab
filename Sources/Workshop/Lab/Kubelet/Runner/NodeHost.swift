public import Addressing
public import CNI

/// What a kubelet has of its node: where things are, and how its pods are attached.
public struct NodeHost: Sendable {
    public var name: String
    /// The process that holds the node's namespaces.
    public var holder: Int32
    public let location: NodeLocation
    /// Where pods' volumes and logs are kept.
    public var directory: String
    /// `tulle-pod`.
    public var launcher: String
    /// The CNI plugin and what it gets on standard input.
    public var plugin: String
    public var network: SmallJSON
    public var images = ImageCatalogue()
    /// The cluster's name servers; none: pods ask whom the node asks.
    public var clusterDNS: [IPAddress] = []
    /// The node's own resolv.conf.
    public var resolver = ""
    public var clusterDomain = "cluster.local"

    public init(
        name: String, holder: Int32, addresses: [IPAddress], directory: String, launcher: String, plugin: String,
        network: SmallJSON
    ) {
        (self.name, self.holder, self.directory) = (name, holder, directory)
        location = NodeLocation(addresses)
        (self.launcher, self.plugin, self.network) = (launcher, plugin, network)
    }

    /// Now.
    public var addresses: [IPAddress] { location.addresses }

    func directory(of pod: PodKey) -> String { "\(directory)/pods/\(pod.uid)" }
    func logs(of pod: PodKey) -> String { "\(directory)/logs/\(pod.namespace)_\(pod.name)_\(pod.uid)" }

    /// Asks the plugin whether ADD would be served (CNI 1.1, STATUS).
    ///
    /// - Throws: why not.
    func askStatus() async throws {
        _ = try await call([("CNI_COMMAND", Verb.status.rawValue)], limit: .seconds(10))
    }

    /// As containerd calls a plugin: variables, the configuration on standard input, the answer on standard output.
    ///
    /// - Parameter runtime: what the pod asks of the configuration's capabilities.
    func call(
        _ verb: Verb, containerID: String, namespace: String, pod: PodKey, runtime: SmallJSON? = nil
    ) async throws -> SmallJSON? {
        let environment: [(name: String, value: String)] = [
            ("CNI_COMMAND", verb.rawValue), ("CNI_CONTAINERID", containerID), ("CNI_NETNS", namespace), ("CNI_IFNAME", "eth0"),
            (
                "CNI_ARGS",
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=\(pod.namespace);K8S_POD_NAME=\(pod.name);"
                    + "K8S_POD_INFRA_CONTAINER_ID=\(containerID);K8S_POD_UID=\(pod.uid)"
            ),
        ]
        return try await call(environment, runtime: runtime, limit: .seconds(60))
    }

    private func call(
        _ variables: [(name: String, value: String)], runtime: SmallJSON? = nil, limit: Duration
    ) async throws -> SmallJSON? {
        let environment =
            variables + [
                ("CNI_PATH", String(plugin[..<(plugin.lastIndex(of: "/") ?? plugin.endIndex)])),
                ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ]
        var configuration = network
        if let runtime { configuration["runtimeConfig"] = runtime }
        let child = try Child([plugin], environment: environment, input: configuration.bytes)
        let (status, isLate) = await child.ended(within: limit)
        let answer = try? SmallJSON(reading: child.text().utf8)
        guard status == 0, !isLate else {
            let failure = answer.flatMap { Failure(json: $0) }
            throw LabError(
                .attachmentFailed,
                failure?.description ?? (isLate ? "no answer within \(limit)" : "exit \(status): \(child.text())"))
        }
        return answer
    }
}
