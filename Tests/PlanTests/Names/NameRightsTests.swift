import Addressing
import DNS
import Testing

@testable import Cluster
@testable import KubeAPI
@testable import Plan

/// Policies, pods and namespaces come, go and change by chance, and so do the places of the name servers.
@Suite("who may ask for names") struct NameRightsTests {
    @Test("change by change or all at once, it comes to the same, and to what the evaluator says", arguments: Seed.fresh(8))
    func histories(seed: Seed) throws {
        var seed = seed
        var cluster = PolicyCluster()
        var index = PolicyIndex(node: "n1")
        index.setNodes(PolicyCluster.members)
        index.replace(with: [])
        var rights = NameRights(node: "n1")
        var ports: [ServicePort] = []
        for _ in 0..<150 {
            for _ in 0...seed.number(below: 3) {
                let (object, isGone) = try cluster.change(&index, &seed)
                if isGone { rights.mark(gone: object.key) } else { rights.mark(object) }
            }
            if seed.chance(1, in: 6) {
                let places = cluster.addresses.sorted().filter { _ in seed.chance(1, in: 5) }
                ports = Plan.NameAsker.transports.map { transport in
                    ServicePort.web(
                        "dns", transport, 53,
                        to: places.map {
                            .init(
                                address: $0, port: 80, isReady: true, isServing: true, isTerminating: false, node: "",
                                zoneHints: [], nodeHints: [])
                        })
                }
            }
            rights.use(ports)
            rights.settle(index)
            var fresh = NameRights(node: "n1")
            fresh.use(ports)
            fresh.settle(index)
            #expect(rights.refused == fresh.refused)
            let world = cluster.world
            for address in cluster.local {
                let endpoints = (ports.first?.endpoints ?? []).map(\.address).filter { $0.family == address.family }
                guard !endpoints.isEmpty else { continue }
                for transport in Plan.NameAsker.transports {
                    let isAllowed = endpoints.contains {
                        world.verdict(on: .init(from: address, to: $0, transport, port: 80)).isAllowed
                    }
                    #expect(fresh.refused.contains(Plan.NameAsker(address, transport)) != isAllowed, "\(address) \(transport)")
                }
            }
        }
    }

    @Test("an address that somebody elsewhere had first is judged once he is gone")
    func elsewhere() throws {
        let address = try ip("10.244.1.2")
        let pods = [("far", "n2", "2026-01-02"), ("near", "n1", "2026-01-01")].map { name, node, day in
            var pod = Pod(metadata: ObjectMeta(name: name, namespace: "shop", labels: ["app": "held"]))
            pod.spec.nodeName = node
            pod.metadata.creationTimestamp = "\(day)T00:00:00Z"
            pod.status.podIPs = [address]
            return pod
        }
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "held", namespace: "shop"), podSelector: LabelSelector(matching: ["app": "held"]),
            directions: [.egress])
        for isAllDue in [true, false] {
            var index = PolicyIndex(node: "n1")
            index.replace(with: [policy])
            var rights = NameRights(node: "n1")
            if !isAllDue { rights.settle(index) }
            for pod in pods {
                index.set(pod)
                rights.mark(pod)
            }
            rights.settle(index)
            #expect(rights.refused == [], "the other node's pod has it")
            index.remove(pods[0].key)
            rights.mark(gone: pods[0].key)
            #expect(rights.hasChanges)
            rights.settle(index)
            #expect(Set(rights.refused.map(\.address)) == [address])
        }
    }

    @Test("without an endpoint only those may ask that no policy isolates; one that is closed may not at all")
    func nobody() throws {
        var index = PolicyIndex(node: "n1")
        var pods = ["free", "held"].map { Pod(metadata: ObjectMeta(name: $0, namespace: "shop", labels: ["app": $0])) }
        for position in pods.indices {
            pods[position].spec.nodeName = "n1"
            pods[position].status.podIPs = [try ip("10.244.1.\(position + 1)")]
        }
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "held", namespace: "shop"), podSelector: LabelSelector(matching: ["app": "held"]),
            directions: [.egress])
        index.replace(with: pods + [policy])
        index.attach([try ip("10.244.1.9")], to: ObjectKey(Pod.resource.kind, namespace: "shop", name: "stranger"))
        var rights = NameRights(node: "n1")
        rights.settle(index)
        #expect(Set(rights.refused.map(\.address)) == [try ip("10.244.1.2"), try ip("10.244.1.9")])
        index.detach([try ip("10.244.1.9")])
        rights.mark(tenant: ObjectKey(Pod.resource.kind, namespace: "shop", name: "stranger"))
        rights.settle(index)
        #expect(Set(rights.refused.map(\.address)) == [try ip("10.244.1.2")])
    }
}

@Suite("who asks on a node") struct LocalClientsTests {
    private func pod(_ name: String, _ namespace: String, _ address: String?, uid: String = "", on node: String = "n1") throws
        -> Pod
    {
        var pod = Pod(metadata: ObjectMeta(name: name, namespace: namespace))
        pod.metadata.uid = uid
        pod.spec.nodeName = node
        pod.status.podIPs = try address.map { [try ip($0)] } ?? []
        return pod
    }

    @Test("an address that is used again has its new pod's namespace at once, and a search list when its object is known")
    func reuse() throws {
        let address = try ip("10.244.1.2")
        var clients = LocalClients(NamePlan(), node: "n1")
        #expect(try clients.set(pod("old", "a", "10.244.1.2")) == [address])
        #expect(clients[address]?.name == "a/old" && clients[address]?.searches.first?.description.hasPrefix("a.svc.") == true)
        // The old pod's object is still there when its address is given to another.
        clients.attach([address], to: ObjectKey(Pod.resource.kind, namespace: "b", name: "new"), uid: "2")
        #expect(clients[address] == .init(name: "b/new", searches: []))
        // A pod of that name that was before is another.
        #expect(try clients.set(pod("new", "b", nil, uid: "1")) == [address])
        #expect(clients[address]?.searches == [])
        #expect(try clients.set(pod("new", "b", nil, uid: "2")) == [address])
        #expect(clients[address]?.searches.first?.description.hasPrefix("b.svc.") == true)
        _ = clients.remove(ObjectKey(Pod.resource.kind, namespace: "a", name: "old"))
        clients.detach([address], from: ObjectKey(Pod.resource.kind, namespace: "b", name: "new"))
        #expect(clients[address] == nil)
    }

    @Test("two pods that claim an address are nobody, and other nodes' pods are none of ours")
    func claims() throws {
        let address = try ip("10.244.1.2")
        var clients = LocalClients(NamePlan(), node: "n1")
        _ = try clients.set(pod("one", "a", "10.244.1.2"))
        _ = try clients.set(pod("far", "a", "10.244.2.2", on: "n2"))
        #expect(try clients[ip("10.244.2.2")] == nil)
        _ = try clients.set(pod("two", "b", "10.244.1.2"))
        #expect(clients[address] == nil)
        #expect(clients.keep(only: [ObjectKey(Pod.resource.kind, namespace: "b", name: "two")]) == [address])
        #expect(clients[address]?.name == "b/two")
    }
}
