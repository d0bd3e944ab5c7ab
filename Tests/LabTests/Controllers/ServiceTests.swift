import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("Services")
struct ServiceTests {
    private func slices(_ bench: Bench, _ family: String = "IPv4") -> [Item] {
        bench.cluster.all(Kinds.endpointSlice).filter { $0.tree["addressType"]?.string == family }
    }

    @Test("a service has a slice of each family, and one object of the older form")
    func families() throws {
        var bench = Bench()
        bench.apply(Sample.service { $0[field: "metadata", "labels"] = ["team": "a"] })
        bench.apply(Sample.workload("ReplicaSet"))
        bench.settle()
        for family in ["IPv4", "IPv6"] {
            let slice = try #require(slices(bench, family).first)
            #expect(slices(bench, family).count == 1)
            #expect(slice.tree["endpoints"]?.array?.count == 3)
            #expect(slice.tree["ports"] == [["name": "http", "protocol": "TCP", "port": 8080]])
            #expect(slice.labels["kubernetes.io/service-name"] == "web")
            #expect(slice.labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io")
            #expect(slice.labels["team"] == "a")
            #expect(slice.isControlled(by: try #require(bench[Kinds.service, "web"])))
        }
        let subsets = bench[Kinds.endpoints, "web"]?.tree["subsets"]?.array
        #expect(subsets?.first?["addresses"]?.array?.count == 3)
        #expect(subsets?.first?["ports"] == [["name": "http", "port": 8080, "protocol": "TCP"]])
    }

