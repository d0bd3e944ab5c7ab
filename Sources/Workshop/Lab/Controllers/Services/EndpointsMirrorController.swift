public import KubeAPI

/// Copies Endpoints that people wrote for a service without a selector into slices, for whoever reads only those.
public struct EndpointsMirrorController: Controller {
    public static let name = "endpoint-slice-mirroring-controller"
    public let kinds = [Kinds.service, Kinds.endpoints, Kinds.endpointSlice]

    static let manager = "endpointslicemirroring-controller.k8s.io"
    /// On Endpoints whose author writes slices too.
    static let skipLabel = "endpointslice.kubernetes.io/skip-mirror"
    /// How many addresses of a subset are copied, as in Kubernetes; a slice takes as many.
    static let limit = 1000

    public init() {}

    /// A service and its Endpoints have one name; it is the key.
    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.service) || change.key.isOf(Kinds.endpoints) { return [Self.key(change.key)] }
        let slice = change.new ?? change.old
        guard let slice, slice.labels[EndpointSliceController.managerLabel] == Self.manager,
            let name = slice.labels[EndpointSliceController.serviceLabel]
        else { return [] }
        return [ObjectKey(Kinds.endpoints, namespace: slice.namespace, name: name)]
    }

    private static func key(_ key: ObjectKey) -> ObjectKey {
        ObjectKey(Kinds.endpoints, namespace: key.namespace, name: key.name)
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        let mine = LabelSelector(matching: [
            EndpointSliceController.serviceLabel: key.name, EndpointSliceController.managerLabel: Self.manager,
        ])
        var spare = world.all(Kinds.endpointSlice, in: key.namespace, matching: mine).filter { !$0.isBeingDeleted }
        var outcome = Outcome()
        if let endpoints = world[key], !endpoints.isBeingDeleted, endpoints.labels[Self.skipLabel] != "true",
            let service = world[Kinds.service, key.namespace, key.name], !service.isBeingDeleted, service.leavesEndpointsToPeople
        {
            for content in Self.contents(of: endpoints) {
                if let place = spare.firstIndex(where: { content.isOfOneKind(with: $0.tree) }) {
                    let slice = spare.remove(at: place)
                    let tree = content.filled(slice.tree, labels(for: endpoints))
                    if tree != slice.tree { outcome.writes.append(.update(tree)) }
                } else {
                    outcome.writes.append(.create(slice(of: endpoints, content, in: world, &random)))
                }
            }
        }
        outcome.writes += spare.map { .delete($0.key, uid: $0.uid) }
        return outcome
    }

    private func slice(of endpoints: Item, _ content: Content, in world: World, _ random: inout Dice) -> JSONValue {
        var name: String
        repeat {
            name = GivenName.random("\(endpoints.name)-", &random)
        } while world[Kinds.endpointSlice, endpoints.namespace, name] != nil
        let tree: JSONValue = [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": [
                "name": .string(name), "generateName": .string("\(endpoints.name)-"), "namespace": .string(endpoints.namespace),
                "ownerReferences": [endpoints.controllerReference],
            ],
            "addressType": .string(content.family),
        ]
        return content.filled(tree, labels(for: endpoints))
    }

    private func labels(for endpoints: Item) -> [String: String] {
        var labels = endpoints.labels
        labels[EndpointSliceController.serviceLabel] = endpoints.name
        labels[EndpointSliceController.managerLabel] = Self.manager
        return labels
    }
}

extension EndpointsMirrorController {
    /// What one slice says.
    private struct Content {
        var family: String
        var ports: JSONValue
        var endpoints: [JSONValue]

        /// Whether a slice may become this: its family cannot be changed.
        func isOfOneKind(with slice: JSONValue) -> Bool {
            slice["addressType"]?.string == family && slice["ports"] == ports
        }

        func filled(_ slice: JSONValue, _ labels: [String: String]) -> JSONValue {
            var tree = slice
            tree[field: "metadata", "labels"] = JSONValue(labels)
            tree[field: "ports"] = ports
            tree[field: "endpoints"] = .array(endpoints)
            return tree
        }
    }

    /// Subsets with the same ports stand together.
    private static func contents(of endpoints: Item) -> [Content] {
        var contents: [Content] = []
        for subset in endpoints.tree["subsets"]?.array ?? [] {
            let ports = JSONValue.array((subset["ports"]?.array ?? []).map(port))
            let ready = (subset["addresses"]?.array ?? []).compactMap { endpoint($0, isReady: true) }
            let unready = (subset["notReadyAddresses"]?.array ?? []).compactMap { endpoint($0, isReady: false) }
            for (family, endpoint) in (ready + unready).prefix(limit) {
                let place = contents.firstIndex { $0.family == family && $0.ports == ports && $0.endpoints.count < limit }
                if let place {
                    contents[place].endpoints.append(endpoint)
                } else {
                    contents.append(Content(family: family, ports: ports, endpoints: [endpoint]))
                }
            }
        }
        return contents
    }

    private static func port(_ tree: JSONValue) -> JSONValue {
        var port: JSONValue = [
            "name": .string(tree["name"]?.string ?? ""), "protocol": .string(tree["protocol"]?.string ?? "TCP"),
        ]
        port[field: "port"] = tree["port"]
        port[field: "appProtocol"] = tree["appProtocol"]
        return port
    }

    private static func endpoint(_ address: JSONValue, isReady: Bool) -> (family: String, endpoint: JSONValue)? {
        guard let text = address["ip"]?.string, !text.isEmpty else { return nil }
        var endpoint: JSONValue = ["addresses": [.string(text)], "conditions": ["ready": .bool(isReady)]]
        for field in ["hostname", "nodeName", "targetRef"] { endpoint[field: field] = address[field] }
        return (text.contains(":") ? "IPv6" : "IPv4", endpoint)
    }
}

extension Item {
    /// A service without a selector, whose endpoints are written by hand.
    fileprivate var leavesEndpointsToPeople: Bool {
        (spec["selector"]?.strings ?? [:]).isEmpty && spec["type"]?.string != "ExternalName"
    }
}
