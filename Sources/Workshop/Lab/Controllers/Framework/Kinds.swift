import KubeAPI

/// The kinds the controllers speak of.
enum Kinds {
    static let pod = GroupVersionKind(version: "v1", kind: "Pod")
    static let node = GroupVersionKind(version: "v1", kind: "Node")
    static let namespace = GroupVersionKind(version: "v1", kind: "Namespace")
    static let service = GroupVersionKind(version: "v1", kind: "Service")
    static let endpoints = GroupVersionKind(version: "v1", kind: "Endpoints")
    static let serviceAccount = GroupVersionKind(version: "v1", kind: "ServiceAccount")
    static let configMap = GroupVersionKind(version: "v1", kind: "ConfigMap")
    static let endpointSlice = GroupVersionKind(group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice")
    static let lease = GroupVersionKind(group: "coordination.k8s.io", version: "v1", kind: "Lease")
    static let deployment = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")
    static let replicaSet = GroupVersionKind(group: "apps", version: "v1", kind: "ReplicaSet")
    static let statefulSet = GroupVersionKind(group: "apps", version: "v1", kind: "StatefulSet")
    static let daemonSet = GroupVersionKind(group: "apps", version: "v1", kind: "DaemonSet")
    static let controllerRevision = GroupVersionKind(group: "apps", version: "v1", kind: "ControllerRevision")
}

extension Kinds {
    /// Where the objects of these kinds are in the API.
    static func resource(_ kind: GroupVersionKind) -> ResourceType {
        let isNamespaced = kind != node && kind != namespace
        return ResourceType(kind, plural: plurals[kind.kind] ?? "\(kind.kind.lowercased())s", isNamespaced: isNamespaced)
    }

    /// Of a key, whose version is the one we speak.
    static func resource(of key: ObjectKey) -> ResourceType {
        resource(GroupVersionKind(group: key.group, version: "v1", kind: key.kind))
    }

    /// Those that are not made by adding an `s`.
    private static let plurals = ["Endpoints": "endpoints"]
}

extension ObjectKey {
    func isOf(_ kind: GroupVersionKind) -> Bool { self.kind == kind.kind && group == kind.group }
}
