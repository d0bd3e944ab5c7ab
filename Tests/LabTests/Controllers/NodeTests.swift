import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("Nodes and scheduling")
struct NodeTests {
    private func message(_ bench: Bench, _ pod: String) -> String? {
        bench[Kinds.pod, pod]?.condition("PodScheduled")?["message"]?.string
    }

    @Test("a pod that fits nowhere is told why, and is bound when that changes")
    func obstacles() {
        var bench = Bench()
        bench.edit(Kinds.node, "n1") { $0[field: "spec", "taints"] = [["key": "k", "value": "v", "effect": "NoSchedule"]] }
        bench.edit(Kinds.node, "n2") { $0[field: "spec", "unschedulable"] = true }
        bench.apply(Sample.pod("p") { $0[field: "spec", "nodeSelector"] = ["disk": "ssd"] })
        bench.settle()
        #expect(
            message(bench, "p")
                == "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )
        #expect(bench.writesWhenLookedAtAgain() == [])
        bench.edit(Kinds.node, "n3") { $0[field: "metadata", "labels", "disk"] = "ssd" }
        bench.settle()
        #expect(bench[Kinds.pod, "p"]?.nodeName == "n3")
    }

    @Test(
        "required affinity knows every operator",
        arguments: [
            ("In", ["4"], true), ("NotIn", ["4"], false), ("Exists", [], true), ("DoesNotExist", [], false), ("Gt", ["3"], true),
            ("Gt", ["4"], false), ("Lt", ["5"], true), ("Lt", ["x"], false),
        ])
    func affinity(operator: String, values: [String], fits: Bool) throws {
        let spec: JSONValue = [
            "affinity": [
                "nodeAffinity": [
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        "nodeSelectorTerms": [
                            [
                                "matchExpressions": [
                                    [
                                        "key": "cores", "operator": .string(`operator`),
                                        "values": .array(values.map(JSONValue.string)),
                                    ]
                                ]
                            ]
                        ]
                    ]
                ]
            ]
        ]
        let node = try #require(
            Item(["apiVersion": "v1", "kind": "Node", "metadata": ["name": "n", "labels": ["cores": "4"]]]))
        #expect(NodeAffinity(of: spec).matches(node) == fits)
    }

    @Test("pods of one owner are spread, and a host port is taken once a node")
    func spread() {
        var bench = Bench()
        bench.apply(
            Sample.workload("ReplicaSet", replicas: 4) {
                $0[field: "spec", "template", "spec", "containers"] = [
                    ["name": "c", "image": "a", "ports": [["containerPort": 80, "hostPort": 80]]]
                ]
            })
        bench.settle()
        #expect(Set(bench.pods.map(\.nodeName)) == ["n1", "n2", "n3", ""])
        let waiting = bench.pods.first { $0.nodeName.isEmpty }?.name ?? ""
        #expect(
            message(bench, waiting)
                == "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
        )
        bench.addNode("n4")
        bench.settle()
        #expect(bench.pods.allSatisfy { !$0.nodeName.isEmpty })
    }

    @Test("a hard spread constraint holds pods back")
    func topology() {
        var bench = Bench(nodes: 0)
        for (name, zone) in [("n1", "a"), ("n2", "a"), ("n3", "b")] { bench.addNode(name, labels: ["zone": zone]) }
        bench.edit(Kinds.node, "n3") { $0[field: "spec", "unschedulable"] = true }
        bench.apply(
            Sample.workload("ReplicaSet", replicas: 3) {
                $0[field: "spec", "template", "spec", "topologySpreadConstraints"] = [
                    [
                        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": ["matchLabels": ["app": "web"]],
                    ]
                ]
            })
        bench.settle()
        #expect(bench.pods.count { !$0.nodeName.isEmpty } == 1)
    }

    @Test("nodes get prefixes of both families that overlap no other's, and those of a node that went are given again")
    func prefixes() throws {
        let ranges = try ["10.244.0.0/22", "2001:db8::/62"].map { NodePrefixController.Range(try #require(IPPrefix($0))) }
        var bench = Bench([NodePrefixController(ranges)], nodes: 4)
        bench.settle()
        let given = bench.cluster.all(Kinds.node).flatMap { $0.spec["podCIDRs"]?.array?.compactMap(\.string) ?? [] }
        #expect(given.count == 8)
        #expect(Set(given).count == 8)
        #expect(bench[Kinds.node, "n2"]?.spec["podCIDR"]?.string == "10.244.1.0/24")
        bench.addNode("n5")
        bench.settle()
        #expect(bench[Kinds.node, "n5"]?.spec["podCIDR"] == nil)
        bench.delete(Kinds.node, "n2")
        bench.settle()
        #expect(bench[Kinds.node, "n5"]?.spec["podCIDRs"] == ["10.244.1.0/24", "2001:db8:0:1::/64"])
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("nodes that are there together get their prefixes in the order of their names, node-2 before node-10")
    func prefixesInOrder() throws {
        let range = NodePrefixController.Range(try #require(IPPrefix("10.244.0.0/16")))
        var bench = Bench([NodePrefixController([range])], nodes: 0)
        for name in ["node-10", "node-2", "web", "node-1"] { bench.addNode(name) }
        bench.settle()
        let given = ["node-1", "node-2", "node-10", "web"].map { bench[Kinds.node, $0]?.spec["podCIDR"]?.string }
        #expect(given == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"])
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("a silent node becomes unknown, its pods unready, then evicted; when it speaks again its taints go")
    func lifecycle() {
        var bench = Bench(Bench.controllers + [NodeLifecycleController(grace: .seconds(40))], nodes: 2)
        func beat(_ node: String) {
            let spec: JSONValue = ["renewTime": .string(bench.now.precise)]
            bench.carryOut(
                .create([
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": ["name": .string(node), "namespace": "kube-node-lease"], "spec": spec,
                ]))
        }
        beat("n1")
        beat("n2")
        bench.apply(Sample.workload("ReplicaSet", replicas: 2))
        bench.settle()
        func renew(_ node: String) {
            let key = ObjectKey(Kinds.lease, namespace: "kube-node-lease", name: node)
            guard var tree = bench.cluster.objects[key] else { return }
            tree[field: "spec", "renewTime"] = .string(bench.now.precise)
            bench.carryOut(.update(tree))
        }
        for _ in 0..<5 {
            bench.wait(.seconds(10))
            renew("n1")
            bench.quiesce()
        }
        #expect(bench[Kinds.node, "n1"]?.condition("Ready")?["status"]?.string == "True")
        #expect(bench[Kinds.node, "n2"]?.condition("Ready")?["status"]?.string == "Unknown")
        let taints = bench[Kinds.node, "n2"]?.spec["taints"]?.array ?? []
        #expect(
            taints.map { "\($0["key"]?.string ?? ""):\($0["effect"]?.string ?? "")" }.sorted()
                == ["node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"])
        let lost = bench.pods.filter { $0.nodeName == "n2" }
        #expect(lost.count == 1)
        #expect(lost.allSatisfy { !$0.isReadyPod && !$0.isBeingDeleted })
        for _ in 0..<32 {
            bench.wait(.seconds(10))
            renew("n1")
            bench.quiesce()
        }
        #expect(bench.pods.filter { $0.nodeName == "n2" }.allSatisfy { $0.isBeingDeleted })
        #expect(bench.pods.count { $0.nodeName == "n1" } == 2)
        let heartbeat = JSONValue.string(bench.now.description)
        bench.editStatus(Kinds.node, "n2") {
            $0[field: "status", "conditions"] = [["type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat]]
        }
        renew("n2")
        bench.settle()
        #expect(bench[Kinds.node, "n2"]?.spec["taints"] == nil)
    }

    // They stayed NotReady for ever, because each of the two compared with its own memory.
    @Test("pods are unready from the moment their node turned; what their kubelet says of them after that stands")
    func turned() throws {
        var bench = Bench(Bench.controllers + [NodeLifecycleController(grace: .seconds(40))], nodes: 1)
        bench.apply(Sample.workload("ReplicaSet", replicas: 2))
        bench.settle()
        bench.wait(.seconds(41))
        #expect(bench[Kinds.node, "n1"]?.condition("Ready")?["status"]?.string == "Unknown")
        #expect(bench.pods.allSatisfy { !$0.isReadyPod })
        bench.now = bench.now + .seconds(1)
        for pod in bench.pods { bench.run(pod) }
        bench.wait(.seconds(1))
        #expect(bench.pods.allSatisfy { $0.isReadyPod })
        #expect(bench[Kinds.node, "n1"]?.condition("Ready")?["status"]?.string == "Unknown")
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    // `kubectl taint` says no time, and it was counted from now at each look.
    @Test("a taint that people put there without a time evicts those that bear it for a while only")
    func untimedTaint() {
        var bench = Bench(Bench.controllers + [NodeLifecycleController(grace: .seconds(100_000))], nodes: 1)
        bench.apply(
            Sample.pod("p") {
                $0[field: "spec", "tolerations"] = [["key": "k", "operator": "Exists", "tolerationSeconds": 60]]
            })
        bench.settle()
        bench.edit(Kinds.node, "n1") { $0[field: "spec", "taints"] = [["key": "k", "effect": "NoExecute"]] }
        bench.quiesce()
        bench.wait(.seconds(30))
        bench.edit(Kinds.pod, "p") { $0[field: "metadata", "labels", "look"] = "again" }
        bench.wait(.seconds(29))
        #expect(bench[Kinds.pod, "p"]?.isBeingDeleted == false)
        bench.wait(.seconds(2))
        #expect(bench[Kinds.pod, "p"]?.isBeingDeleted != false)
    }

    @Test("pods of a node that is gone are taken away")
    func orphans() {
        var bench = Bench()
        bench.apply(Sample.workload("ReplicaSet"))
        bench.settle()
        // Pods older than that went at once with their node, also when it only was registered anew.
        bench.wait(.seconds(3600))
        let there = bench.pods.filter { $0.nodeName == "n1" }.map(\.uid)
        bench.delete(Kinds.node, "n1")
        bench.quiesce()
        bench.wait(.seconds(39))
        #expect(bench.pods.filter { $0.nodeName == "n1" }.map(\.uid) == there)
        bench.addNode("n1")
        bench.wait(.seconds(60))
        #expect(bench.pods.filter { $0.nodeName == "n1" }.map(\.uid) == there)
        bench.delete(Kinds.node, "n1")
        bench.quiesce()
        bench.wait(.seconds(41))
        bench.settle()
        #expect(bench.pods.count == 3)
        #expect(bench.pods.allSatisfy { ["n2", "n3"].contains($0.nodeName) })
    }

    @Test(
        "moments are written and read as Kubernetes does", arguments: [0, 951_782_399, 951_782_400, 1_709_164_800, 4_102_444_799])
    func moments(seconds: Int) {
        let moment = Moment(sinceEpoch: .seconds(seconds))
        #expect(Moment(moment.description) == moment)
        #expect(Moment(moment.precise) == moment)
    }

    @Test("a leap day has its name")
    func leapDay() {
        #expect(Moment(sinceEpoch: .seconds(951_782_400)).description == "2000-02-29T00:00:00Z")
        #expect(Moment("2000-02-29T01:30:00.25+01:00")?.sinceEpoch == .seconds(951_784_200) + .milliseconds(250))
    }
}
