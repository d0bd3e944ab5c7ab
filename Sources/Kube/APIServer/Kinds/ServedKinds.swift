public import KubeAPI

/// The built-in kinds. What a custom resource definition adds is made by ``ServedKind/init(crd:)``-like readers at run time.
public enum ServedKinds {
    public static let all: [ServedKind] = core + apps + networking + rights + rest + refused + reviews

    /// By group, version and kind.
    public static let byKind = Dictionary(all.map { ($0.groupVersionKind, $0) }) { $1 }

    public static func kind(_ kind: GroupVersionKind) -> ServedKind? { byKind[kind] }

    /// A kind by the words of a path: `apps`, `v1`, `deployments`.
    public static func kind(group: String, version: String, plural: String) -> ServedKind? {
        all.first { $0.plural == plural && $0.group == group && $0.version == version }
    }
}

extension ServedKinds {
    private static let core: [ServedKind] = [
        kind("ConfigMap", "configmaps", ["cm"]),
        kind("Endpoints", "endpoints", ["ep"], singular: "endpoints"),
        kind("Event", "events", ["ev"]),
        kind(
            "Namespace", "namespaces", ["ns"], isNamespaced: false, [.status, finalize],
            verbs: ServedKind.allVerbs.filter { $0 != "deletecollection" }),
        kind("Node", "nodes", ["no"], isNamespaced: false, [.status]),
        kind("Pod", "pods", ["po"], categories: ["all"], podParts),
        kind("Secret", "secrets"),
        kind("Service", "services", ["svc"], categories: ["all"], [.status]),
        kind("ServiceAccount", "serviceaccounts", ["sa"], [token]),
    ]

    private static let apps: [ServedKind] = [
        kind("ControllerRevision", "controllerrevisions", in: "apps"),
        kind("DaemonSet", "daemonsets", ["ds"], in: "apps", categories: ["all"], [.status]),
        kind("Deployment", "deployments", ["deploy"], in: "apps", categories: ["all"], [.status, .scale]),
        kind("ReplicaSet", "replicasets", ["rs"], in: "apps", categories: ["all"], [.status, .scale]),
        kind("StatefulSet", "statefulsets", ["sts"], in: "apps", categories: ["all"], [.status, .scale]),
    ]

    private static let networking: [ServedKind] = [
        kind("Ingress", "ingresses", ["ing"], in: "networking.k8s.io", [.status]),
        kind("IngressClass", "ingressclasses", in: "networking.k8s.io", isNamespaced: false),
        kind("NetworkPolicy", "networkpolicies", ["netpol"], in: "networking.k8s.io"),
    ]

    /// Kept, so that manifests for other clusters are taken as they are; nobody acts upon them (``AccessReviews``).
    private static let rights = [
        ("Role", true), ("RoleBinding", true), ("ClusterRole", false), ("ClusterRoleBinding", false),
    ].map { word, isNamespaced in
        kind(word, word.lowercased() + "s", in: "rbac.authorization.k8s.io", isNamespaced: isNamespaced)
    }

    private static let rest: [ServedKind] = [
        kind("EndpointSlice", "endpointslices", in: "discovery.k8s.io"),
        kind("Event", "events", ["ev"], in: "events.k8s.io"),
        kind("Lease", "leases", in: "coordination.k8s.io"),
        kind(
            "CustomResourceDefinition", "customresourcedefinitions", ["crd", "crds"], in: "apiextensions.k8s.io",
            isNamespaced: false, categories: ["api-extensions"], [.status]),
    ]

    private static let finalize = ServedKind.Subresource(name: "finalize", verbs: ["update"])

    private static let token = ServedKind.Subresource(
        name: "token", kind: GroupVersionKind(group: "authentication.k8s.io", version: "v1", kind: "TokenRequest"),
        verbs: ["create"])

    private static let podParts: [ServedKind.Subresource] = [
        .status,
        .stream("attach", "PodAttachOptions"),
        ServedKind.Subresource(
            name: "eviction", kind: GroupVersionKind(group: "policy", version: "v1", kind: "Eviction"), verbs: ["create"]),
        ServedKind.Subresource(name: "binding", kind: GroupVersionKind(version: "v1", kind: "Binding"), verbs: ["create"]),
        .stream("exec", "PodExecOptions"),
        ServedKind.Subresource(name: "log", verbs: ["get"]),
    ]

    private static func kind(
        _ kind: String, _ plural: String, _ shortNames: [String] = [], in group: String = "", singular: String? = nil,
        isNamespaced: Bool = true, categories: [String] = [], _ subresources: [ServedKind.Subresource] = [],
        verbs: [String] = ServedKind.allVerbs
    ) -> ServedKind {
        ServedKind(
            group: group, version: "v1", kind: kind, plural: plural, singular: singular ?? kind.lowercased(),
            shortNames: shortNames, categories: categories, isNamespaced: isNamespaced, subresources: subresources,
            listKind: kind + "List", verbs: verbs)
    }
}
