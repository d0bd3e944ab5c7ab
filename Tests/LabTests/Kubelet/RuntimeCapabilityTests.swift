import CNI
import KubeAPI
import Testing

@testable import Lab

@Suite("what the lab's kubelet tells the plugin of a pod")
struct RuntimeCapabilityTests {
    private let all: SmallJSON = ["portMappings": true, "bandwidth": true]

    private func pod(_ annotations: JSONValue = [:]) -> PodManifest {
        PodManifest([
            "metadata": ["name": "web", "namespace": "default", "annotations": annotations],
            "spec": [
                "containers": [
                    [
                        "name": "a", "image": "a",
                        "ports": [
                            ["containerPort": 80, "hostPort": 8080], ["containerPort": 81],
                            ["containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "192.0.2.1"],
                        ],
                    ]
                ]
            ],
        ])
    }

    @Test("host ports of all containers, in containerd's words, and only where the configuration has the capability")
    func ports() {
        #expect(
            pod().runtimeConfiguration(for: all) == [
                "portMappings": [
                    ["hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""],
                    ["hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "192.0.2.1"],
                ]
            ])
        #expect(pod().runtimeConfiguration(for: ["portMappings": false, "bandwidth": true]) == nil)
        #expect(pod().runtimeConfiguration(for: nil) == nil)
    }

    @Test(
        "limits come from the annotations; what is no quantity says nothing",
        arguments: [
            ("10M", 10_000_000), ("1500k", 1_500_000), ("1Gi", 1_073_741_824), ("2.5M", 2_500_000), ("x", nil), ("1", nil),
        ])
    func bandwidth(_ text: String, _ rate: Int?) {
        let said = pod(["kubernetes.io/egress-bandwidth": .string(text)]).runtimeConfiguration(for: ["bandwidth": true])
        #expect(said?["bandwidth"]?["egressRate"]?.integer == rate)
        #expect(said?["bandwidth"]?["ingressRate"] == nil)
        let faults = pod(["kubernetes.io/egress-bandwidth": .string(text)]).bandwidthFaults
        #expect(faults.count == (rate == nil ? 1 : 0))
        #expect(faults.allSatisfy { $0.contains("kubernetes.io/egress-bandwidth is “\(text)”") && $0.contains("such as 10M") })
    }
}
