import KubeAPI
import NIOHTTP1
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
