import GRDB
import KubeAPI
import Logging
import NIOHTTP1
import Synchronization
import Testing

@testable import APIServer

@Suite("housekeeping", .timeLimit(.minutes(5)))
struct HousekeepingTests {
    /// Waits for an object to be there, or not. The suite's time limit ends it when it never is.
    private func wait(_ client: inout Client, _ uri: String, _ status: Int) async throws {
        while try await client.ask(.GET, uri).status != status { await Task.yield() }
    }

    private func owned(_ name: String, by uid: String, _ owner: String, blocks: Bool = false, _ more: String = "") -> String {
        #"{"metadata":{"name":"\#(name)","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"\#(owner)","#
            + #""uid":"\#(uid)","blockOwnerDeletion":\#(blocks)}]\#(more)}}"#
    }

    @Test("dependents go after their owner, and those of others stay")
    func background() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let owner = try #require(try await client.ask(.POST, maps, map("owner"))["metadata", "uid"])
                let other = try #require(try await client.ask(.POST, maps, map("other"))["metadata", "uid"])
                let child = try #require(try await client.ask(.POST, maps, owned("child", by: owner, "owner"))["metadata", "uid"])
                _ = try await client.ask(.POST, maps, owned("grandchild", by: child, "child"))
                _ = try await client.ask(.POST, maps, owned("stays", by: other, "other"))
                _ = try await client.ask(.DELETE, "\(maps)/owner")
                try await wait(&client, "\(maps)/grandchild", 404)
                try await wait(&client, "\(maps)/child", 404)
                #expect(try await client.ask(.GET, "\(maps)/stays").status == 200)
                // One whose owner never was goes as well.
                _ = try await client.ask(.POST, maps, owned("stray", by: "no-such-uid", "gone"))
                try await wait(&client, "\(maps)/stray", 404)
            }
        }
    }

    @Test("in the foreground the owner goes last")
    func foreground() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let owner = try #require(try await client.ask(.POST, maps, map("owner"))["metadata", "uid"])
                _ = try await client.ask(
                    .POST, maps, owned("child", by: owner, "owner", blocks: true, #","finalizers":["example.org/hold"]"#))
                let going = try await client.ask(.DELETE, "\(maps)/owner?propagationPolicy=Foreground")
                #expect(going["metadata", "finalizers"] == #"["foregroundDeletion"]"#)
                while try await client.ask(.GET, "\(maps)/child")["metadata", "deletionTimestamp"] == nil { await Task.yield() }
                #expect(try await client.ask(.GET, "\(maps)/owner").status == 200)
                _ = try await client.ask(.PUT, "\(maps)/child", map("child"))
                try await wait(&client, "\(maps)/owner", 404)
                #expect(try await client.ask(.GET, "\(maps)/child").status == 404)
            }
        }
    }

    @Test("orphans stay and forget their owner")
    func orphan() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let owner = try #require(try await client.ask(.POST, maps, map("owner"))["metadata", "uid"])
                _ = try await client.ask(.POST, maps, owned("child", by: owner, "owner"))
                _ = try await client.ask(.DELETE, "\(maps)/owner", #"{"propagationPolicy":"Orphan"}"#)
                try await wait(&client, "\(maps)/owner", 404)
                let child = try await client.ask(.GET, "\(maps)/child")
                #expect(child.status == 200 && child["metadata", "ownerReferences"] == nil)
            }
        }
    }

    @Test("a namespace takes what is in it along, and nothing new while it goes")
    func namespace() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, "/api/v1/namespaces", #"{"metadata":{"name":"lab"}}"#)
                #expect(made["status", "phase"] == "Active" && made["spec", "finalizers"] == #"["kubernetes"]"#)
                let inside = "/api/v1/namespaces/lab/configmaps"
                _ = try await client.ask(.POST, inside, map("a"))
                _ = try await client.ask(.POST, inside, #"{"metadata":{"name":"held","finalizers":["example.org/hold"]}}"#)
                let going = try await client.ask(.DELETE, "/api/v1/namespaces/lab")
                #expect(going["status", "phase"] == "Terminating")
                try await wait(&client, "\(inside)/a", 404)
                let refused = try await client.ask(.POST, inside, map("new"))
                #expect(refused.status == 403 && refused.body.contains("because it is being terminated"))
                #expect(try await client.ask(.GET, "/api/v1/namespaces/lab").status == 200)
                _ = try await client.ask(.PUT, "\(inside)/held", map("held"))
                try await wait(&client, "/api/v1/namespaces/lab", 404)
            }
        }
    }

    @Test("a definition serves its kind at once, and takes its objects along")
    func definition() async throws {
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        let body = """
            {"metadata":{"name":"widgets.example.org"},"spec":{"group":"example.org","scope":"Namespaced",
            "names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},
            "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":
            {"type":"object","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
            "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}
            """
        let widgets = "/apis/example.org/v1/namespaces/default/widgets"
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.GET, widgets).status == 404)
                let made = try await client.ask(.POST, definitions, body)
                #expect(made.status == 201 && made["status", "conditions"]?.contains("Established") == true, "\(made.body)")
                let widget = try await client.ask(
                    .POST, widgets, #"{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"a":1}}"#)
                #expect(widget.status == 201 && widget["metadata", "generation"] == "1", "\(widget.body)")
                #expect(try await client.ask(.GET, widgets).names == ["w"])
                #expect(try await client.ask(.PUT, "\(widgets)/w", #"{"metadata":{"name":"w"}}"#).status == 422)
                _ = try await client.ask(.DELETE, "\(definitions)/widgets.example.org")
                try await wait(&client, "\(definitions)/widgets.example.org", 404)
                #expect(try await client.ask(.GET, widgets).status == 404)
            }
        }
    }
}

