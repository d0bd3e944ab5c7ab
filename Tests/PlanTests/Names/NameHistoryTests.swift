import Cluster
import DNS
import KubeAPI
import Testing

@testable import Plan

@Suite("histories of names") struct NameHistoryTests {
    @Test("object by object, in any order, it comes to what the whole comes to", arguments: Seed.fresh(6))
    func histories(seed: Seed) throws {
        var seed = seed
        for mode in NameSettings.PodRecords.allCases {
            let plan = NamePlan(NameSettings(pods: mode))
            var objects = NamedObjects()
            var zones = Zones(plan.zones(isComplete: true))
            var known: [any KubernetesObject] = []
            for step in 0..<120 {
                let touched: Set<Snapshot.Subject>
                if seed.chance(1, in: 4), let object = known.randomElement(using: &seed) {
                    known.removeAll { $0.key == object.key }
                    touched = objects.remove(object.key)
                } else {
                    let object = try Self.object(&seed)
                    known.removeAll { $0.key == object.key }
                    known.append(object)
                    touched = objects.set(object)
                }
                let before = zones.all.map(\.records)
                for subject in touched { plan.put(plan.parts(subject, of: objects), into: &zones) }
                guard step % 6 == 0 || touched.isEmpty else { continue }
                let whole = plan.zones(of: objects)
                #expect(Self.text(zones) == Self.text(whole))
                if touched.isEmpty { #expect(zones.all.map(\.records) == before) }
                let fresh = NamedObjects(known.shuffled(using: &seed))
                #expect(Self.text(plan.zones(of: fresh)) == Self.text(whole))
                // Nothing is kept for those that are gone.
                #expect(zones.all.map(\.nameCount) == whole.all.map(\.nameCount))
            }
        }
    }

    private static func text(_ zones: Zones) -> [String] { zones.all.flatMap { $0.records.map(\.description) }.sorted() }

    private static func object(_ seed: inout Seed) throws -> any KubernetesObject {
        let (name, namespace) = ("s\(seed.number(below: 3))", "n\(seed.number(below: 2))")
        let number = seed.number(below: 4)
        switch seed.number(below: 5) {
        case 0, 1:
            let specs = [
                #""clusterIPs": ["10.0.0.\#(number)", "fd00::\#(number)"], "ports": [\#(NameFixture.http)]"#,
                #""clusterIP": "None""#, #""clusterIP": "None", "publishNotReadyAddresses": true"#,
                #""type": "ExternalName", "externalName": "s\#(number).n0.svc.cluster.local""#, "",
                #""type": "ExternalName", "externalName": "192.0.2.1""#,
            ]
            let isServer = seed.chance(1, in: 6)
            return try NameFixture.service(
                isServer ? "kube-dns" : name, in: isServer ? "kube-system" : namespace, specs[seed.number(below: specs.count)])
        case 2:
            let endpoints = (0..<seed.number(below: 4)).map { _ in
                "192.0.2.\(seed.number(below: 5))" + ["", "", "=h\(seed.number(below: 2))"][seed.number(below: 3)]
                    + (seed.chance(1, in: 3) ? "!" : "")
            }
            return try NameFixture.slice("e\(seed.number(below: 3))", of: name, in: namespace, endpoints)
        case 3: return try NameFixture.namespace(namespace)
        default:
            return try NameFixture.pod(
                name, in: namespace, at: ["192.0.2.\(number)"], phase: seed.chance(1, in: 4) ? "Failed" : "Running")
        }
    }
}
