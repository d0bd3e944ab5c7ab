public import KubeAPI

/// A pod as a kubelet reads it: everything that says how it is to run. The tree stays beside it, for `fieldRef`.
public struct PodManifest: Hashable, Sendable {
    public var tree: JSONValue
    public var metadata: ObjectMeta
    public var containers: [ContainerManifest]
    public var initContainers: [ContainerManifest]
    public var volumes: [VolumeManifest]
    public var restartPolicy: Pod.RestartPolicy
    public var usesHostNetwork: Bool
    public var hostname: String
    public var subdomain: String
    public var serviceAccount: String
    public var enablesServiceLinks: Bool
    public var gracePeriod: Duration
    /// What a deletion asked for; `nil` while the pod is not being deleted.
    public var deletionGracePeriod: Duration?
    /// How long it may be active on a node.
    public var activeDeadline: Duration?
    public var dnsPolicy: String
    public var dnsConfig: JSONValue?
    public var hostAliases: [HostAlias]
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    public var mustNotRunAsRoot: Bool
    /// `fsGroup`: the files in volumes are this group's, and all containers are in it.
    public var volumeGroup: UInt32?
    /// What the status said before us: a kubelet that starts goes on from there.
    public var status: JSONValue

    public struct HostAlias: Hashable, Sendable {
        public var address: String
        public var names: [String]
    }

    /// Reads what it can: what is malformed, the API server has refused before.
    public init(_ tree: JSONValue) {
        self.tree = tree
        var fields = FieldReader(tree)
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        deletionGracePeriod = tree["metadata"]?["deletionGracePeriodSeconds"]?.number?.integer.map { .seconds($0) }
        status = tree["status"] ?? [:]
        let spec = tree["spec"] ?? [:]
        containers = (spec["containers"]?.array ?? []).map(ContainerManifest.init)
        initContainers = (spec["initContainers"]?.array ?? []).map(ContainerManifest.init)
        volumes = (spec["volumes"]?.array ?? []).map(VolumeManifest.init)
        restartPolicy = Pod.RestartPolicy(rawValue: spec["restartPolicy"]?.string ?? "") ?? .always
        usesHostNetwork = spec["hostNetwork"]?.bool ?? false
        hostname = spec["hostname"]?.string ?? HostName.cut(metadata.name)
        subdomain = spec["subdomain"]?.string ?? ""
        serviceAccount = spec["serviceAccountName"]?.string ?? "default"
        enablesServiceLinks = spec["enableServiceLinks"]?.bool ?? true
        gracePeriod = .seconds(spec["terminationGracePeriodSeconds"]?.number?.integer ?? 30)
        activeDeadline = spec["activeDeadlineSeconds"]?.number?.integer.map { .seconds($0) }
        mustNotRunAsRoot = spec["securityContext"]?["runAsNonRoot"]?.bool ?? false
        dnsPolicy = spec["dnsPolicy"]?.string ?? "ClusterFirst"
        dnsConfig = spec["dnsConfig"]
        hostAliases = (spec["hostAliases"]?.array ?? []).map {
            HostAlias(address: $0["ip"]?.string ?? "", names: ($0["hostnames"]?.array ?? []).compactMap(\.string))
        }
        runAsUser = spec["securityContext"]?["runAsUser"]?.number?.integer
        runAsGroup = spec["securityContext"]?["runAsGroup"]?.number?.integer
        volumeGroup = spec["securityContext"]?["fsGroup"]?.number?.integer.flatMap(UInt32.init(exactly:))
    }
}

extension PodManifest {
    public var key: PodKey { PodKey(namespace: metadata.namespace, name: metadata.name, uid: metadata.uid) }
    public var isBeingDeleted: Bool { metadata.isBeingDeleted }

    /// `BestEffort`, `Burstable` or `Guaranteed`, by requests and limits of CPU and memory.
    public var qualityOfService: String {
        let all = initContainers + containers
        if all.allSatisfy({ $0.requests.isEmpty && $0.limits.isEmpty }) { return "BestEffort" }
        let isGuaranteed = all.allSatisfy { container in
            ["cpu", "memory"].allSatisfy { name in
                guard let limit = container.limits[name] else { return false }
                return (container.requests[name] ?? limit) == limit
            }
        }
        return isGuaranteed ? "Guaranteed" : "Burstable"
    }
}

/// Which pod: one that is deleted and made again under its name is another.
public struct PodKey: Hashable, Sendable, CustomStringConvertible {
    public var namespace: String
    public var name: String
    public var uid: String

    public init(namespace: String, name: String, uid: String) {
        (self.namespace, self.name, self.uid) = (namespace, name, uid)
    }

    func isNamesake(of other: Self) -> Bool { namespace == other.namespace && name == other.name }

    public var description: String { "\(name)_\(namespace)(\(uid))" }
}
