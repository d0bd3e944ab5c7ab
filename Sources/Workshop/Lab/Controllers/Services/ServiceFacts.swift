import KubeAPI

/// What the controllers of services ask about one.
extension Item {
    /// The pods a service stands for; `nil` when it has no selector: its endpoints are somebody else's.
    var podSelector: LabelSelector? {
        let labels = spec["selector"]?.strings ?? [:]
        guard !labels.isEmpty, spec["type"]?.string != "ExternalName" else { return nil }
        return LabelSelector(matching: labels)
    }

    var isHeadless: Bool { spec["clusterIP"]?.string == "None" }
    var publishesUnready: Bool { spec["publishNotReadyAddresses"]?.bool == true }
    var servicePorts: [JSONValue] { spec["ports"]?.array ?? [] }

    /// `IPv4`, `IPv6` or both; before anybody filled it in, what the cluster IPs say.
    var families: [String] {
        let told = (spec["ipFamilies"]?.array ?? []).compactMap(\.string)
        if !told.isEmpty { return told }
        let address = spec["clusterIP"]?.string ?? ""
        return [address.contains(":") ? "IPv6" : "IPv4"]
    }

    static let headlessLabel = "service.kubernetes.io/headless"

    /// The labels a service hands down to what is made for it.
    var endpointLabels: [String: String] {
        var result = labels
        result[Self.headlessLabel] = isHeadless ? "" : nil
        return result
    }

    /// A pod's addresses of one family.
    func podAddress(_ family: String) -> String? {
        podAddresses.first { $0.contains(":") == (family == "IPv6") }
    }

    /// The pod's DNS name under the service, when it has one.
    func hostname(under service: Item) -> String? {
        guard let hostname = spec["hostname"]?.string, !hostname.isEmpty, spec["subdomain"]?.string == service.name,
            namespace == service.namespace
        else { return nil }
        return hostname
    }

    var reference: JSONValue {
        ["kind": "Pod", "namespace": .string(namespace), "name": .string(name), "uid": .string(uid)]
    }

    /// The number a service's port has on this pod: a name is looked up there. `nil` when the pod does not have it.
    func targetPort(of port: JSONValue) -> Int? {
        let target = port["targetPort"]
        if let number = target?.integer, number > 0 { return number }
        guard let name = target?.string, !name.isEmpty else { return port["port"]?.integer }
        let transport = port["protocol"]?.string ?? "TCP"
        let sidecars = (spec["initContainers"]?.array ?? []).filter { $0["restartPolicy"]?.string == "Always" }
        for entry in ((spec["containers"]?.array ?? []) + sidecars).flatMap({ $0["ports"]?.array ?? [] })
        where entry["name"]?.string == name && entry["protocol"]?.string ?? "TCP" == transport {
            return entry["containerPort"]?.integer
        }
        return nil
    }
}

/// The services whose endpoints a change may touch.
enum ServiceKeys {
    static func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.service) { return [change.key] }
        guard change.key.isOf(Kinds.pod), matters(change) else { return [] }
        return world.all(Kinds.service, in: change.key.namespace).filter { service in
            guard let selector = service.podSelector else { return false }
            return [change.old, change.new].contains { $0.map { selector.matches($0.labels) } ?? false }
        }.map(\.key)
    }

    /// Most news of a pod, such as a restart count, changes no endpoint.
    private static func matters(_ change: Change) -> Bool {
        guard let old = change.old, let new = change.new else { return true }
        return old.labels != new.labels || old.isReadyPod != new.isReadyPod || old.podAddresses != new.podAddresses
            || old.isFinished != new.isFinished || old.isBeingDeleted != new.isBeingDeleted || old.spec != new.spec
            || old.uid != new.uid
    }
}
