public import Addressing
public import KubeAPI

/// The `kubernetes` service in `default`, by which pods reach the API, with its endpoints in both forms.
public struct KubernetesServiceController: Controller {
    public static let name = "kubernetes-service-controller"
    public let kinds = [Kinds.service, Kinds.endpoints, Kinds.endpointSlice, Kinds.namespace]

    private let clusterIP: IPAddress
    private let servers: [IPAddress]
    private let port: UInt16

    /// - Parameters:
    ///   - clusterIP: the service's address: the first of the first service range.
    ///   - servers: where the API listens for pods, of the same family.
    public init(clusterIP: IPAddress, servers: [IPAddress], port: UInt16) {
        self.clusterIP = clusterIP
        self.servers = servers.filter { $0.family == clusterIP.family }.sorted()
        self.port = port
    }

    private static let key = ObjectKey(Kinds.service, namespace: "default", name: "kubernetes")

    public var standingKeys: [ObjectKey] { [Self.key] }

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        change.key.name == "kubernetes" && change.key.namespace == "default" || change.key.name == "default" ? [Self.key] : []
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        // Nothing can be made in a namespace that is not there.
        guard world[Kinds.namespace, "", "default"] != nil else { return Outcome() }
        var outcome = Outcome()
        if world[key] == nil { outcome.writes.append(.create(service)) }
        keep(Kinds.endpoints, ["subsets": .array(subsets)], Self.endpointsLabels, in: world, &outcome)
        keep(Kinds.endpointSlice, slice, [EndpointSliceController.serviceLabel: "kubernetes"], in: world, &outcome)
        return outcome
    }

    /// Not to be mirrored: the slice is written here too.
    private static let endpointsLabels = ["endpointslice.kubernetes.io/skip-mirror": "true"]

    private func keep(
        _ kind: GroupVersionKind, _ fields: JSONObject, _ labels: [String: String], in world: World, _ outcome: inout Outcome
    ) {
        let present = world[kind, "default", "kubernetes"]
        var tree: JSONValue =
            present?.tree ?? [
                "apiVersion": .string(kind.apiVersion), "kind": .string(kind.kind),
                "metadata": ["name": "kubernetes", "namespace": "default"],
            ]
        tree[field: "metadata", "labels"] = JSONValue(labels)
        for member in fields.members { tree[field: member.key] = member.value }
        guard tree != present?.tree else { return }
        outcome.writes.append(present == nil ? .create(tree) : .update(tree))
    }

    private var service: JSONValue {
        let address = JSONValue.string(clusterIP.description)
        return [
            "apiVersion": "v1", "kind": "Service",
            "metadata": [
                "name": "kubernetes", "namespace": "default", "labels": ["component": "apiserver", "provider": "kubernetes"],
            ],
            "spec": [
                "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "sessionAffinity": "None",
                "ipFamilies": [.string(clusterIP.family.name)], "ipFamilyPolicy": "SingleStack",
                "internalTrafficPolicy": "Cluster",
                "ports": [["name": "https", "port": 443, "protocol": "TCP", "targetPort": JSONValue(Int(port))]],
            ],
        ]
    }

    private var portEntry: JSONValue { ["name": "https", "port": JSONValue(Int(port)), "protocol": "TCP"] }

    private var subsets: [JSONValue] {
        if servers.isEmpty { return [] }
        return [["addresses": .array(servers.map { ["ip": .string($0.description)] }), "ports": [portEntry]]]
    }

    private var slice: JSONObject {
        [
            "addressType": .string(clusterIP.family.name),
            "endpoints": .array(servers.map { ["addresses": [.string($0.description)], "conditions": ["ready": true]] }),
            "ports": [portEntry],
        ]
    }
}
