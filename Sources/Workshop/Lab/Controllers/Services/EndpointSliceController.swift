public import KubeAPI

/// Writes which pods stand behind a service, in slices of at most 100, so that one pod changes one slice.
public struct EndpointSliceController: Controller {
    public static let name = "endpoint-slice-controller"
    public let kinds = [Kinds.service, Kinds.pod, Kinds.node, Kinds.endpointSlice]

    static let limit = 100
    static let serviceLabel = "kubernetes.io/service-name"
    static let managerLabel = "endpointslice.kubernetes.io/managed-by"
    static let manager = "endpointslice-controller.k8s.io"
    static let zoneLabel = "topology.kubernetes.io/zone"

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.endpointSlice) { return owners(of: change) }
        guard change.key.isOf(Kinds.node) else { return ServiceKeys.keys(for: change, in: world) }
        // A node matters by its zone, and by being there at all.
        let zones = (change.old?.labels[Self.zoneLabel], change.new?.labels[Self.zoneLabel])
        guard change.old == nil || change.new == nil || zones.0 != zones.1 else { return [] }
        let pods = world.pods(on: change.key.name)
        return Set(pods.flatMap { ServiceKeys.keys(for: Change(key: $0.key, old: nil, new: $0), in: world) }).sorted()
    }

    private func owners(of change: Change) -> [ObjectKey] {
        [change.old, change.new].compactMap { slice in
            guard let slice, slice.labels[Self.managerLabel] == Self.manager, let service = slice.labels[Self.serviceLabel] else {
                return nil
            }
            return ObjectKey(Kinds.service, namespace: slice.namespace, name: service)
        }
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        let mine = LabelSelector(matching: [Self.serviceLabel: key.name, Self.managerLabel: Self.manager])
        let slices = world.all(Kinds.endpointSlice, in: key.namespace, matching: mine).filter { !$0.isBeingDeleted }
        guard let service = world[key], !service.isBeingDeleted else {
            return Outcome(writes: slices.map { .delete($0.key, uid: $0.uid) })
        }
        guard let selector = service.podSelector else { return Outcome() }
        var outcome = Outcome()
        let pods = world.all(Kinds.pod, in: key.namespace, matching: selector).filter { !$0.isFinished }
        for slice in slices where !service.families.contains(slice.tree["addressType"]?.string ?? "") {
            outcome.writes.append(.delete(slice.key, uid: slice.uid))
        }
        for family in service.families {
            let present = slices.filter { $0.tree["addressType"]?.string == family }
            var packing = SlicePacking(service, family, present)
            for pod in pods {
                if let endpoint = endpoint(of: pod, service, family, in: world) { packing.want(endpoint, pod) }
            }
            outcome.writes += packing.writes(in: world, &random)
        }
        return outcome
    }

    /// `nil` for a pod that is no endpoint: without an address, or on a node that nobody knows.
    private func endpoint(of pod: Item, _ service: Item, _ family: String, in world: World) -> JSONValue? {
        guard let address = pod.podAddress(family) else { return nil }
        let node = world[Kinds.node, "", pod.nodeName]
        guard node != nil || pod.nodeName.isEmpty || service.publishesUnready else { return nil }
        let serving = pod.isReadyPod
        let ready = service.publishesUnready || (serving && !pod.isBeingDeleted)
        var endpoint: JSONValue = [
            "addresses": [.string(address)],
            "conditions": ["ready": .bool(ready), "serving": .bool(serving), "terminating": .bool(pod.isBeingDeleted)],
            "targetRef": pod.reference,
        ]
        if !pod.nodeName.isEmpty { endpoint[field: "nodeName"] = .string(pod.nodeName) }
        if let hostname = pod.hostname(under: service) { endpoint[field: "hostname"] = .string(hostname) }
        let zone = node?.labels[Self.zoneLabel]
        if let zone { endpoint[field: "zone"] = .string(zone) }
        if ready { endpoint[field: "hints"] = hints(service, zone: zone, node: pod.nodeName) }
        return endpoint
    }

    private func hints(_ service: Item, zone: String?, node: String) -> JSONValue? {
        let wish = service.spec["trafficDistribution"]?.string
        guard let wish, ["PreferClose", "PreferSameZone", "PreferSameNode"].contains(wish) else { return nil }
        var hints: JSONValue = [:]
        if let zone { hints[field: "forZones"] = [["name": .string(zone)]] }
        if wish == "PreferSameNode", !node.isEmpty { hints[field: "forNodes"] = [["name": .string(node)]] }
        guard hints != [:] else { return nil }
        return hints
    }
}
