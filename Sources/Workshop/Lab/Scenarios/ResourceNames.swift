import KubeAPI

/// Kinds by the words people use for them: `deployment`, `deployments`, `deploy`, `Deployment`.
enum ResourceNames {
    private static let known: [ResourceType] =
        [
            Node.resource, Namespace.resource, Pod.resource, Service.resource, Endpoints.resource, EndpointSlice.resource,
            ServiceAccount.resource, ConfigMap.resource, Secret.resource, Lease.resource, NetworkPolicy.resource,
            Ingress.resource, IngressClass.resource, ClusterNetworkPolicy.resource,
        ]
        + [Kinds.deployment, Kinds.replicaSet, Kinds.statefulSet, Kinds.daemonSet, Kinds.controllerRevision].map(Kinds.resource)

    /// kubectl's abbreviations of kinds that have no type of their own here.
    private static let abbreviations = ["deploy": "deployment", "rs": "replicaset", "sts": "statefulset", "ds": "daemonset"]

    static func resource(_ word: String) -> ResourceType? {
        let word = word.lowercased()
        let full = abbreviations[word] ?? word
        return known.first { $0.singular == full || $0.plural == full || $0.shortNames.contains(full) }
    }
}
