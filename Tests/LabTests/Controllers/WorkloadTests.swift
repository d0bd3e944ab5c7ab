import KubeAPI
import Testing

@testable import Lab

@Suite("Workloads")
struct WorkloadTests {
    @Test(
        "a settled workload is looked at again and nothing is written",
        arguments: ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"])
    func idempotent(kind: String) {
        var bench = Bench()
        bench.apply(Sample.service())
        bench.apply(Sample.workload(kind))
        bench.settle()
        #expect(bench.pods.count == 3)
        #expect(bench.pods.allSatisfy { $0.isReadyPod })
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("a deployment is complete as kubectl rollout status sees it")
    func rolloutStatus() throws {
        var bench = Bench()
        bench.apply(Sample.workload("Deployment"))
        bench.settle()
        let deployment = try #require(bench[Kinds.deployment, "web"])
        for counter in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            #expect(deployment.counter(counter) == 3, "\(counter)")
        }
        #expect(deployment.counter("observedGeneration") == Int(deployment.metadata.generation))
        #expect(deployment.condition("Progressing")?["reason"]?.string == "NewReplicaSetAvailable")
        #expect(deployment.condition("Available")?["status"]?.string == "True")
        #expect(deployment.revision == 1)
    }

    @Test("a rolling update keeps its bounds at every step and undo brings the old set back with a new number")
    func rollingUpdate() throws {
        var bench = Bench()
        bench.apply(
            Sample.workload("Deployment", replicas: 10) {
                $0[field: "spec", "strategy"] = [
                    "type": "RollingUpdate", "rollingUpdate": ["maxSurge": "30%", "maxUnavailable": 2],
                ]
            })
        bench.settle()
        let first = try #require(bench.cluster.all(Kinds.replicaSet).first)
        bench.watch = { cluster, write in
            guard case .delete(let key, _, _) = write, key.isOf(Kinds.pod) else { return }
            let pods = cluster.all(Kinds.pod).filter(\.isActivePod)
            let left = pods.filter { $0.key != key && $0.isReadyPod }.count
            #expect(left >= 8, "only \(left) would be left")
            #expect(pods.count <= 13)
        }
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "terminationGracePeriodSeconds"] = 1 }
        bench.settle()
        #expect(bench[Kinds.deployment, "web"]?.revision == 2)
        #expect(bench.pods.count == 10)
        #expect(bench.pods.allSatisfy { $0.spec["terminationGracePeriodSeconds"]?.integer == 1 })
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "terminationGracePeriodSeconds"] = nil }
        bench.settle()
        let again = try #require(bench[Kinds.replicaSet, first.name])
        #expect(bench.cluster.all(Kinds.replicaSet).count == 2)
        #expect(again.replicas == 10)
        #expect(again.revision == 3)
        #expect(again.metadata.annotations[RolloutMark.history] == "1")
    }

    @Test("recreate waits for the last old pod before the first new one")
    func recreate() {
        var bench = Bench()
        bench.apply(Sample.workload("Deployment") { $0[field: "spec", "strategy"] = ["type": "Recreate"] })
        bench.settle()
        bench.watch = { cluster, write in
            guard case .create(let tree) = write, tree["kind"]?.string == "Pod" else { return }
            let old = cluster.all(Kinds.pod).filter {
                $0.labels["pod-template-hash"] != tree[field: "metadata", "labels", "pod-template-hash"]?.string
            }
            #expect(old.isEmpty)
        }
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "hostname"] = "h" }
        bench.settle()
        #expect(bench.pods.count == 3)
        #expect(bench.pods.allSatisfy { $0.spec["hostname"]?.string == "h" })
    }

    @Test("a paused deployment scales but does not roll, and a deadline that passes is told")
    func pausedAndLate() {
        var bench = Bench()
        bench.apply(Sample.workload("Deployment"))
        bench.settle()
        bench.edit(Kinds.deployment, "web") {
            $0[field: "spec", "paused"] = true
            $0[field: "spec", "replicas"] = 5
            $0[field: "spec", "template", "spec", "hostname"] = "h"
        }
        bench.settle()
        #expect(bench.pods.count == 5)
        #expect(bench.cluster.all(Kinds.replicaSet).count == 1)
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "paused"] = false }
        bench.quiesce()
        bench.wait(.seconds(700))
        #expect(bench[Kinds.deployment, "web"]?.condition("Progressing")?["reason"]?.string == "ProgressDeadlineExceeded")
        bench.settle()
        #expect(bench[Kinds.deployment, "web"]?.condition("Progressing")?["reason"]?.string == "NewReplicaSetAvailable")
    }

    // `kubectl rollout status` ended with 1 when it looked in that moment.
    @Test("a rollout is judged by its own time, not by that of the last one")
    func ownTime() {
        var bench = Bench()
        bench.apply(Sample.workload("Deployment"))
        bench.settle()
        bench.wait(.seconds(3600))
        var reasons: [String] = []
        bench.watch = { _, write in
            guard case .updateStatus(let tree) = write, let item = Item(tree), item.key.isOf(Kinds.deployment) else { return }
            reasons += [item.condition("Progressing")?["reason"]?.string ?? ""]
        }
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "hostname"] = "h" }
        bench.settle()
        #expect(reasons.first == "NewReplicaSetCreated" && reasons.last == "NewReplicaSetAvailable")
        #expect(!reasons.contains("ProgressDeadlineExceeded"))
        bench.wait(.seconds(3600))
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "hostname"] = nil }
        reasons = []
        bench.settle()
        #expect(reasons.first == "FoundNewReplicaSet" && reasons.last == "NewReplicaSetAvailable")
        // And one that never gets on is told.
        bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "nodeSelector"] = ["a": "b"] }
        bench.quiesce()
        bench.wait(.seconds(700))
        #expect(reasons.last == "ProgressDeadlineExceeded")
    }

    @Test("only as many old sets are kept as history asks for")
    func history() {
        var bench = Bench()
        bench.apply(Sample.workload("Deployment", replicas: 1) { $0[field: "spec", "revisionHistoryLimit"] = 2 })
        bench.settle()
        for round in 1...5 {
            bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "hostname"] = .string("h\(round)") }
            bench.settle()
        }
        #expect(bench.cluster.all(Kinds.replicaSet).count == 3)
        #expect(bench[Kinds.deployment, "web"]?.revision == 6)
    }

    @Test("a name that is taken by another set is gone round by the collision count")
    func collision() {
        var bench = Bench()
        let deployment = Sample.workload("Deployment")
        let hash = GivenName.hash(of: deployment[field: "spec", "template"] ?? [:], collisions: nil)
        bench.apply(Sample.workload("ReplicaSet", "web-\(hash)", replicas: 0))
        bench.apply(deployment)
        bench.settle()
        #expect(bench[Kinds.deployment, "web"]?.counter("collisionCount") == 1)
        #expect(bench.pods.count == 3)
    }

    @Test("a replica set adopts pods that match, lets go of those that do not, and gives up unready ones first")
    func replicaSet() throws {
        var bench = Bench()
        bench.apply(Sample.pod("stray", labels: ["app": "web"]))
        bench.settle()
        bench.apply(Sample.workload("ReplicaSet"))
        bench.settle()
        #expect(bench.pods.count == 3)
        #expect(bench[Kinds.pod, "stray"]?.metadata.controller?.name == "web")
        bench.edit(Kinds.pod, "stray") { $0[field: "metadata", "labels", "app"] = "other" }
        bench.settle()
        #expect(bench[Kinds.pod, "stray"]?.metadata.controller == nil)
        #expect(bench.pods.count == 4)
        let sick = try #require(bench.pods.first { $0.name != "stray" })
        bench.run(sick, ready: false)
        bench.edit(Kinds.replicaSet, "web") { $0[field: "spec", "replicas"] = 2 }
        bench.settle()
        #expect(bench[Kinds.pod, sick.name] == nil)
    }

    @Test("a stateful set makes its pods in order, each after the one before is ready, and takes them away from the end")
    func ordered() {
        var bench = Bench()
        bench.apply(Sample.workload("StatefulSet") { $0[field: "spec", "serviceName"] = "web" })
        bench.quiesce()
        #expect(bench.pods.map(\.name) == ["web-0"])
        bench.settle()
        #expect(bench.pods.map(\.name) == ["web-0", "web-1", "web-2"])
        let pod = bench[Kinds.pod, "web-1"]
        #expect(pod?.labels["statefulset.kubernetes.io/pod-name"] == "web-1")
        #expect(pod?.labels["apps.kubernetes.io/pod-index"] == "1")
        #expect(pod?.spec["hostname"]?.string == "web-1")
        #expect(pod?.spec["subdomain"]?.string == "web")
        bench.edit(Kinds.statefulSet, "web") { $0[field: "spec", "replicas"] = 1 }
        bench.quiesce()
        #expect(bench[Kinds.pod, "web-2"]?.isBeingDeleted == true)
        #expect(bench[Kinds.pod, "web-1"]?.isBeingDeleted == false)
        bench.settle()
        #expect(bench.pods.map(\.name) == ["web-0"])
    }

    // Every example of a database has them; its pods were refused for a mount of a volume that was not there.
    @Test("for a volume claim stands an emptyDir, and people are told")
    func claims() {
        var bench = Bench()
        bench.apply(
            Sample.workload("StatefulSet", replicas: 1) {
                $0[field: "spec", "volumeClaimTemplates"] = [["metadata": ["name": "data"], "spec": [:]]]
            })
        bench.settle()
        #expect(bench.pods.first?.spec["volumes"] == [["name": "data", "emptyDir": [:]]])
        let told = bench.notices.first { $0.reason == "ClaimsNotServed" }
        #expect(told?.message.contains("data is an emptyDir") == true && told?.severity == .warning)
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("a parallel stateful set does not wait")
    func parallel() {
        var bench = Bench()
        bench.apply(Sample.workload("StatefulSet") { $0[field: "spec", "podManagementPolicy"] = "Parallel" })
        bench.quiesce()
        #expect(bench.pods.count == 3)
    }

    @Test("a partition holds back the lower ordinals, which come back in their old form")
    func partition() {
        var bench = Bench()
        bench.apply(
            Sample.workload("StatefulSet") {
                $0[field: "spec", "updateStrategy"] = ["type": "RollingUpdate", "rollingUpdate": ["partition": 2]]
            })
        bench.settle()
        bench.edit(Kinds.statefulSet, "web") { $0[field: "spec", "template", "metadata", "labels", "v"] = "2" }
        bench.settle()
        #expect(bench.pods.map { $0.labels["v"] } == [nil, nil, "2"])
        bench.delete(Kinds.pod, "web-0")
        bench.settle()
        #expect(bench.pods.map { $0.labels["v"] } == [nil, nil, "2"])
        bench.edit(Kinds.statefulSet, "web") { $0[field: "spec", "updateStrategy", "rollingUpdate", "partition"] = 0 }
        bench.settle()
        #expect(bench.pods.map { $0.labels["v"] } == ["2", "2", "2"])
        let status = bench[Kinds.statefulSet, "web"]?.status
        #expect(status?["currentRevision"] == status?["updateRevision"])
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("with OnDelete a pod gets the new template when somebody deletes it", arguments: ["StatefulSet", "DaemonSet"])
    func onDelete(kind: String) {
        var bench = Bench()
        bench.apply(Sample.workload(kind) { $0[field: "spec", "updateStrategy"] = ["type": "OnDelete"] })
        bench.settle()
        let kinds = [Kinds.statefulSet, Kinds.daemonSet]
        for kind in kinds { bench.edit(kind, "web") { $0[field: "spec", "template", "metadata", "labels", "v"] = "2" } }
        bench.settle()
        #expect(bench.pods.allSatisfy { $0.labels["v"] == nil })
        bench.delete(Kinds.pod, bench.pods[0].name)
        bench.settle()
        #expect(bench.pods.count { $0.labels["v"] == "2" } == 1)
    }

    // With maxUnavailable 0 it stood still without a word.
    @Test("a daemon set with a surge has the new pod available before the old one goes", arguments: [1, 2])
    func surge(count: Int) {
        var bench = Bench()
        bench.apply(
            Sample.workload("DaemonSet", replicas: nil) {
                $0[field: "spec", "updateStrategy"] = [
                    "type": "RollingUpdate", "rollingUpdate": ["maxSurge": JSONValue(count), "maxUnavailable": 0],
                ]
            })
        bench.settle()
        bench.watch = { cluster, write in
            let pods = cluster.all(Kinds.pod).filter(\.isActivePod)
            switch write {
            case .delete(let key, _, _) where key.isOf(Kinds.pod):
                let ready = Set(pods.filter { $0.key != key && $0.isReadyPod }.map(\.nodeName))
                #expect(ready == ["n1", "n2", "n3"], "\(write)")
            case .create(let tree) where tree["kind"] == "Pod": #expect(pods.count < 3 + count)
            default: break
            }
        }
        bench.edit(Kinds.daemonSet, "web") { $0[field: "spec", "template", "metadata", "labels", "v"] = "2" }
        bench.settle()
        #expect(bench.pods.map { $0.labels["v"] } == ["2", "2", "2"])
        #expect(Set(bench.pods.map(\.nodeName)).count == 3)
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("a daemon set follows nodes, their labels and taints, and rolls one node at a time")
    func daemons() {
        var bench = Bench()
        bench.edit(Kinds.node, "n1") { $0[field: "spec", "taints"] = [["key": "k", "effect": "NoSchedule"]] }
        bench.apply(Sample.workload("DaemonSet", replicas: nil))
        bench.settle()
        #expect(Set(bench.pods.map(\.nodeName)) == ["n2", "n3"])
        bench.addNode("n4")
        bench.settle()
        #expect(Set(bench.pods.map(\.nodeName)) == ["n2", "n3", "n4"])
        bench.watch = { cluster, write in
            guard case .delete(let key, _, _) = write, key.isOf(Kinds.pod) else { return }
            #expect(cluster.all(Kinds.pod).count { $0.key != key && $0.isReadyPod && !$0.isBeingDeleted } >= 2)
        }
        bench.edit(Kinds.daemonSet, "web") { $0[field: "spec", "template", "metadata", "labels", "v"] = "2" }
        bench.settle()
        #expect(bench.pods.map { $0.labels["v"] } == ["2", "2", "2"])
        let status = bench[Kinds.daemonSet, "web"]?.status
        for counter in ["desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"] {
            #expect(status?[counter]?.integer == 3, "\(counter)")
        }
    }
}
