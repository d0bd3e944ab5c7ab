import KubeAPI

/// What kube-apiserver's admission adds to every new pod, besides defaults: its service account with a token to talk to the API,
/// how long it bears a node that is lost, and its priority (the plugins ServiceAccount, DefaultTolerationSeconds, Priority).
///
/// Only for a cluster whose controllers make the accounts: without them no pod could be made.
struct PodAdmission {
    /// Where a container finds its token, the cluster's certificate and its namespace.
    static let mountPath = "/var/run/secrets/kubernetes.io/serviceaccount"
    private static let volumePrefix = "kube-api-access-"
    /// Tokens of this odd lifetime come from here, and are given a year: programs that read theirs once live on (kube-apiserver
    /// has it from the days before tokens expired).
    static let tokenSeconds: Int64 = 3607
    static let extendedSeconds: Int64 = 365 * 24 * 3600
    private static let tolerationSeconds: Int64 = 300

    let account: JSONValue?
    let suffix: String

    /// The name that a pod asks for.
    static func accountName(of pod: JSONValue) -> String {
        let name = pod.at("spec", "serviceAccountName")?.string ?? ""
        return name.isEmpty ? "default" : name
    }

    /// - Throws: 403 when there is no such account, in kube-apiserver's words.
    func admitted(_ pod: JSONValue, _ kind: ServedKind) throws(Status) -> JSONValue {
        var pod = pod
        tolerate(&pod)
        if pod.at("spec", "priority") == nil { pod.set(.number(JSONNumber(Int64(0))), at: "spec", "priority") }
        if pod.at("spec", "preemptionPolicy") == nil { pod.set("PreemptLowerPriority", at: "spec", "preemptionPolicy") }
        // A static pod's picture is the kubelet's own: it says itself what it has.
        if pod.at("metadata", "annotations", "kubernetes.io/config.mirror") != nil { return pod }
        let name = Self.accountName(of: pod)
        guard let account else {
            let why = "error looking up service account \(pod.namespace)/\(name): serviceaccount \"\(name)\" not found"
            throw .forbidden(kind, pod.name, why)
        }
        pod.set(.string(name), at: "spec", "serviceAccountName")
        pod.set(.string(name), at: "spec", "serviceAccount")
        let automounts =
            pod.at("spec", "automountServiceAccountToken")?.bool ?? account["automountServiceAccountToken"]?.bool ?? true
        if automounts { mountToken(&pod) }
        if pod.at("spec", "imagePullSecrets")?.array?.isEmpty ?? true, let secrets = account["imagePullSecrets"]?.array,
            !secrets.isEmpty
        {
            pod.set(.array(secrets), at: "spec", "imagePullSecrets")
        }
        return pod
    }
}

// MARK: - Tolerations

extension PodAdmission {
    /// A lost node is borne for five minutes, unless the pod says something else.
    private func tolerate(_ pod: inout JSONValue) {
        var tolerations = pod.at("spec", "tolerations")?.array ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isSaid = tolerations.contains { toleration in
                let (name, effect) = (toleration["key"]?.string ?? "", toleration["effect"]?.string ?? "")
                return (name == key || name.isEmpty) && (effect == "NoExecute" || effect.isEmpty)
            }
            guard !isSaid else { continue }
            tolerations.append([
                "key": .string(key), "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": .number(JSONNumber(Self.tolerationSeconds)),
            ])
        }
        pod.set(.array(tolerations), at: "spec", "tolerations")
    }
}

// MARK: - The token

extension PodAdmission {
    private func mountToken(_ pod: inout JSONValue) {
        let volumes = pod.at("spec", "volumes")?.array ?? []
        let there = volumes.first { $0["name"]?.string?.hasPrefix(Self.volumePrefix) == true && $0["projected"] != nil }
        let volume = there?["name"]?.string ?? Self.volumePrefix + suffix
        var isMounted = false
        for list in ["initContainers", "containers"] {
            guard let containers = pod.at("spec", list)?.array else { continue }
            let mounted = containers.map { container in
                let mounts = container["volumeMounts"]?.array ?? []
                guard !mounts.contains(where: { $0["mountPath"]?.string == Self.mountPath }) else { return container }
                var container = container
                container.set(
                    .array(mounts + [["name": .string(volume), "readOnly": true, "mountPath": .string(Self.mountPath)]]),
                    at: "volumeMounts")
                isMounted = true
                return container
            }
            pod.set(.array(mounted), at: "spec", list)
        }
        if isMounted, there == nil { pod.set(.array(volumes + [Self.tokenVolume(volume)]), at: "spec", "volumes") }
    }

    private static func tokenVolume(_ name: String) -> JSONValue {
        let token: JSONValue = [
            "serviceAccountToken": ["expirationSeconds": .number(JSONNumber(tokenSeconds)), "path": "token"]
        ]
        let certificate: JSONValue = [
            "configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]
        ]
        let namespace: JSONValue = [
            "downwardAPI": [
                "items": [["path": "namespace", "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"]]]
            ]
        ]
        return ["name": .string(name), "projected": ["sources": [token, certificate, namespace], "defaultMode": 420]]
    }
}
