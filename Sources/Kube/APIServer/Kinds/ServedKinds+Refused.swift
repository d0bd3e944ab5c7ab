/// Kinds of Kubernetes that have no controller here, and so no use: they are known, there are none of them, and whoever wants to
/// make one is told why not, in place of `no matches for kind`.
///
/// `kubectl get all`, `kubectl apply --prune` and `kubectl describe` ask for them and find them empty.
extension ServedKinds {
    static let refused: [ServedKind] =
        [
            kind("CronJob", "cronjobs", ["cj"], in: "batch", categories: ["all"], because: "nothing starts jobs here", jobs),
            kind("Job", "jobs", in: "batch", categories: ["all"], because: "nothing runs jobs here", jobs),
            kind(
                "ReplicationController", "replicationcontrollers", ["rc"], categories: ["all"],
                because: "use a Deployment or a ReplicaSet"),
            kind(
                "PersistentVolume", "persistentvolumes", ["pv"], isNamespaced: false, because: "there is no storage here", volumes
            ),
            kind("PersistentVolumeClaim", "persistentvolumeclaims", ["pvc"], because: "there is no storage here", volumes),
            kind(
                "StorageClass", "storageclasses", ["sc"], in: "storage.k8s.io", isNamespaced: false,
                because: "there is no storage here",
                volumes),
            kind("LimitRange", "limitranges", ["limits"], because: "limits are not enforced here"),
            kind("ResourceQuota", "resourcequotas", ["quota"], because: "quotas are not enforced here"),
            kind("PodDisruptionBudget", "poddisruptionbudgets", ["pdb"], in: "policy", because: "an eviction is a deletion here"),
            kind(
                "PriorityClass", "priorityclasses", ["pc"], in: "scheduling.k8s.io", isNamespaced: false,
                because: "the scheduler here knows no priorities"),
        ] + autoscalers

    private static let jobs = "start a pod with restartPolicy Never or OnFailure"
    private static let volumes = "use an emptyDir, or a hostPath"

    private static let autoscalers = ["v2", "v1"].map { version in
        kind(
            "HorizontalPodAutoscaler", "horizontalpodautoscalers", ["hpa"], in: "autoscaling", version: version,
            categories: ["all"],
            because: "nothing measures pods here", "use kubectl scale")
    }

    private static func kind(
        _ kind: String, _ plural: String, _ shortNames: [String] = [], in group: String = "", version: String = "v1",
        isNamespaced: Bool = true, categories: [String] = [], because why: String, _ advice: String = ""
    ) -> ServedKind {
        var result = ServedKind(
            group: group, version: version, kind: kind, plural: plural, singular: kind.lowercased(), shortNames: shortNames,
            categories: categories, isNamespaced: isNamespaced, listKind: kind + "List", verbs: ["get", "list", "watch"])
        result.refusal = advice.isEmpty ? why : "\(why): \(advice)"
        return result
    }

    /// Questions that are answered at once and never stored.
    static let reviews: [ServedKind] = [
        ("authorization.k8s.io", "SelfSubjectAccessReview", false), ("authorization.k8s.io", "SubjectAccessReview", false),
        ("authorization.k8s.io", "LocalSubjectAccessReview", true), ("authorization.k8s.io", "SelfSubjectRulesReview", false),
        ("authentication.k8s.io", "SelfSubjectReview", false), ("authentication.k8s.io", "TokenReview", false),
    ].map { group, kind, isNamespaced in
        ServedKind(
            group: group, version: "v1", kind: kind, plural: kind.lowercased() + "s", singular: kind.lowercased(),
            isNamespaced: isNamespaced, listKind: "", verbs: ["create"])
    }
}

extension ServedKind {
    var isReview: Bool { group == "authorization.k8s.io" || group == "authentication.k8s.io" }
}
