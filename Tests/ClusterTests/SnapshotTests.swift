import Addressing
import Cluster
import KubeAPI
import Testing

@Suite("the snapshot")
struct SnapshotTests {
    @Test("the order of arrival makes no difference", arguments: Seed.fresh(10))
    func order(_ seed: Seed) throws {
        var seed = seed
        let nodes = try (0..<12).map { try randomNode("n\($0)", &seed) }
        let text = Snapshot(of: nodes).text
        for _ in 0..<5 {
            #expect(Snapshot(of: nodes.shuffled(using: &seed)).text == text)
            var replaced = Snapshot()
            replaced.replace(with: nodes.shuffled(using: &seed))
            #expect(replaced.text == text)
        }
    }

    @Test(
        "after any history it is what the objects alone come to, and exactly the subjects that came out differently are touched",
        arguments: Seed.fresh(10) + [Seed(2_451_898_748_521_298_348)])
    func histories(_ seed: Seed) throws {
        var seed = seed
        var snapshot = Snapshot()
        var objects: [ObjectKey: any KubernetesObject] = [:]
        for _ in 0..<120 {
            let before = snapshot
            let old = objects
            let touched: Set<Snapshot.Subject>
            switch seed.number(below: 10) {
            case 0..<5:
                let object = try randomObject(&seed)
                objects[object.key] = object
                touched = snapshot.set(object)
            case 5..<9:
                let key = try objects.keys.sorted().randomElement(using: &seed) ?? randomObject(&seed).key
                objects[key] = nil
                touched = snapshot.remove(key)
            default:
                if seed.chance(1, in: 2) { objects = objects.filter { _ in seed.chance(3, in: 4) } }
                for _ in 0..<4 {
                    let object = try randomObject(&seed)
                    objects[object.key] = object
                }
                touched = snapshot.replace(with: objects.values.shuffled(using: &seed))
            }
            let fresh = Snapshot(of: Array(objects.values))
            try #require(snapshot.text == fresh.text)
            #expect(snapshot.services.names == fresh.services.names)
            #expect(touched == different(before, old, snapshot, objects))
        }
    }

    @Test("an object that says what it said before touches nothing, whatever else changed in it")
    func heartbeat() throws {
        var snapshot = Snapshot()
        var own = try node("n1", at: ["192.0.2.1"], pods: ["198.51.100.0/24"])
        #expect(snapshot.set(own) == [.node("n1")])
        #expect(snapshot.set(own) == [])
        own.metadata.resourceVersion = "2"
        own.metadata.labels = ["a": "b"]
        #expect(snapshot.set(own) == [])
        #expect(snapshot.remove(ObjectKey(Node.resource.kind, name: "n2")) == [])
        #expect(snapshot.remove(own.key) == [.node("n1")])
        #expect(snapshot.remove(own.key) == [])
    }

    @Test("a node whose problem changed is touched although the member is the same")
    func problems() throws {
        var snapshot = Snapshot(of: [try node("a", at: ["192.0.2.1"], pods: ["198.51.0.0/16"])])
        #expect(try snapshot.set(node("b", at: ["192.0.2.2"], pods: ["198.51.1.0/24"])) == [.node("b")])
        #expect(try snapshot.set(node("b", at: ["192.0.2.2"], pods: ["198.51.2.0/24"])) == [.node("b")])
    }

    // Found by a history: the problem was there twice, then once, and nobody was touched.
    @Test("a node that lists the same wrong range twice has one problem")
    func twice() throws {
        let wrong = "127.0.0.0/24"
        var snapshot = Snapshot(of: [try node("a", at: ["192.0.2.1"], pods: [wrong, wrong])])
        #expect(snapshot.problems.count == 1)
        #expect(try snapshot.set(node("a", at: ["192.0.2.1"], pods: [wrong])) == [])
    }

    @Test("kinds that mean nothing to the network are passed over")
    func strangers() throws {
        var snapshot = Snapshot()
        let key = ObjectKey(GroupVersionKind(group: "example.org", version: "v1", kind: "Node"), name: "n1")
        #expect(try snapshot.set(node("n1", at: ["192.0.2.1"], pods: ["198.51.100.0/24"])) == [.node("n1")])
        #expect(snapshot.remove(key) == [])
        #expect(snapshot.members.count == 1)
    }

    // With every node resolved after each of 5,000 objects of the first list, an agent needed minutes before its first round.
    @Test("a list of thousands of nodes is resolved once")
    func large() throws {
        let nodes = try (0..<3000).map {
            try node("n\($0)", at: ["192.0.\($0 >> 8).\($0 & 255)"], pods: ["10.\($0 >> 8).\($0 & 255).0/24"])
        }
        var snapshot = Snapshot()
        #expect(snapshot.replace(with: nodes).count == 3000)
        #expect(snapshot.members.count == 3000 && snapshot.problems.isEmpty)
        // Twice as many looks at the nodes would be seen: only what changed is touched, and no more than once.
        #expect(snapshot.replace(with: nodes).isEmpty)
        #expect(snapshot.replace(with: Array(nodes.dropLast())) == [.node("n2999")])
    }

    /// The subjects by looking at everything.
    private func different(
        _ before: Snapshot, _ old: [ObjectKey: any KubernetesObject], _ after: Snapshot, _ new: [ObjectKey: any KubernetesObject]
    ) -> Set<Snapshot.Subject> {
        var subjects: Set<Snapshot.Subject> = []
        for key in Set(old.keys).union(new.keys) {
            switch key.kind {
            case "Node":
                let problems = { (snapshot: Snapshot) in snapshot.problems.filter { $0.subject == key } }
                if before.members[key.name] != after.members[key.name] || problems(before) != problems(after) {
                    subjects.insert(.node(key.name))
                }
            case "Service":
                if (old[key] as? Service)?.spec != (new[key] as? Service)?.spec {
                    subjects.insert(.service(ServiceIndex.Name(namespace: key.namespace, name: key.name)))
                }
            default: break
            }
        }
        return subjects
    }

    private func randomObject(_ seed: inout Seed) throws -> any KubernetesObject {
        let number = seed.number(below: 6)
        let labels = ["version": "\(seed.number(below: 2))"]
        switch seed.number(below: 6) {
        case 0:
            var spec = Service.Spec()
            spec.affinity = .seconds(seed.number(below: 2))
            return Service(metadata: ObjectMeta(name: "web\(number)", namespace: "default", labels: labels), spec: spec)
        case 1: return Pod(metadata: ObjectMeta(name: "pod\(number)", namespace: "default", labels: labels))
        default: return try randomNode("n\(number)", &seed)
        }
    }
}
