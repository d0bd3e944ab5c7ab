import KubeAPI

/// Puts endpoints into slices, touching as few as possible of those that are there.
///
/// An endpoint stays in its slice. What is new goes first into slices that are written anyway, then into one that has room for
/// all of the rest, then into new ones. Slices that have become half empty are left alone: joining them would write two
/// slices, and every node would read both.
struct SlicePacking {
    private struct Group {
        var ports: JSONValue
        /// By pod.
        var endpoints: [String: JSONValue] = [:]
        var order: [String] = []
    }

    private let service: Item
    private let family: String
    private let present: [Item]
    /// By what the service's ports are on a pod: named ports may differ from pod to pod.
    private var groups: [JSONValue: Group] = [:]
    /// When each pod became ready, or ceased to be so, by its uid.
    private var turns: [String: String] = [:]

    init(_ service: Item, _ family: String, _ present: [Item]) {
        self.service = service
        self.family = family
        self.present = present
    }

    mutating func want(_ endpoint: JSONValue, _ pod: Item) {
        let ports = ports(on: pod)
        turns[pod.uid] = pod.condition("Ready")?["lastTransitionTime"]?.string
        groups[ports, default: Group(ports: ports)].endpoints[pod.uid] = endpoint
        groups[ports]?.order.append(pod.uid)
    }

    private func ports(on pod: Item) -> JSONValue {
        let entries = service.servicePorts.compactMap { port -> JSONValue? in
            guard let number = pod.targetPort(of: port) else { return nil }
            var entry: JSONValue = [
                "name": .string(port["name"]?.string ?? ""), "protocol": .string(port["protocol"]?.string ?? "TCP"),
                "port": JSONValue(number),
            ]
            entry[field: "appProtocol"] = port["appProtocol"]
            return entry
        }
        return .array(entries.sorted { ($0["name"]?.string ?? "") < ($1["name"]?.string ?? "") })
    }

    func writes(in world: World, _ random: inout Dice) -> [Write] {
        var writes: [Write] = []
        var spare: [Item] = []
        for slice in present where groups[slice.ports] == nil { spare.append(slice) }
        if groups.isEmpty {
            // One empty slice says that the service is known and has nobody.
            let kept = spare.first
            let empty = kept.map { filled($0.tree, ports: nil, []) } ?? fresh(ports: nil, [], in: world, besides: [], &random)
            if empty != kept?.tree { writes.append(kept == nil ? .create(empty) : .update(empty)) }
            return writes + spare.dropFirst().map { .delete($0.key, uid: $0.uid) }
        }
        var names: Set<String> = []
        for group in groups.values.sorted(by: { $0.ports.description < $1.ports.description }) {
            writes += pack(group, &spare, in: world, &names, &random)
        }
        return writes + spare.map { .delete($0.key, uid: $0.uid) }
    }

