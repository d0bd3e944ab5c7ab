public import KubeAPI

/// What an object gets where its author said nothing: the defaults of kube-apiserver that matter to the network, to controllers
/// and to `kubectl diff`.
///
/// Applied twice they change nothing the second time. What depends on other objects (cluster addresses, node ports, service
/// accounts, priority) is left to whoever allocates it.
public enum Defaults {
    public static func applied(to tree: JSONValue, _ kind: ServedKind) -> JSONValue {
        guard case .object(var object) = tree else { return tree }
        if let custom = kind.custom { return custom.schema.defaulted(tree) }
        object.fill("apiVersion", .string(kind.apiVersion))
        object.fill("kind", .string(kind.kind))
        object.fill("metadata", [:])
        switch kind.kind {
        case "Namespace": namespace(&object)
        case "Node": object.fill("status", [:])
        case "Pod":
            object.edit("spec", pod)
            object.editOrMake("status") { $0.fill("phase", "Pending") }
        case "Service":
            object.editOrMake("spec", service)
            object.editOrMake("status") { $0.fill("loadBalancer", [:]) }
        case "Endpoints": object.editEach("subsets") { $0.editEach("ports") { $0.fill("protocol", "TCP") } }
        case "EndpointSlice": endpointSlice(&object)
        case "Secret": secret(&object)
        case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet": workload(&object, kind.kind)
        case "NetworkPolicy": object.editOrMake("spec", networkPolicy)
        case "Ingress": object.editOrMake("status") { $0.fill("loadBalancer", [:]) }
        case "IngressClass":
            object.edit("spec") { $0.edit("parameters") { $0.fill("scope", "Cluster") } }
        case "RoleBinding", "ClusterRoleBinding": binding(&object)
        case "CustomResourceDefinition": object.edit("spec", definition)
        default: break
        }
        return .object(object)
    }
}

// MARK: - Kinds of the core group

extension Defaults {
    private static func namespace(_ object: inout JSONObject) {
        object.editOrMake("spec") { $0.fill("finalizers", ["kubernetes"]) }
        object.editOrMake("status") { $0.fill("phase", "Active") }
        // The label that policies select a namespace by its name with.
        let name = object["metadata"]?["name"]?.string ?? ""
        guard !name.isEmpty else { return }
        object.edit("metadata") { $0.editOrMake("labels") { $0["kubernetes.io/metadata.name"] = .string(name) } }
    }

    private static func service(_ spec: inout JSONObject) {
        spec.fill("type", "ClusterIP")
        spec.fill("sessionAffinity", "None")
        if spec["sessionAffinity"] == "None" { spec["sessionAffinityConfig"] = nil }
        if spec["sessionAffinity"] == "ClientIP" {
            spec.editOrMake("sessionAffinityConfig") { $0.editOrMake("clientIP") { $0.fill("timeoutSeconds", 10800) } }
        }
        spec.editEach("ports") { port in
            port.fill("protocol", "TCP")
            if port.isMissing("targetPort") || port["targetPort"] == 0 || port["targetPort"] == "" {
                port["targetPort"] = port["port"]
            }
        }
        if spec["type"] != "ExternalName" { spec.fill("internalTrafficPolicy", "Cluster") }
        if ["NodePort", "LoadBalancer"].contains(spec.string("type")) || spec["externalIPs"]?.array?.isEmpty == false {
            spec.fill("externalTrafficPolicy", "Cluster")
        }
        if spec["type"] == "LoadBalancer" { spec.fill("allocateLoadBalancerNodePorts", true) }
    }

    private static func binding(_ object: inout JSONObject) {
        let group: JSONValue = "rbac.authorization.k8s.io"
        func fill(_ object: inout JSONObject, _ group: JSONValue) {
            if object.string("apiGroup").isEmpty { object["apiGroup"] = group }
        }
        object.edit("roleRef") { fill(&$0, group) }
        object.editEach("subjects") { subject in
            if ["User", "Group"].contains(subject.string("kind")) { fill(&subject, group) }
        }
    }

