import Glibc
import KubeAPI
import KubeClient
import Testing

@testable import Lab

@Suite(
    "a cluster in one process", .tags(.kernel), .serialized, .timeLimit(.minutes(5)),
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
            // It is written beside the status, perhaps after it; the suite's limit ends a wait in vain.
            var lease: JSONValue?
            while lease == nil {
                do {
                    lease = try await bench.client.get(Kinds.resource(Kinds.lease), "n1", in: "kube-node-lease")
                } catch APIFailure.notFound {}
            }
            #expect(lease?[field: "metadata", "ownerReferences"]?.array?.first?["uid"]?.string == node.uid)
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

    // A laptop that slept: the controllers had given the node and its pods up, and nobody took that back.
    @Test("a node that others gave up, or deleted, is said again to be there, and its pods with it, as they are")
    func givenUp() async throws {
        try await ClusterBench.run { bench in
            try await bench.apply(ClusterBench.deployment("web", replicas: 2), to: Kinds.deployment)
            let uids = await bench.mirror.until { $0.ready("web").count == 2 }.ready("web").map(\.uid)
            func write(_ status: String, _ reason: String, of tree: inout JSONValue) {
                var conditions = ConditionList(tree["status"] ?? [:])
                // Long ago: the controller leaves alone what was said after it.
                conditions.set("Ready", status, reason: reason, message: "", at: Moment(.seconds(1_000_000_000)))
                tree[field: "status", "conditions"] = .array(conditions.entries)
            }
            try await bench.client.modify(Kinds.resource(Kinds.node), "n1", subresource: .status) {
                write("Unknown", "NodeStatusUnknown", of: &$0)
            }
            for pod in bench.mirror.view.all(Kinds.pod) {
                try await bench.client.modify(Kinds.resource(Kinds.pod), pod.name, in: "default", subresource: .status) {
                    write("False", "NodeLost", of: &$0)
                }
            }
            let view = await bench.mirror.until { view in
                view.ready("web").count == 2 && view.one(Kinds.node, "n1", in: "")?.condition("Ready")?["status"] == "True"
            }
            #expect(Set(view.ready("web").map(\.uid)) == Set(uids))
            let old = try #require(view.one(Kinds.node, "n1", in: "")?.uid)
            try await bench.client.delete(Kinds.resource(Kinds.node), "n1")
            let node = try #require(
                await bench.mirror.until { view in
                    guard let node = view.one(Kinds.node, "n1", in: "") else { return false }
                    return node.uid != old && node.condition("Ready")?["status"] == "True" && view.ready("web").count == 2
                }.one(Kinds.node, "n1", in: ""))
            // The lease is the new node's: with the old one's name as its owner it would be collected with it.
            var owner: String?
            while owner != node.uid {
                let lease = try? await bench.client.get(Kinds.resource(Kinds.lease), "n1", in: "kube-node-lease")
                owner = lease?[field: "metadata", "ownerReferences"]?.array?.first?["uid"]?.string
                await Task.yield()
            }
            #expect(Set(bench.mirror.view.all(Kinds.pod).map(\.uid)) == Set(uids))
        }
    }

    @Test("a server that goes away and comes back, also in the middle of the work, loses nothing and doubles nothing")
    func outage() async throws {
        try await ClusterBench.run { bench in
            let deployments = Kinds.resource(Kinds.deployment)
            try await bench.apply(ClusterBench.deployment("web", replicas: 3), to: Kinds.deployment)
            let first = await bench.mirror.until { $0.ready("web").count == 3 }.ready("web").map(\.uid)
            try await bench.stopServer()
            try bench.startServer()
            for replicas in [6, 9, 12] {
                try await bench.client.scale(deployments, "web", in: "default", to: Int64(replicas))
                // The first pods of this step are there, the last ones are not.
                await bench.mirror.until { $0.all(Kinds.pod).count > replicas - 3 }
                try await bench.stopServer()
                try bench.startServer()
            }
            let view = await bench.mirror.until { $0.one(Kinds.deployment, "web")?.status["readyReplicas"] == 12 }
            #expect(Set(first).isSubset(of: view.ready("web").map(\.uid)))
            #expect(view.ready("web").allSatisfy { $0.status["containerStatuses"]?.array?.first?["restartCount"] == 0 })
            try await bench.quiet()
            #expect(bench.mirror.pods.count == 12, "\(bench.mirror.pods)")
            let added = try #require(Files.text(of: bench.plugin)).split(separator: "\n").filter { $0.hasPrefix("ADD") }
            #expect(added.count == 12 && Set(added).count == 12)
        }
    }

    @Test(
        "kubectl shows logs, runs commands and attaches, and is told why when it cannot",
        .enabled(if: ClusterBench.kubectl != nil || getenv("REQUIRE_KERNEL") != nil, "kubectl is not installed"))
    func streams() async throws {
        try await ClusterBench.run { bench in
            try await bench.apply(
                """
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"two"},"spec":{"terminationGracePeriodSeconds":1,"containers":[
                {"name":"a","image":"busybox","command":["sh","-c","echo one; echo two >&2; printf three; exec sleep 10000"]},
                {"name":"b","image":"busybox","command":["sleep","10000"]}]}}
                """, to: Kinds.pod)
            try await bench.apply(
                """
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"reader"},"spec":{"restartPolicy":"Never","containers":[
                {"name":"c","image":"busybox","stdin":true,"stdinOnce":true,"command":["cat"]}]}}
                """, to: Kinds.pod)
            await bench.mirror.until { $0.ready("two").count == 1 && $0.ready("reader").count == 1 }
            func kubectl(_ arguments: String, _ input: String = "") async throws -> (status: Int32, text: String) {
                try await bench.kubectl(arguments.split(separator: " ").map(String.init), input: input)
            }
            let both = try await kubectl("logs two -c a")
            #expect(both.status == 0 && both.text == "one\ntwo\n", "\(both)")
            #expect(try await kubectl("logs two -c a --tail=1").text == "two\n")
            #expect(try await kubectl("logs two -c a --limit-bytes=2").text == "on")
            #expect(try await kubectl("logs two -c a --timestamps --tail=1").text.hasSuffix("Z two\n"))
            #expect(try await kubectl("logs two -c a --since-time=2100-01-01T00:00:00Z").text.isEmpty)
            let none = try await kubectl("logs two -c a --previous")
            #expect(none.status == 1 && none.text.contains("previous terminated container \"a\" in pod \"two\" not found"))
            #expect(try await kubectl("logs two -c x").text.contains("container x is not valid for pod two"))
            let exit = try await kubectl("exec two -c a -- sh -c exit${IFS}42")
            #expect(exit.status == 42 && exit.text.contains("exit code 42"), "\(exit)")
            let large = String(repeating: "0123456789abcdef", count: 60 << 6)
            #expect(try await kubectl("exec -i two -c a -- cat", large).text == large)
            let attached = try await kubectl("attach -i reader", "typed\n")
            #expect(attached.status == 0 && attached.text.contains("typed"), "\(attached)")
            await bench.mirror.until { $0.one(Kinds.pod, "reader")?.status["phase"] == "Succeeded" }
            #expect(try await kubectl("logs reader").text == "typed\n")
            #expect(try await kubectl("attach two -c b -i").text.contains("container b does not have stdin enabled"))
            #expect(try await kubectl("exec reader -- true").text.contains("cannot exec into a container in a completed pod"))
            #expect(try await kubectl("exec two -c b -- /no/such").status == 127)
        }
    }
}