    private func pack(
        _ group: Group, _ spare: inout [Item], in world: World, _ names: inout Set<String>, _ random: inout Dice
    ) -> [Write] {
        var rest = group.endpoints
        var contents: [(slice: Item, endpoints: [JSONValue], isWritten: Bool)] = []
        for slice in present where slice.ports == group.ports {
            let before = slice.tree["endpoints"]?.array ?? []
            let after = before.compactMap { $0[field: "targetRef", "uid"]?.string.flatMap { rest.removeValue(forKey: $0) } }
            contents.append((slice, after, filled(slice.tree, ports: group.ports, after) != slice.tree))
        }
        var left = group.order.compactMap { rest[$0] }[...]
        func fill(_ position: Int) {
            let room = max(0, EndpointSliceController.limit - contents[position].endpoints.count)
            guard room > 0, !left.isEmpty else { return }
            contents[position].endpoints += left.prefix(room)
            contents[position].isWritten = true
            left = left.dropFirst(room)
        }
        for position in contents.indices where contents[position].isWritten && !contents[position].endpoints.isEmpty {
            fill(position)
        }
        let room = contents.indices.filter {
            !contents[$0].isWritten && contents[$0].endpoints.count + left.count <= EndpointSliceController.limit
        }
        if !left.isEmpty, let fullest = room.max(by: { contents[$0].endpoints.count < contents[$1].endpoints.count }) {
            fill(fullest)
        }
        for position in contents.indices where contents[position].isWritten { fill(position) }
        var writes: [Write] = []
        // A slice of ports that nobody has any more is filled anew rather than replaced.
        while !left.isEmpty {
            let share = Array(left.prefix(EndpointSliceController.limit))
            left = left.dropFirst(share.count)
            if let slice = spare.popLast() {
                writes.append(.update(stamped(filled(slice.tree, ports: group.ports, share), since: slice.tree)))
            } else {
                let tree = stamped(fresh(ports: group.ports, share, in: world, besides: names, &random), since: nil)
                tree[field: "metadata", "name"]?.string.map { _ = names.insert($0) }
                writes.append(.create(tree))
            }
        }
        for entry in contents where entry.isWritten {
            let isEmpty = entry.endpoints.isEmpty
            writes.append(
                isEmpty
                    ? .delete(entry.slice.key, uid: entry.slice.uid)
                    : .update(stamped(filled(entry.slice.tree, ports: group.ports, entry.endpoints), since: entry.slice.tree)))
        }
        // Two slices of the same ports without anybody can only be leftovers.
        for entry in contents where !entry.isWritten && entry.endpoints.isEmpty {
            writes.append(.delete(entry.slice.key, uid: entry.slice.uid))
        }
        return writes
    }

    /// A slice with these contents, everything else as it is.
    private func filled(_ slice: JSONValue, ports: JSONValue?, _ endpoints: [JSONValue]) -> JSONValue {
        var tree = slice
        tree[field: "metadata", "labels"] = JSONValue(labels)
        tree[field: "ports"] = ports ?? []
        tree[field: "endpoints"] = .array(endpoints)
        return tree
    }

    /// Says when the first of the pods turned whose endpoints are others than before, as kube-controller-manager does: agents tell by it
    /// how long a change took to the kernel. Where no pod turned, such as when one is gone, nothing is said.
    private func stamped(_ slice: JSONValue, since old: JSONValue?) -> JSONValue {
        func endpoints(_ tree: JSONValue?) -> [String: JSONValue] {
            let entries = (tree?["endpoints"]?.array ?? []).compactMap { entry in
                entry[field: "targetRef", "uid"]?.string.map { ($0, entry) }
            }
            return Dictionary(entries) { first, _ in first }
        }
        let before = endpoints(old)
        // Whole seconds in UTC: the texts are in the order of the times.
        let turned = endpoints(slice).filter { before[$0.key] != $0.value }.keys.compactMap { turns[$0] }.min()
        var tree = slice
        var notes = tree[field: "metadata", "annotations"]?.strings ?? [:]
        notes[Self.triggerAnnotation] = turned
        tree[field: "metadata", "annotations"] = notes.isEmpty ? nil : JSONValue(notes)
        return tree
    }

    private static let triggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time"

    private func fresh(
        ports: JSONValue?, _ endpoints: [JSONValue], in world: World, besides names: Set<String>, _ random: inout Dice
    ) -> JSONValue {
        var name: String
        repeat {
            name = GivenName.random("\(service.name)-", &random)
        } while world[Kinds.endpointSlice, service.namespace, name] != nil || names.contains(name)
        let tree: JSONValue = [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": [
                "name": .string(name), "generateName": .string("\(service.name)-"), "namespace": .string(service.namespace),
                "ownerReferences": [service.controllerReference],
            ],
            "addressType": .string(family),
        ]
        return filled(tree, ports: ports, endpoints)
    }

    private var labels: [String: String] {
        var labels = service.endpointLabels
        labels[EndpointSliceController.serviceLabel] = service.name
        labels[EndpointSliceController.managerLabel] = EndpointSliceController.manager
        return labels
    }
}

extension Item {
    /// A slice's ports in the order in which they are compared.
    fileprivate var ports: JSONValue {
        .array((tree["ports"]?.array ?? []).sorted { ($0["name"]?.string ?? "") < ($1["name"]?.string ?? "") })
    }
}
