import KubeAPI
import KubeClient
import Reconcile
import Testing

struct InformerStateMachineTests {
    typealias Machine = InformerStateMachine
    typealias Failure = InformerStateMachine.Failure

    private func machine(pageSize: Int = 2) -> Machine {
        Machine(origin: "/api/v1/namespaces", pageSize: pageSize, backoff: Backoff(first: .seconds(1), limit: .seconds(8)))
    }

    /// A machine that has listed a and b and watches from 10.
    private func watching() -> Machine {
        var machine = machine()
        _ = machine.start()
        _ = machine.listed([reading("a"), reading("b")], continuing: nil, resourceVersion: "10")
        return machine
    }

    @Test("pages are gathered, and told as one list before the watch begins at the last page's version")
    func paging() {
        var machine = machine()
        #expect(machine.start() == .list(continuing: nil, limit: 2))
        let first = machine.listed([reading("a"), reading("b")], continuing: "token", resourceVersion: "9")
        #expect(texts(first.events) == [])
        #expect(first.action == .list(continuing: "token", limit: 2))
        let last = machine.listed([reading("c")], continuing: "", resourceVersion: "9")
        #expect(texts(last.events) == ["listed Namespace a, Namespace b, Namespace c"])
        #expect(last.action == .watch(resourceVersion: "9"))
    }

    // After a restart of the server a fault stood for as long as nothing happened in the cluster.
    @Test("a watch that the server takes ends the fault of the one before, also when it has nothing to tell")
    func opened() {
        var machine = watching()
        #expect(texts(machine.watchOpened()) == [])
        let step = machine.watchEnded(Failure(status: nil, message: "connection refused"), after: .seconds(5), random: 0)
        #expect(texts(step.events) == ["faults /api/v1/namespaces: watching: connection refused"])
        #expect(machine.waited() == .watch(resourceVersion: "10"))
        #expect(texts(machine.watchOpened()) == ["faults "])
        #expect(texts(machine.watchOpened()) == [])
    }