@Suite("housekeeping over time", .timeLimit(.minutes(5)))
struct HousekeepingAgeTests {
    private let events = "/api/v1/namespaces/default/events"

    private func event(_ name: String, _ more: String = "") -> String {
        #"{"metadata":{"name":"\#(name)","namespace":"default"},"involvedObject":{"kind":"Pod","name":"p","namespace":"default"},"#
            + #""reason":"R","message":"m","type":"Normal"\#(more)}"#
    }

    // A store grew with every event for ever.
    @Test("an event goes an hour after it was seen last")
    func events() async throws {
        let clock = Mutex<Int64>(1_900_000_000)
        let surroundings = Surroundings(seconds: { clock.withLock { $0 } }, random: { UInt64.random(in: 0...(.max)) })
        try await withServer(surroundings: surroundings) { port, _ in
            try await Client.with(port: port) { client in
                for name in ["old", "again"] { #expect(try await client.ask(.POST, events, event(name)).status == 201) }
                clock.withLock { $0 += 1800 }
                let patch = #"{"lastTimestamp":"\#(APIServer.Timestamp(seconds: clock.withLock { $0 }))","count":2}"#
                let seen = try await client.ask(
                    .PATCH, "\(events)/again", patch, headers: [("Content-Type", "application/merge-patch+json")])
                #expect(seen.status == 200, "\(seen.body)")
                clock.withLock { $0 += 1800 }
                // Any change lets the housekeeping look at the clock.
                #expect(try await client.ask(.POST, events, event("new")).status == 201)
                while try await client.ask(.GET, "\(events)/old").status != 404 { await Task.yield() }
                #expect(try await client.ask(.GET, events).names == ["again", "new"])
            }
        }
    }

    @Test("an event's age counts from the latest of its times, never from one to come, and is asked for again")
    func ages() {
        var ages = EventAges()
        let now = APIServer.Timestamp(seconds: 1_900_000_000)
        func key(_ name: String) -> APIServer.ObjectKey {
            APIServer.ObjectKey(resource: "events", namespace: "default", name: name)
        }
        func put(_ name: String, _ tree: JSONValue, _ revision: Int64 = 1) {
            ages.put(key(name), tree, at: Revision(rawValue: revision), now: now)
        }
        func time(_ seconds: Int64) -> JSONValue { .string(now.advanced(by: seconds).description) }
        put("made", ["metadata": ["creationTimestamp": time(-3600)]])
        put("seen", ["metadata": ["creationTimestamp": time(-3600)], "lastTimestamp": time(-60)])
        put("series", ["eventTime": time(-3600), "series": ["lastObservedTime": time(-30)]])
        put("future", ["lastTimestamp": time(1_000_000)])
        put("timeless", ["lastTimestamp": "yesterday"])
        func taken(_ seconds: Int64) -> [String] { ages.take(now: now.advanced(by: seconds)).map(\.key.name) }
        #expect(taken(-1) == [])
        #expect(taken(0) == ["made"])
        #expect(taken(1) == [], "not at once again")
        #expect(taken(60) == ["made"], "it is still there")
        ages.remove(key("made"))
        #expect(taken(3539) == [])
        put("seen", ["lastTimestamp": time(0)], 2)
        put("seen", ["lastTimestamp": time(-60)], 1)
        #expect(taken(3570) == ["series"])
        ages.remove(key("series"))
        #expect(taken(3600) == ["future", "seen", "timeless"])
        for name in ["future", "seen", "timeless"] { ages.remove(key(name)) }
        #expect(taken(1 << 20) == [] && ages.count == 0)
    }

    // After one error of the disk nothing that was deleted went any more, until the server was started again.
    @Test("an error of the store does not end the housekeeping")
    func error() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(path: directory.store)
        let api = ObjectAPI(store: store, kinds: KindBoard(.standard), rules: .standard, surroundings: .test)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await Opening(api: api, logger: logger).run()
        let maps = try #require(api.kinds.kind(group: "", kind: "ConfigMap"))
        let stray: JSONValue = [
            "metadata": [
                "name": "stray", "namespace": "default",
                "ownerReferences": [["apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"]],
            ]
        ]
        _ = try await api.create(maps, stray)
        // The store cannot be read until the housekeeping has waited three times.
        try await store.file.pool.write { try $0.execute(sql: "ALTER TABLE objects RENAME TO hidden") }
        let waits = Mutex<[Duration]>([])
        let housekeeping = Housekeeping(api: api, logger: logger) { duration in
            guard duration < .seconds(60) else { throw CancellationError() }
            let count = waits.withLock { waits in
                waits.append(duration)
                return waits.count
            }
            if count == 3 { try await store.file.pool.write { try $0.execute(sql: "ALTER TABLE hidden RENAME TO objects") } }
        }
        let running = Task { await housekeeping.run() }
        while waits.withLock({ $0.count }) < 3 { await Task.yield() }
        while (try? await store.object(maps.key("default", "stray"))) != Optional.some(nil) { await Task.yield() }
        #expect(waits.withLock { $0 } == [.seconds(1), .seconds(2), .seconds(4)])
        store.endWatches()
        await running.value
        try store.close()
    }
}

