import KubeAPI
import KubeClient
import Testing

struct UpkeepTests {
    private let now = Timestamp(seconds: 1_767_225_600)

    @Test("a lease is made where there is none, and then renewed from what was written, a quarter of its time apart")
    func lease() throws {
        var renewal = LeaseRenewal(name: "n1", holder: "n1")
        #expect(renewal.start() == .read)
        guard case .create(let made) = renewal.absent(at: now) else {
            Issue.record("not made")
            return
        }
        #expect(made[at: "spec", "renewTime"] == "2026-01-01T00:00:00.000000Z")
        #expect(made[at: "spec", "leaseDurationSeconds"] == 40)
        #expect(
            renewal.written(["metadata": ["resourceVersion": "7"], "spec": made["spec"] ?? [:], "future": 1])
                == .wait(.seconds(10)))
        guard case .update(let next) = renewal.waited(at: now + .seconds(10)) else {
            Issue.record("not renewed")
            return
        }
        #expect(next[at: "metadata", "resourceVersion"] == "7")
        #expect(next["future"] == 1)
        #expect(next[at: "spec", "renewTime"] == "2026-01-01T00:00:10.000000Z")
        #expect(next[at: "spec", "acquireTime"] == "2026-01-01T00:00:00.000000Z")
    }

    @Test("after a refusal the lease is read again, later each time; one taken over counts a transition")
    func refused() {
        var renewal = LeaseRenewal(name: "n1", holder: "n1")
        #expect(renewal.refused(random: 0) == .wait(.milliseconds(100)))
        #expect(renewal.waited(at: now) == .read)
        #expect(renewal.refused(random: 0) == .wait(.milliseconds(200)))
        let found: JSONValue = ["spec": ["holderIdentity": "other", "leaseTransitions": 2]]
        guard case .update(let tree) = renewal.read(found, at: now) else {
            Issue.record("not taken over")
            return
        }
        #expect(tree[at: "spec", "leaseTransitions"] == 3)
        #expect(tree[at: "spec", "holderIdentity"] == "n1")
    }

    @Test("a condition is said once, keeps its time while its status stays, and is said of its generation alone")
    func conditions() throws {
        func note(_ status: Condition.Status, _ reason: String, _ generation: Int64 = 3) -> ConditionNote {
            ConditionNote(
                Service.resource, namespace: "shop", name: "web", Condition("example.org/Fine", status, reason: reason),
                generation: generation)
        }
        let other: JSONValue = ["type": "Other", "status": "True"]
        var tree: JSONValue = ["metadata": ["generation": 3], "status": ["conditions": [other]]]
        func write(_ note: ConditionNote, after seconds: Int = 0) -> Bool {
            let before = tree
            note.write(in: &tree, at: now + .seconds(seconds))
            return tree != before
        }
        func said(_ field: String) -> JSONValue? { tree[at: "status", "conditions"]?.array?.last?[field] }
        #expect(!write(note(.true, "Fine")), "it was never otherwise")
        #expect(!write(note(.false, "Bad", 2)), "it is another one by now")
        #expect(write(note(.false, "Bad")))
        #expect(tree[at: "status", "conditions"]?.array?.first == other)
        #expect(said("lastTransitionTime") == "2026-01-01T00:00:00Z" && said("observedGeneration") == 3)
        #expect(!write(note(.false, "Bad"), after: 5))
        #expect(write(note(.false, "Worse"), after: 6))
        #expect(said("lastTransitionTime") == "2026-01-01T00:00:00Z" && said("reason") == "Worse")
        #expect(write(note(.true, "Fine"), after: 7))
        #expect(said("lastTransitionTime") == "2026-01-01T00:00:07Z" && said("status") == "True")
    }

    private let note = EventNote(
        EventNote.Subject(Pod.resource.kind, namespace: "shop", name: "web", uid: "u", part: "spec.containers{c}"), .warning,
        reason: "BackOff", "again")

    @Test("the same event again raises a count; another one is another event")
    func events() {
        var aggregator = EventAggregator(component: "kubelet", host: "n1")
        guard case .create(let tree) = aggregator.write(note, at: now) else {
            Issue.record("not made")
            return
        }
        #expect(tree[at: "involvedObject", "fieldPath"] == "spec.containers{c}")
        #expect(tree[at: "metadata", "namespace"] == "shop")
        #expect(tree["type"] == "Warning")
        guard case .count(let name, _, let patch, let otherwise) = aggregator.write(note, at: now + .seconds(5)) else {
            Issue.record("not counted")
            return
        }
        #expect(tree[at: "metadata", "name"] == .string(name))
        #expect(patch == ["count": 2, "lastTimestamp": "2026-01-01T00:00:05Z"])
        #expect(otherwise["count"] == 2)
        var other = note
        other.message = "else"
        guard case .create(let second) = aggregator.write(other, at: now) else {
            Issue.record("not made")
            return
        }
        #expect(second[at: "metadata", "name"] != tree[at: "metadata", "name"])
    }

    @Test("where events are named by what they say, two who say the same write one")
    func sharedEvents() {
        func name(_ note: EventNote, _ component: String = "a", at time: Timestamp) -> String? {
            var aggregator = EventAggregator(component: component, namesByContent: true)
            guard case .create(let tree) = aggregator.write(note, at: time) else { return nil }
            return tree[at: "metadata", "name"]?.string
        }
        let first = name(note, at: now)
        #expect(first?.hasPrefix("web.") == true && first == name(note, at: now + .seconds(60)))
        var other = note
        other.message = "else"
        #expect(name(other, at: now) != first && name(note, "b", at: now) != first)
    }

    @Test("an object that has too much happening to it is not written about for a while, others are")
    func budget() {
        var aggregator = EventAggregator(component: "kubelet")
        let written = (0..<100).filter { _ in aggregator.write(note, at: now) != .nothing }
        #expect(written.count == 25)
        #expect(aggregator.write(note, at: now + .seconds(299)) == .nothing)
        #expect(aggregator.write(note, at: now + .seconds(301)) != .nothing)
        let other = EventNote(EventNote.Subject(Node.resource.kind, name: "n1"), reason: "Ready", "yes")
        #expect(aggregator.write(other, at: now) != .nothing)
    }
}
