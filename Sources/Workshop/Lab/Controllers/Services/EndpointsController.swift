public import KubeAPI

/// The older form of a service's endpoints: one object, for programs that have not learned of slices.
public struct EndpointsController: Controller {
    public static let name = "endpoint-controller"
    public let kinds = [Kinds.service, Kinds.pod, Kinds.endpoints]

    /// More are cut off, and the object says so.
    static let limit = 1000
    private static let overCapacity = "endpoints.kubernetes.io/over-capacity"
    private static let managerLabel = "endpoints.kubernetes.io/managed-by"

    public init() {}

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.endpoints) {
            return [ObjectKey(Kinds.service, namespace: change.key.namespace, name: change.key.name)]
        }
        return ServiceKeys.keys(for: change, in: world)
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        let present = world[Kinds.endpoints, key.namespace, key.name]
        guard let service = world[key], !service.isBeingDeleted else {
            // Only what this controller wrote goes with its service: Endpoints may be written by hand before a service exists.
            guard let present, present.labels[Self.managerLabel] != nil else { return Outcome() }
            return Outcome(writes: [.delete(present.key, uid: present.uid)])
        }
        guard let selector = service.podSelector else { return Outcome() }
        let pods = world.all(Kinds.pod, in: key.namespace, matching: selector)
        let tree = endpoints(of: service, pods, from: present)
        guard tree != present?.tree else { return Outcome() }
        return Outcome(writes: [present == nil ? .create(tree) : .update(tree)])
    }

    private func endpoints(of service: Item, _ pods: [Item], from present: Item?) -> JSONValue {
        var tree: JSONValue =
            present?.tree ?? [
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": ["name": .string(service.name), "namespace": .string(service.namespace)],
            ]
        var labels = service.endpointLabels
        labels[Self.managerLabel] = Self.name
        tree[field: "metadata", "labels"] = JSONValue(labels)
        var entries = entries(of: service, pods)
        let isCut = entries.count > Self.limit
        if isCut {
            // Ready ones are worth more.
            entries = Array((entries.filter(\.isReady) + entries.filter { !$0.isReady }).prefix(Self.limit))
        }
        tree[field: "metadata", "annotations", Self.overCapacity] = isCut ? "truncated" : nil
        let subsets = Self.subsets(entries)
        tree[field: "subsets"] = subsets.isEmpty ? nil : .array(subsets)
        return tree
    }

    private struct Entry {
        var address: JSONValue
        var isReady: Bool
        var ports: JSONValue
    }

    private func entries(of service: Item, _ pods: [Item]) -> [Entry] {
        guard let family = service.families.first else { return [] }
        return pods.compactMap { pod in
            guard !pod.isFinished, service.publishesUnready || !pod.isBeingDeleted, let text = pod.podAddress(family) else {
                return nil
            }
            var address: JSONValue = ["ip": .string(text)]
            if let hostname = pod.hostname(under: service) { address[field: "hostname"] = .string(hostname) }
            if !pod.nodeName.isEmpty { address[field: "nodeName"] = .string(pod.nodeName) }
            address[field: "targetRef"] = pod.reference
            let ports = service.servicePorts.compactMap { port -> JSONValue? in
                guard let number = pod.targetPort(of: port) else { return nil }
                var entry: JSONValue = [:]
                if let name = port["name"]?.string, !name.isEmpty { entry[field: "name"] = .string(name) }
                entry[field: "port"] = JSONValue(number)
                entry[field: "protocol"] = .string(port["protocol"]?.string ?? "TCP")
                entry[field: "appProtocol"] = port["appProtocol"]
                return entry
            }
            guard !ports.isEmpty || service.servicePorts.isEmpty else { return nil }
            return Entry(address: address, isReady: service.publishesUnready || pod.isReadyPod, ports: .array(ports))
        }
    }

    /// Addresses with the same ports stand together, in the order of their ports and addresses.
    private static func subsets(_ entries: [Entry]) -> [JSONValue] {
        Dictionary(grouping: entries, by: \.ports).sorted { $0.key.description < $1.key.description }.map { ports, entries in
            func addresses(_ ready: Bool) -> [JSONValue] {
                entries.filter { $0.isReady == ready }.map(\.address).sorted {
                    ($0["ip"]?.string ?? "") < ($1["ip"]?.string ?? "")
                }
            }
            var subset: JSONValue = [:]
            let (ready, unready) = (addresses(true), addresses(false))
            if !ready.isEmpty { subset[field: "addresses"] = .array(ready) }
            if !unready.isEmpty { subset[field: "notReadyAddresses"] = .array(unready) }
            if ports != [] { subset[field: "ports"] = ports }
            return subset
        }
    }
}