    /// The crib sheet's table: what a pod's state makes of its endpoint.
    @Test(
        "readiness, termination and publishing decide an endpoint's conditions",
        arguments: [
            (ready: true, leaving: false, publishes: false, expected: [true, true, false]),
            (ready: false, leaving: false, publishes: false, expected: [false, false, false]),
            (ready: true, leaving: true, publishes: false, expected: [false, true, true]),
            (ready: false, leaving: false, publishes: true, expected: [true, false, false]),
            (ready: true, leaving: true, publishes: true, expected: [true, true, true]),
        ])
    func conditions(ready: Bool, leaving: Bool, publishes: Bool, expected: [Bool]) throws {
        var bench = Bench()
        bench.apply(Sample.service { $0[field: "spec", "publishNotReadyAddresses"] = .bool(publishes) })
        bench.apply(Sample.pod("p", labels: ["app": "web"]))
        bench.quiesce()
        bench.run(try #require(bench[Kinds.pod, "p"]), ready: ready)
        if leaving { bench.delete(Kinds.pod, "p") }
        bench.quiesce()
        let endpoint = slices(bench).first?.tree["endpoints"]?.array?.first
        #expect(["ready", "serving", "terminating"].map { endpoint?[field: "conditions", $0]?.bool } == expected)
    }

    // Without it kubeproxy_network_programming_duration_seconds stayed empty.
    @Test("a slice says when the pod turned that changed it; a pod that is gone says nothing")
    func trigger() throws {
        func told(_ bench: Bench) -> String? {
            slices(bench).first?.tree[field: "metadata", "annotations", "endpoints.kubernetes.io/last-change-trigger-time"]?
                .string
        }
        func turned(_ bench: Bench, _ name: String) throws -> String? {
            let conditions = try #require(bench[Kinds.pod, name]).tree[field: "status", "conditions"]?.array
            return conditions?.first { $0["type"]?.string == "Ready" }?["lastTransitionTime"]?.string
        }
        var bench = Bench()
        bench.apply(Sample.service())
        for name in ["p", "q"] { bench.apply(Sample.pod(name, labels: ["app": "web"])) }
        bench.quiesce()
        #expect(told(bench) == nil)
        bench.run(try #require(bench[Kinds.pod, "p"]))
        bench.quiesce()
        #expect(try told(bench) == turned(bench, "p") && told(bench) != nil)
        bench.wait(.seconds(90))
        bench.run(try #require(bench[Kinds.pod, "q"]))
        bench.quiesce()
        #expect(try told(bench) == turned(bench, "q") && turned(bench, "q") != turned(bench, "p"))
        #expect(bench.writesWhenLookedAtAgain() == [])
        bench.editStatus(Kinds.pod, "p") { $0[field: "status", "phase"] = "Succeeded" }
        bench.quiesce()
        #expect(told(bench) == nil && slices(bench).first?.tree["endpoints"]?.array?.count == 1)
    }

    @Test("a pod that ended, has no address or is gone is no endpoint")
    func noEndpoint() throws {
        var bench = Bench()
        bench.apply(Sample.service())
        bench.apply(Sample.pod("p", labels: ["app": "web"]))
        bench.quiesce()
        #expect(slices(bench).first?.tree["endpoints"] == [])
        bench.run(try #require(bench[Kinds.pod, "p"]))
        bench.quiesce()
        #expect(slices(bench).first?.tree["endpoints"]?.array?.count == 1)
        bench.editStatus(Kinds.pod, "p") { $0[field: "status", "phase"] = "Succeeded" }
        bench.quiesce()
        #expect(slices(bench).first?.tree["endpoints"] == [])
    }

    @Test("a hostname is told only under the pod's own subdomain")
    func hostname() {
        var bench = Bench()
        bench.apply(Sample.service())
        bench.apply(Sample.service("other"))
        bench.apply(
            Sample.pod("p", labels: ["app": "web"]) {
                $0[field: "spec", "hostname"] = "h"
                $0[field: "spec", "subdomain"] = "web"
            })
        bench.settle()
        for slice in slices(bench) {
            let isOwn = slice.labels["kubernetes.io/service-name"] == "web"
            #expect(slice.tree["endpoints"]?.array?.first?["hostname"]?.string == (isOwn ? "h" : nil))
        }
    }

    @Test(
        "zones become hints when the service asks for what is near, and nodes too when it asks for the nearest",
        arguments: [
            ("PreferClose", ["forZones": [["name": "z"]]]), ("PreferSameZone", ["forZones": [["name": "z"]]]),
            ("PreferSameNode", ["forZones": [["name": "z"]], "forNodes": [["name": "n1"]]]), ("", nil),
        ] as [(String, JSONValue?)])
    func hints(_ wish: String, _ hints: JSONValue?) {
        var bench = Bench(nodes: 0)
        bench.addNode("n1", labels: ["topology.kubernetes.io/zone": "z"])
        bench.apply(Sample.service { if !wish.isEmpty { $0[field: "spec", "trafficDistribution"] = .string(wish) } })
        bench.apply(Sample.pod("p", labels: ["app": "web"]))
        bench.settle()
        let endpoint = slices(bench).first?.tree["endpoints"]?.array?.first
        #expect(endpoint?["zone"]?.string == "z")
        #expect(endpoint?["hints"] == hints)
    }

    @Test("250 pods make three slices, one pod less changes one of them, and a named port that differs makes its own")
    func packing() throws {
        var bench = Bench()
        bench.apply(Sample.service { $0[field: "spec", "ipFamilies"] = ["IPv4"] })
        bench.apply(Sample.workload("ReplicaSet", replicas: 250))
        bench.quiesce()
        // All kubelets at once: one after the other would be 250 rounds.
        for pod in bench.pods { bench.run(pod) }
        bench.quiesce()
        #expect(slices(bench).map { $0.tree["endpoints"]?.array?.count ?? 0 }.sorted() == [50, 100, 100])
        bench.edit(Kinds.replicaSet, "web") { $0[field: "spec", "replicas"] = 249 }
        bench.quiesce()
        let before = bench.log.count
        while bench.kubeletStep() { bench.quiesce() }
        #expect(bench.log[before...].count { $0.key?.isOf(Kinds.endpointSlice) == true } == 1)
        bench.apply(
            Sample.pod("p", labels: ["app": "web"]) {
                $0[field: "spec", "containers"] = [
                    ["name": "c", "image": "a", "ports": [["name": "http", "containerPort": 9090]]]
                ]
            })
        // The set adopts it, and has room for it.
        bench.edit(Kinds.replicaSet, "web") { $0[field: "spec", "replicas"] = 250 }
        bench.settle()
        #expect(slices(bench).count { $0.tree["ports"]?.array?.first?["port"]?.integer == 9090 } == 1)
        #expect(bench.writesWhenLookedAtAgain() == [])
    }

    @Test("more than a thousand addresses are cut off in Endpoints, and it says so")
    func overCapacity() throws {
        let service = try #require(Item(Sample.service()))
        var world = World()
        _ = world.learn(service)
        for number in 0..<1001 {
            let pod = Sample.pod("p\(number)", labels: ["app": "web"]) {
                $0[field: "metadata", "uid"] = .string("u\(number)")
                $0[field: "spec", "containers"] = [["ports": [["name": "http", "containerPort": 1]]]]
                $0[field: "status", "podIP"] = .string("192.0.\(number / 250).\(number % 250)")
            }
            _ = try world.learn(#require(Item(pod)))
        }
        var dice = Dice(seed: 1)
        let outcome = EndpointsController().reconcile(service.key, in: world, at: Moment(sinceEpoch: .zero), random: &dice)
        guard case .create(let tree)? = outcome.writes.first else { throw Missing() }
        #expect(tree["subsets"]?.array?.first?["notReadyAddresses"]?.array?.count == 1000)
        #expect(tree[field: "metadata", "annotations", "endpoints.kubernetes.io/over-capacity"]?.string == "truncated")
    }

    private struct Missing: Error {}

    @Test("a service that goes takes its endpoints along, one without a selector keeps what people wrote")
    func endings() {
        var bench = Bench()
        bench.apply(Sample.service())
        bench.apply(Sample.service("manual") { $0[field: "spec", "selector"] = nil })
        bench.apply([
            "apiVersion": "v1", "kind": "Endpoints", "metadata": ["name": "manual", "namespace": "default"], "subsets": [],
        ])
        bench.settle()
        bench.delete(Kinds.service, "web")
        bench.settle()
        #expect(bench.cluster.all(Kinds.endpointSlice).isEmpty)
        #expect(bench[Kinds.endpoints, "web"] == nil)
        #expect(bench[Kinds.endpoints, "manual"] != nil)
    }

    // Only slices are read: such a service had nobody behind it.
    @Test("Endpoints that people wrote are mirrored into slices, which follow them and go with them")
    func mirrored() throws {
        var bench = Bench()
        bench.apply(Sample.service { $0[field: "spec", "selector"] = nil })
        bench.carryOut(
            .create([
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": ["name": "web", "namespace": "default", "labels": ["team": "a"]],
                "subsets": [
                    [
                        "addresses": [["ip": "192.0.2.1"], ["ip": "2001:db8::1"]], "notReadyAddresses": [["ip": "192.0.2.2"]],
                        "ports": [["port": 80, "protocol": "TCP"]],
                    ]
                ],
            ]))
        bench.settle()
        #expect(slices(bench, "IPv6").map { $0.tree["endpoints"]?.array?.count } == [1])
        let slice = try #require(slices(bench).first)
        #expect(slice.labels["kubernetes.io/service-name"] == "web" && slice.labels["team"] == "a")
        #expect(slice.labels["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io")
        #expect(slice.tree["ports"] == [["name": "", "protocol": "TCP", "port": 80]])
        let endpoints = slice.tree["endpoints"]?.array ?? []
        #expect(endpoints.map { $0["addresses"]?.array?.first?.string } == ["192.0.2.1", "192.0.2.2"])
        #expect(endpoints.map { $0[field: "conditions", "ready"]?.bool } == [true, false])
        #expect(bench.writesWhenLookedAtAgain() == [])
        bench.edit(Kinds.endpoints, "web") {
            $0[field: "subsets"] = [["addresses": [["ip": "192.0.2.9"]], "ports": [["port": 80, "protocol": "TCP"]]]]
        }
        bench.settle()
        #expect(slices(bench).map(\.uid) == [slice.uid] && slices(bench, "IPv6").isEmpty)
        #expect(slices(bench).first?.tree["endpoints"]?.array?.first?["addresses"] == ["192.0.2.9"])
        // Whoever writes slices too says so.
        bench.edit(Kinds.endpoints, "web") { $0[field: "metadata", "labels", "endpointslice.kubernetes.io/skip-mirror"] = "true" }
        bench.settle()
        #expect(slices(bench).isEmpty)
        bench.edit(Kinds.endpoints, "web") { $0[field: "metadata", "labels"] = nil }
        bench.settle()
        #expect(slices(bench).count == 1)
        bench.delete(Kinds.endpoints, "web")
        bench.settle()
        #expect(slices(bench).isEmpty)
    }

    @Test("the kubernetes service and every namespace's furniture come by themselves and come back")
    func furniture() throws {
        let address = try #require(IPAddress("198.51.100.1"))
        let server = try #require(IPAddress("192.0.2.1"))
        var bench = Bench([
            KubernetesServiceController(clusterIP: address, servers: [server], port: 6443),
            NamespaceFurnitureController(certificate: "PEM"),
        ])
        bench.carryOut(.create(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "default"]]))
        bench.settle()
        #expect(bench[Kinds.service, "kubernetes"]?.spec["clusterIP"]?.string == "198.51.100.1")
        #expect(bench[Kinds.endpointSlice, "kubernetes"]?.labels["kubernetes.io/service-name"] == "kubernetes")
        #expect(bench[Kinds.configMap, "kube-root-ca.crt"]?.tree[field: "data", "ca.crt"]?.string == "PEM")
        bench.delete(Kinds.serviceAccount, "default")
        bench.delete(Kinds.endpoints, "kubernetes")
        bench.settle()
        #expect(bench[Kinds.serviceAccount, "default"] != nil)
        #expect(bench[Kinds.endpoints, "kubernetes"] != nil)
        #expect(bench.writesWhenLookedAtAgain() == [])
    }
}