    @Test("an expired page token leads to one list in one piece, at once")
    func expiredToken() {
        var machine = machine()
        _ = machine.start()
        _ = machine.listed([reading("a")], continuing: "token", resourceVersion: "9")
        #expect(
            machine.listFailed(Failure(status: 410, message: "expired"), random: 0).action == .list(continuing: nil, limit: nil))
        let again = machine.listFailed(Failure(status: 410, message: "expired"), random: 0)
        #expect(again.action == .wait(.milliseconds(500)), "but not again and again")
        #expect(machine.waited() == .list(continuing: nil, limit: 2))
        let listed = machine.listed([reading("b")], continuing: nil, resourceVersion: "12")
        #expect(texts(listed.events) == ["faults ", "listed Namespace b"], "the half list is forgotten")
    }

    @Test("what may be forbidden is empty until it is allowed, which is told, and holds up nobody")
    func forbidden() {
        var machine = Machine(
            origin: "/api/v1/configmaps", backoff: Backoff(first: .seconds(1), limit: .seconds(8)), mayBeForbidden: true)
        let refusal = Failure(status: 403, message: "configmaps is forbidden")
        _ = machine.start()
        let first = machine.listFailed(refusal, random: 0)
        #expect(
            texts(first.events) == ["faults /api/v1/configmaps: listing: status 403: configmaps is forbidden", "listed "]
                && first.action == .wait(.seconds(20)))
        guard case .faults(let faults)? = first.events.first else { return #expect(Bool(false), "\(first.events)") }
        #expect(faults.map(\.status) == [403])
        _ = machine.waited()
        #expect(texts(machine.listFailed(refusal, random: 0).events) == [])
        _ = machine.waited()
        let allowed = machine.listed([reading("a")], continuing: nil, resourceVersion: "10")
        #expect(texts(allowed.events) == ["faults ", "added Namespace a"])
        var strict = self.machine()
        _ = strict.start()
        #expect(texts(strict.listFailed(refusal, random: 0).events).allSatisfy { $0.hasPrefix("faults") })
    }

    @Test("a kind that need not be served is empty until it is, and its absence is no fault")
    func unserved() {
        var machine = Machine(
            origin: "/apis/x/v1/things", backoff: Backoff(first: .seconds(1), limit: .seconds(8)), isOptional: true)
        let absent = Failure(status: 404, message: "the server could not find the requested resource")
        _ = machine.start()
        let first = machine.listFailed(absent, random: 0)
        #expect(texts(first.events) == ["listed "] && first.action == .wait(.seconds(20)))
        _ = machine.waited()
        #expect(texts(machine.listFailed(absent, random: 0).events) == [])
        _ = machine.waited()
        let served = machine.listed([reading("a")], continuing: nil, resourceVersion: "10")
        #expect(texts(served.events) == ["added Namespace a"])
        _ = machine.watchEnded(absent, after: .seconds(5), random: 0)
        // A server that starts may not know yet what it serves: what was known stays for a while.
        for _ in 0..<4 {
            _ = machine.waited()
            #expect(texts(machine.listFailed(absent, random: 0).events).allSatisfy { $0.hasPrefix("faults") })
        }
        _ = machine.waited()
        #expect(texts(machine.listFailed(absent, random: 0).events).last == "deleted Namespace a")
    }

    @Test("failures wait longer and longer, are told once, and withdrawn when it works again")
    func backoff() {
        var machine = machine()
        _ = machine.start()
        let refused = Failure(status: nil, message: "connection refused")
        let first = machine.listFailed(refused, random: 0)
        #expect(texts(first.events) == ["faults /api/v1/namespaces: listing: connection refused"])
        #expect(first.action == .wait(.milliseconds(500)))
        #expect(machine.waited() == .list(continuing: nil, limit: 2))
        let second = machine.listFailed(refused, random: 0)
        #expect(texts(second.events) == [])
        #expect(second.action == .wait(.seconds(1)))
        _ = machine.waited()
        let forbidden = machine.listFailed(Failure(status: 403, message: "namespaces is forbidden"), random: 0)
        #expect(texts(forbidden.events) == ["faults /api/v1/namespaces: listing: status 403: namespaces is forbidden"])
        #expect(forbidden.action == .wait(.seconds(2)))
        _ = machine.waited()
        #expect(texts(machine.listed([], continuing: nil, resourceVersion: "1").events) == ["faults ", "listed "])
    }

    @Test("changes are told, repetitions are not")
    func changes() {
        var machine = watching()
        #expect(
            texts(machine.watched(.added(reading("c", "11"), resourceVersion: "11"), random: 0).events) == ["added Namespace c"])
        #expect(texts(machine.watched(.added(reading("c", "11"), resourceVersion: "11"), random: 0).events) == [])
        #expect(
            texts(machine.watched(.modified(reading("a", "12", label: "x"), resourceVersion: "12"), random: 0).events) == [
                "modified Namespace a"
            ])
        let key = ObjectKey(Namespace.resource.kind, name: "b")
        let deletion = machine.watched(.deleted(key, resourceVersion: "13"), random: 0)
        #expect(texts(deletion.events) == ["deleted Namespace b"])
        #expect(deletion.action == .read)
        #expect(texts(machine.watched(.deleted(key, resourceVersion: "13"), random: 0).events) == [])
        #expect(machine.watchEnded(nil, after: .zero, random: 0).action == .watch(resourceVersion: "13"))
    }

    @Test("a bookmark moves the place to watch from, and makes the watch a useful one")
    func bookmark() {
        var machine = watching()
        #expect(machine.watched(.bookmark(resourceVersion: "99"), random: 0).action == .read)
        #expect(machine.watchEnded(nil, after: .zero, random: 0).action == .watch(resourceVersion: "99"))
    }

    @Test("a watch that ends at once with nothing said waits; one that lasted goes on at once")
    func emptyWatch() {
        var machine = watching()
        #expect(machine.watchEnded(nil, after: .milliseconds(1), random: 0).action == .wait(.milliseconds(500)))
        #expect(machine.waited() == .watch(resourceVersion: "10"))
        #expect(machine.watchEnded(nil, after: .milliseconds(1), random: 0).action == .wait(.seconds(1)), "longer each time")
        #expect(machine.waited() == .watch(resourceVersion: "10"))
        #expect(machine.watchEnded(nil, after: .seconds(300), random: 0).action == .watch(resourceVersion: "10"))
    }

    @Test("a broken watch goes on from where it was, after a wait")
    func brokenWatch() {
        var machine = watching()
        _ = machine.watched(.bookmark(resourceVersion: "20"), random: 0)
        let step = machine.watchEnded(Failure(status: 503, message: "overloaded"), after: .zero, random: 0.5)
        #expect(texts(step.events) == ["faults /api/v1/namespaces: watching: status 503: overloaded"])
        #expect(step.action == .wait(.milliseconds(750)))
        #expect(machine.waited() == .watch(resourceVersion: "20"))
        #expect(texts(machine.watched(.bookmark(resourceVersion: "21"), random: 0).events) == ["faults "])
    }

    @Test(
        "what goes is told with the uid it had, letter for letter",
        arguments: ["", "u", "0d0e4e1c-4d26-4b41-a3a4-2f7a3a0c9a10", "0D0E4E1C-4D26-4B41-A3A4-2F7A3A0C9A10"])
    func identity(_ uid: String) {
        var machine = machine()
        _ = machine.start()
        var object = Namespace(metadata: ObjectMeta(name: "a"))
        object.metadata.uid = uid
        _ = machine.listed([Registry.Reading(object: object)], continuing: nil, resourceVersion: "1")
        let step = machine.watched(.deleted(object.key, resourceVersion: "2"), random: 0)
        guard case .deleted(let key, let told)? = step.events.first else { return #expect(Bool(false), "\(step.events)") }
        #expect(key == object.key && told == uid)
    }

    @Test("an object that says what it said is no news, another uid is")
    func repetition() {
        var machine = watching()
        #expect(texts(machine.watched(.modified(reading("a"), resourceVersion: "11"), random: 0).events) == [])
        var object = Namespace(metadata: ObjectMeta(name: "a"))
        object.metadata.uid = "another"
        let step = machine.watched(.modified(Registry.Reading(object: object), resourceVersion: "12"), random: 0)
        #expect(texts(step.events) == ["modified Namespace a"])
    }

    @Test("410 Gone relists, and only the differences are told", arguments: [true, false])
    func gone(asEvent: Bool) {
        var machine = watching()
        _ = machine.watched(.bookmark(resourceVersion: "20"), random: 0)
        let expired = Failure(status: 410, message: "too old resource version")
        let step = asEvent ? machine.watched(.error(expired), random: 0) : machine.watchEnded(expired, after: .zero, random: 0)
        #expect(step.action == .list(continuing: nil, limit: 2))
        let relisted = machine.listed(
            [reading("b", "30", label: "new"), reading("c", "31"), reading("a")], continuing: nil, resourceVersion: "40")
        #expect(texts(relisted.events) == ["modified Namespace b", "added Namespace c"])
        #expect(relisted.action == .watch(resourceVersion: "40"))
        #expect(
            machine.watched(.error(expired), random: 0).action == .wait(.milliseconds(500)),
            "a list that is always too old is no busy loop")
        #expect(machine.waited() == .list(continuing: nil, limit: 2))
        let emptied = machine.listed([], continuing: nil, resourceVersion: "50")
        #expect(texts(emptied.events) == ["deleted Namespace a", "deleted Namespace b", "deleted Namespace c"])
        #expect(machine.watched(.error(expired), random: 0).action == .wait(.seconds(1)), "and waits longer each time")
    }

    @Test("an overloaded server ends the watch and keeps the place", arguments: [429, 503, nil])
    func overloaded(status: Int?) {
        var machine = watching()
        let step = machine.watched(.error(Failure(status: status, message: "later")), random: 0)
        #expect(step.action == .wait(.milliseconds(500)))
        #expect(machine.waited() == .watch(resourceVersion: "10"))
    }

    // A server that was set up anew answered 504 for every version of the old one, and was asked for it for ever.
    @Test("any other refusal of the watch lists again, after a wait", arguments: [400, 403, 500, 504], [true, false])
    func refused(status: Int, asEvent: Bool) {
        var machine = watching()
        let refusal = Failure(status: status, message: "too large resource version")
        let step = asEvent ? machine.watched(.error(refusal), random: 0) : machine.watchEnded(refusal, after: .zero, random: 0)
        #expect(texts(step.events) == ["faults /api/v1/namespaces: watching: status \(status): too large resource version"])
        #expect(step.action == .wait(.milliseconds(500)))
        #expect(machine.waited() == .list(continuing: nil, limit: 2))
        let relisted = machine.listed([reading("a")], continuing: nil, resourceVersion: "3")
        #expect(texts(relisted.events) == ["faults ", "deleted Namespace b"])
        #expect(relisted.action == .watch(resourceVersion: "3"))
        #expect(machine.watchEnded(refusal, after: .zero, random: 0).action == .wait(.seconds(1)), "longer each time")
    }

    @Test("what is wrong with objects is told, and withdrawn when they are right or gone")
    func objectFaults() {
        var machine = machine()
        _ = machine.start()
        let listed = machine.listed([reading("A"), reading("b", label: "-")], continuing: nil, resourceVersion: "1")
        #expect(listed.events.count == 2)
        #expect(texts(listed.events).last == "listed Namespace A, Namespace b")
        let right = machine.watched(.modified(reading("b", "2", label: "ok"), resourceVersion: "2"), random: 0)
        #expect(texts(right.events).first == "modified Namespace b")
        #expect(texts(right.events).last?.contains("Namespace b") == false)
        let gone = machine.watched(.deleted(ObjectKey(Namespace.resource.kind, name: "A"), resourceVersion: "3"), random: 0)
        #expect(texts(gone.events) == ["deleted Namespace A", "faults "])
    }
}