    private static func endpointSlice(_ object: inout JSONObject) {
        object.fill("endpoints", [])
        object.editEach("ports") { port in
            port.fill("name", "")
            port.fill("protocol", "TCP")
        }
    }

    private static func secret(_ object: inout JSONObject) {
        object.fill("type", "Opaque")
        // A convenience for writing only: it goes over into the data, and is never shown again.
        guard let texts = object["stringData"]?.object else { return }
        object["stringData"] = nil
        guard !texts.isEmpty else { return }
        object.editOrMake("data") { data in
            for member in texts.members { data[member.key] = member.value.string.map { .string(base64($0.utf8)) } }
        }
    }

    private static func networkPolicy(_ spec: inout JSONObject) {
        spec.fill("podSelector", [:])
        if spec["policyTypes"]?.array?.isEmpty ?? true {
            let hasEgress = spec["egress"]?.array?.isEmpty == false
            spec["policyTypes"] = hasEgress ? ["Ingress", "Egress"] : ["Ingress"]
        }
        for direction in ["ingress", "egress"] {
            spec.editEach(direction) { $0.editEach("ports") { $0.fill("protocol", "TCP") } }
        }
    }

    private static func definition(_ spec: inout JSONObject) {
        spec.edit("names") { names in
            let kind = names.string("kind")
            names.fill("singular", .string(kind.lowercased()))
            names.fill("listKind", .string("\(kind)List"))
        }
        spec.fill("conversion", ["strategy": "None"])
    }
}

// MARK: - Workloads

extension Defaults {
    private static func workload(_ object: inout JSONObject, _ kind: String) {
        object.edit("spec") { spec in
            spec.edit("template") { template in
                template.fill("metadata", [:])
                template.edit("spec", pod)
            }
            if kind != "DaemonSet" { spec.fill("replicas", 1) }
            if kind != "ReplicaSet" { spec.fill("revisionHistoryLimit", 10) }
            switch kind {
            case "Deployment": deployment(&spec)
            case "StatefulSet": statefulSet(&spec)
            case "DaemonSet": daemonSet(&spec)
            default: break
            }
        }
        object.fill("status", [:])
    }

    private static func deployment(_ spec: inout JSONObject) {
        spec.fill("progressDeadlineSeconds", 600)
        spec.editOrMake("strategy") { strategy in
            strategy.fill("type", "RollingUpdate")
            guard strategy["type"] == "RollingUpdate" else { return }
            strategy.editOrMake("rollingUpdate") { update in
                update.fill("maxUnavailable", "25%")
                update.fill("maxSurge", "25%")
            }
        }
    }

    private static func statefulSet(_ spec: inout JSONObject) {
        spec.fill("podManagementPolicy", "OrderedReady")
        spec.editOrMake("updateStrategy") { strategy in
            strategy.fill("type", "RollingUpdate")
            guard strategy["type"] == "RollingUpdate" else { return }
            strategy.editOrMake("rollingUpdate") { $0.fill("partition", 0) }
        }
        spec.editOrMake("persistentVolumeClaimRetentionPolicy") { policy in
            policy.fill("whenDeleted", "Retain")
            policy.fill("whenScaled", "Retain")
        }
    }

    private static func daemonSet(_ spec: inout JSONObject) {
        spec.editOrMake("updateStrategy") { strategy in
            strategy.fill("type", "RollingUpdate")
            guard strategy["type"] == "RollingUpdate" else { return }
            strategy.editOrMake("rollingUpdate") { update in
                update.fill("maxUnavailable", 1)
                update.fill("maxSurge", 0)
            }
        }
    }
}

/// RFC 4648 §4, padded.
func base64(_ bytes: some Sequence<UInt8>) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    var (bits, held) = (0, 0)
    for byte in bytes {
        bits = bits << 8 | Int(byte)
        held += 8
        while held >= 6 {
            held -= 6
            result.append(alphabet[bits >> held & 63])
        }
        bits &= 0xFF
    }
    if held > 0 { result.append(alphabet[bits << (6 - held) & 63]) }
    while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
    return String(decoding: result, as: UTF8.self)
}
