import KubeAPI
import Testing

@testable import Lab

/// Random histories: users, kubelets and nodes do things in any order, the controllers run to rest after each, and what must
/// always hold is looked at.
@Suite("Random histories")
struct HistoryTests {
    @Test(
        "whatever happens, what was asked for comes about and no rule is broken on the way",
        arguments: 1...12 as ClosedRange<UInt64>)
    func history(seed: UInt64) throws {
        var bench = Bench(seed: seed)
        var dice = Dice(seed: seed &* 7919)
        bench.watch = { cluster, write in Self.check(write, in: cluster, seed) }
        bench.apply(Sample.service())
        bench.apply(Sample.service("db", app: "db"))
        bench.apply(Sample.workload("Deployment", replicas: 4) { $0[field: "spec", "strategy"] = Self.strategy })
        bench.apply(Sample.workload("StatefulSet", "db", replicas: 3))
        bench.apply(Sample.workload("DaemonSet", "agent", replicas: nil))
        for _ in 0..<60 {
            Self.act(&bench, &dice)
            bench.now = bench.now + .seconds(Int.random(in: 0..<20, using: &dice))
            bench.quiesce()
            try Self.look(at: bench, seed)
        }
        bench.wait(.seconds(600))
        for pod in bench.pods where !pod.isReadyPod && !pod.nodeName.isEmpty && !pod.isBeingDeleted { bench.run(pod) }
        bench.settle()
        bench.wait(.seconds(60))
        bench.settle()
        try Self.look(at: bench, seed)
        let active = bench.pods.filter(\.isActivePod)
        for (app, count) in [
            ("web", bench[Kinds.deployment, "web"]?.replicas), ("db", bench[Kinds.statefulSet, "db"]?.replicas),
            ("agent", bench.cluster.all(Kinds.node).count),
        ] {
            #expect(active.count { $0.labels["app"] == app } == count, "\(app), seed \(seed)")
        }
        let version = bench[Kinds.deployment, "web"]?.spec[field: "template", "spec", "hostname"]
        #expect(active.allSatisfy { $0.labels["app"] != "web" || $0.spec["hostname"] == version }, "seed \(seed)")
        #expect(bench.writesWhenLookedAtAgain() == [], "seed \(seed)")
    }

    private static let strategy: JSONValue = ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": 1, "maxUnavailable": 1]]

    private static func act(_ bench: inout Bench, _ dice: inout Dice) {
        let pod = bench.pods.randomElement(using: &dice)
        switch Int.random(in: 0..<12, using: &dice) {
        case 0:
            bench.edit(Kinds.deployment, "web") { $0[field: "spec", "replicas"] = JSONValue(Int.random(in: 0..<7, using: &dice)) }
        case 1:
            bench.edit(Kinds.statefulSet, "db") { $0[field: "spec", "replicas"] = JSONValue(Int.random(in: 0..<5, using: &dice)) }
        case 2:
            let version = JSONValue.string("v\(Int.random(in: 0..<4, using: &dice))")
            bench.edit(Kinds.deployment, "web") { $0[field: "spec", "template", "spec", "hostname"] = version }
        case 3:
            let version = JSONValue.string("v\(Int.random(in: 0..<4, using: &dice))")
            let kind = Bool.random(using: &dice) ? (Kinds.statefulSet, "db") : (Kinds.daemonSet, "agent")
            bench.edit(kind.0, kind.1) { $0[field: "spec", "template", "metadata", "labels", "v"] = version }
        case 4: if let pod { bench.delete(Kinds.pod, pod.name) }
        case 5: if let pod, pod.phase == "Running", !pod.isBeingDeleted { bench.run(pod, ready: !pod.isReadyPod) }
        case 6: bench.addNode("n\(Int.random(in: 1..<6, using: &dice))")
        case 7 where bench.cluster.all(Kinds.node).count > 2: bench.delete(Kinds.node, "n\(Int.random(in: 1..<6, using: &dice))")
        default: for _ in 0..<Int.random(in: 1..<6, using: &dice) where bench.kubeletStep() { bench.quiesce() }
        }
    }

    /// Our own deletes of a Deployment's pods never leave fewer available ones than were allowed to be missing.
    private static func check(_ write: Write, in cluster: MemoryCluster, _ seed: UInt64) {
        guard case .delete(let key, _, nil) = write, let doomed = cluster.objects[key].flatMap(Item.init), doomed.isReadyPod,
            doomed.labels["app"] == "web",
            let deployment = cluster.objects[ObjectKey(Kinds.deployment, namespace: "default", name: "web")].flatMap(Item.init)
        else { return }
        let available = cluster.all(Kinds.pod).count {
            $0.labels["app"] == "web" && $0.isActivePod && $0.isReadyPod && $0.key != key
        }
        #expect(available >= min(deployment.replicas - 1, deployment.replicas), "\(write), seed \(seed)")
    }

    /// What holds at every moment of rest.
    private static func look(at bench: Bench, _ seed: UInt64) throws {
        let pods = Dictionary(uniqueKeysWithValues: bench.pods.map { ($0.uid, $0) })
        for slice in bench.cluster.all(Kinds.endpointSlice) {
            let endpoints = slice.tree["endpoints"]?.array ?? []
            #expect(endpoints.count <= 100)
            let uids = endpoints.compactMap { $0[field: "targetRef", "uid"]?.string }
            try #require(uids.allSatisfy { pods[$0] != nil }, "an endpoint of a pod that is gone, seed \(seed)")
            try #require(Set(uids).count == uids.count, "an endpoint twice, seed \(seed)")
        }
        let daemons = bench.pods.filter { $0.labels["app"] == "agent" && $0.isActivePod && !$0.nodeName.isEmpty }
        try #require(Set(daemons.map(\.nodeName)).count == daemons.count, "two daemons on a node, seed \(seed)")
        for service in bench.cluster.all(Kinds.service) {
            let wanted = bench.pods.filter {
                $0.labels["app"] == service.spec[field: "selector", "app"]?.string && !$0.isFinished && !$0.podAddresses.isEmpty
                    && bench[Kinds.node, $0.nodeName] != nil
            }
            for family in ["IPv4", "IPv6"] {
                let told = bench.cluster.all(Kinds.endpointSlice).filter {
                    $0.labels["kubernetes.io/service-name"] == service.name && $0.tree["addressType"]?.string == family
                }.flatMap { $0.tree["endpoints"]?.array ?? [] }.compactMap { $0[field: "targetRef", "uid"]?.string }
                try #require(Set(told) == Set(wanted.map(\.uid)), "\(service.name) \(family), seed \(seed)")
            }
        }
    }
}
