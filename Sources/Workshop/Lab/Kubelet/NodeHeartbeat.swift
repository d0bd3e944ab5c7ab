import APIServer
public import Addressing
public import KubeAPI

/// What a kubelet says of its node, as values: whoever has a client writes them.
public struct NodeHeartbeat: Hashable, Sendable {
    public var name: String
    public var addresses: [IPAddress]
    public var processors: Int
    /// In bytes.
    public var memory: Int
    public var podLimit = 110
    public var kernelVersion: String
    public var osImage = "Tulle lab"
    public var machineID = ""
    public var bootID = ""

    public init(name: String, addresses: [IPAddress], processors: Int, memory: Int, kernelVersion: String) {
        (self.name, self.addresses, self.processors) = (name, addresses, processors)
        (self.memory, self.kernelVersion) = (memory, kernelVersion)
    }

    /// How long a node is taken for alive after its last word.
    public static let leaseDuration = Duration.seconds(40)
}

extension NodeHeartbeat {
    /// The node, when it is not there yet.
    public func node() -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Node",
            "metadata": [
                "name": .string(name),
                "labels": [
                    "kubernetes.io/hostname": .string(name), "kubernetes.io/os": "linux", "kubernetes.io/arch": Self.architecture,
                ],
            ],
            "spec": [:],
        ]
    }

    /// - Parameters:
    ///   - fault: why the node is not ready, such as an agent that does not answer STATUS; `nil` when it is.
    ///   - previous: the status in the API, whose times of transition stand where nothing changed.
    public func status(at now: Moment, fault: String? = nil, previous: JSONValue? = nil) -> JSONValue {
        func condition(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String) -> JSONValue {
            let status = isTrue ? "True" : "False"
            let old = previous?["conditions"]?.array?.first { $0["type"]?.string == type }
            let since = old?["status"]?.string == status ? old?["lastTransitionTime"]?.string : nil
            return [
                "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
                "lastHeartbeatTime": .string(now.description), "lastTransitionTime": .string(since ?? now.description),
            ]
        }
        let quantities: JSONValue = [
            "cpu": .string("\(processors)"), "memory": .string("\(memory / 1024)Ki"), "pods": .string("\(podLimit)"),
            "ephemeral-storage": "0",
        ]
        let shown = addresses.map { ["type": "InternalIP", "address": .string("\($0)")] as JSONValue }
        return [
            "addresses": .array(shown + [["type": "Hostname", "address": .string(name)]]),
            "capacity": quantities, "allocatable": quantities,
            "conditions": [
                condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                fault.map { condition("Ready", false, "KubeletNotReady", $0) }
                    ?? condition("Ready", true, "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": [
                "architecture": Self.architecture, "operatingSystem": "linux", "kernelVersion": .string(kernelVersion),
                "osImage": .string(osImage), "containerRuntimeVersion": "tulle://0.1.0",
                // The same release as the API's: `kubectl version` and `kubectl get nodes` agree.
                "kubeletVersion": Discovery.version["gitVersion"] ?? "",
                "kubeProxyVersion": "", "machineID": .string(machineID), "bootID": .string(bootID),
                "systemUUID": .string(machineID),
            ],
            "daemonEndpoints": ["kubeletEndpoint": ["Port": 10250]],
        ]
    }

    private static var architecture: JSONValue {
        #if arch(arm64)
            "arm64"
        #else
            "amd64"
        #endif
    }
}
