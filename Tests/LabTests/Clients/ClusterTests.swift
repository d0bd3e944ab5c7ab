import Glibc
import KubeAPI
import KubeClient
import Testing

@testable import Lab

@Suite(
    "a cluster in one process", .tags(.kernel), .serialized, .timeLimit(.minutes(2)),
    .enabled(if: geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil))
struct ClusterTests {
    @Test("a node is Ready when its plugin is, and says why while it is not")
    func readiness() async throws {
        try await ClusterBench.run(isReady: false) { bench in
            let view = await bench.mirror.until { $0.one(Kinds.node, "n1", in: "")?.condition("Ready") != nil }
            let node = try #require(view.one(Kinds.node, "n1", in: ""))
            #expect(node.condition("Ready")?["status"] == "False" && node.condition("Ready")?["reason"] == "KubeletNotReady")
            #expect(
                node.condition("Ready")?["message"]?.string?.hasPrefix(
                    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:") == true)
            #expect(node.labels["kubernetes.io/hostname"] == "n1" && node.labels["kubernetes.io/os"] == "linux")
            try bench.setReady(true)
            await bench.mirror.until { view in
                guard let node = view.one(Kinds.node, "n1", in: "") else { return false }
                return node.condition("Ready")?["status"] == "True" && node.spec["taints"] == nil
                    && node.spec["podCIDRs"] == ["198.51.100.0/26"]
            }
            let lease = try await bench.client.get(Kinds.resource(Kinds.lease), "n1", in: "kube-node-lease")
            #expect(lease[field: "metadata", "ownerReferences"]?.array?.first?["uid"]?.string == node.uid)
        }
    }

    @Test("a deployment becomes ready pods, is scaled, rolled and deleted, and then nothing is written any more")
    func deployment() async throws {
        try await ClusterBench.run { bench in
            try await bench.apply(ClusterBench.deployment("web", replicas: 3), to: Kinds.deployment)
            await bench.mirror.until { $0.one(Kinds.deployment, "web")?.status["readyReplicas"] == 3 }
            try await bench.client.scale(Kinds.resource(Kinds.deployment), "web", in: "default", to: 5)
            await bench.mirror.until { $0.ready("web").count == 5 }
            let before = bench.mirror.view.ready("web").map(\.uid)
            try await bench.client.modify(Kinds.resource(Kinds.deployment), "web", in: "default") { tree in
                guard var containers = tree[field: "spec", "template", "spec", "containers"]?.array else { return }
                containers[0][field: "env"] = [["name": "V", "value": "2"]]
                tree[field: "spec", "template", "spec", "containers"] = .array(containers)
            }
            await bench.mirror.until { view in
                let ready = view.ready("web")
                return ready.count == 5 && view.all(Kinds.pod).count == 5 && !ready.contains { before.contains($0.uid) }
                    && view.one(Kinds.deployment, "web")?.status["updatedReplicas"] == 5
            }
            // The API takes what it was given a second time for nothing new: so nothing is written when nothing happens.
            try await bench.quiet()
            try await bench.client.delete(
                Kinds.resource(Kinds.deployment), "web", in: "default", options: DeletionOptions(propagation: .background))
            await bench.mirror.until { $0.all(Kinds.pod).isEmpty && $0.all(Kinds.replicaSet).isEmpty }
            let calls = try #require(Files.text(of: bench.plugin)).split(separator: "\n").map { $0.split(separator: " ") }
            let (added, removed) = (calls.filter { $0[0] == "ADD" }.map { $0[1] }, calls.filter { $0[0] == "DEL" }.map { $0[1] })
            #expect(Set(added) == Set(removed) && added.count == Set(added).count)
        }
    }
}