@Suite("ownership")
struct OwnershipTests {
    private func object(_ uid: String, owners: [String] = [], deleting: Bool = false, finalizers: [String] = []) -> JSONValue {
        let references = owners.map { uid -> JSONValue in
            ["apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": .string(uid), "blockOwnerDeletion": true]
        }
        var object: JSONValue = ["metadata": ["uid": .string(uid), "ownerReferences": .array(references)]]
        if deleting { object.set("2030-01-01T00:00:00Z", at: "metadata", "deletionTimestamp") }
        object.set(.array(finalizers.map(JSONValue.string)), at: "metadata", "finalizers")
        return object
    }

    private func key(_ name: String, in namespace: String = "default") -> APIServer.ObjectKey {
        APIServer.ObjectKey(resource: "configmaps", namespace: namespace, name: name)
    }

    @Test("an object with an owner that is there and one that is not loses the reference, not its life")
    func twoOwners() {
        var world = Ownership()
        world.put(key("a"), object("a"), at: Revision(rawValue: 1))
        world.put(key("b"), object("b", owners: ["a", "gone"]), at: Revision(rawValue: 2))
        #expect(world.chores { _ in true } == [.removeOwners(key("b"), uid: "b", owners: ["gone"])])
        #expect(world.chores { _ in true } == [])
    }

    @Test("an owner of a kind that is not served is taken to be there")
    func unknownKind() {
        var world = Ownership()
        world.put(key("b"), object("b", owners: ["elsewhere"]), at: Revision(rawValue: 1))
        #expect(world.chores { _ in false } == [])
    }

    @Test("an owner in another namespace is none")
    func foreignNamespace() {
        var world = Ownership()
        world.put(key("a", in: "other"), object("a"), at: Revision(rawValue: 1))
        world.put(key("b"), object("b", owners: ["a"]), at: Revision(rawValue: 2))
        #expect(world.chores { _ in true } == [.delete(key("b"), uid: "b", .background)])
    }

    @Test("an old state does not undo a newer one")
    func order() {
        var world = Ownership()
        world.put(key("a"), object("a"), at: Revision(rawValue: 5))
        world.remove(key("a"), at: Revision(rawValue: 3))
        #expect(world.nodes["a"] != nil)
    }
}
