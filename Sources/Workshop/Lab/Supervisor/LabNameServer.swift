import Addressing
import KubeAPI
import KubeClient

/// The lab's own name servers: the objects that a cluster's installer makes.
struct LabNameServer {
    let settings: LabSettings

    private static let namespace = "kube-system"
    /// As all clusters call it: programs look for the service by this name.
    private static let name = "kube-dns"
    private static let labels: JSONValue = ["k8s-app": "kube-dns"]

    /// Whether a pod is one of them.
    static func owns(_ pod: JSONValue) -> Bool {
        pod[at: "metadata", "namespace"]?.string == namespace && pod[at: "metadata", "labels", "k8s-app"]?.string == name
    }

    /// Makes the objects; those that are there, as after a restart, stay as they are.
    func add(by client: APIClient) async throws {
        for (tree, resource) in [
            (account, ServiceAccount.resource), (configuration, ConfigMap.resource), (service, Service.resource),
            (deployment, Kinds.resource(Kinds.deployment)),
        ] {
            do { try await client.create(tree, of: resource) } catch APIFailure.alreadyExists {}
        }
    }

    private func metadata() -> JSONValue {
        ["name": .string(Self.name), "namespace": .string(Self.namespace), "labels": Self.labels]
    }

    private var account: JSONValue { ["apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata()] }

    /// Which people change, and the pods follow.
    private var configuration: JSONValue {
        ["apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(), "data": ["names.yaml": "pods: insecure\n"]]
    }

    private var service: JSONValue {
        let addresses = settings.nameServerAddresses
        func port(_ name: String, _ number: Int, _ transport: String) -> JSONValue {
            ["name": .string(name), "port": JSONValue(number), "protocol": .string(transport)]
        }
        return [
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(),
            "spec": [
                "selector": Self.labels, "clusterIPs": .array(addresses.map { .string($0.description) }),
                "ipFamilies": .array(addresses.map { .string($0.family.name) }),
                "ipFamilyPolicy": addresses.count > 1 ? "RequireDualStack" : "SingleStack",
                "ports": [port("dns", 53, "UDP"), port("dns-tcp", 53, "TCP"), port("metrics", 9153, "TCP")],
            ],
        ]
    }

    private var deployment: JSONValue {
        func probe(_ path: String, _ port: Int, period: Int) -> JSONValue {
            ["httpGet": ["path": .string(path), "port": JSONValue(port)], "periodSeconds": JSONValue(period)]
        }
        let ports: JSONValue = [
            ["name": "dns", "containerPort": 53, "protocol": "UDP"], ["name": "dns-tcp", "containerPort": 53, "protocol": "TCP"],
            ["name": "metrics", "containerPort": 9153, "protocol": "TCP"],
        ]
        let container: JSONValue = [
            "name": "dns", "image": "tulle/dns", "args": ["--config", "/etc/tulle/names.yaml"], "ports": ports,
            "readinessProbe": probe("/ready", 8181, period: 1), "livenessProbe": probe("/health", 8080, period: 10),
            "volumeMounts": [
                ["name": "account", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true],
                ["name": "configuration", "mountPath": "/etc/tulle", "readOnly": true],
            ],
        ]
        let pod: JSONValue = [
            "serviceAccountName": .string(Self.name),
            // What is not the cluster's is asked of whom the node asks.
            "dnsPolicy": "Default", "containers": [container],
            "volumes": [
                ["name": "account", "projected": ["sources": Self.accountFiles]],
                ["name": "configuration", "configMap": ["name": .string(Self.name)]],
            ],
        ]
        return [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(),
            "spec": [
                "replicas": JSONValue(settings.nameServers), "selector": ["matchLabels": Self.labels],
                "template": ["metadata": ["labels": Self.labels], "spec": pod],
            ],
        ]
    }

    /// What admission gives to every pod elsewhere.
    private static let accountFiles: JSONValue = [
        ["serviceAccountToken": ["path": "token", "expirationSeconds": 3607]],
        ["configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]],
        ["downwardAPI": ["items": [["path": "namespace", "fieldRef": ["fieldPath": "metadata.namespace"]]]]],
    ]
}
