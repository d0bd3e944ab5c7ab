import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

@Suite("definitions", .timeLimit(.minutes(5)))
struct DefinitionNameTests {
    private let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

    private func definition(
        _ plural: String, _ kind: String, short: [String] = [], group: String = "example.org",
        versions: String = #"{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}"#
    ) -> String {
        #"{"metadata":{"name":"\#(plural).\#(group)"},"spec":{"group":"\#(group)","scope":"Namespaced","names":{"plural":"\#(plural)","#
            + #""kind":"\#(kind)","shortNames":\#(JSONValue.array(short.map(JSONValue.string)))},"versions":[\#(versions)]}}"#
    }

    private func conditions(_ text: String) throws -> [String] {
        let tree = try JSONReader().value(text)
        return tree.at("status", "conditions")?.objects.map {
            "\($0.string("type"))=\($0.string("status")) \($0.string("reason")): \($0.string("message"))"
        } ?? []
    }

    private let accepted = [
        "NamesAccepted=True NoConflicts: no conflicts found",
        "Established=True InitialNamesAccepted: the initial names have been accepted",
    ]

    // It could be read, written and found in the discovery although its definition said that it is not served.
    @Test("a version that is stored and not served is not served")
    func unserved() async throws {
        let schema = #""schema":{"openAPIV3Schema":{"type":"object"}}"#
        let versions =
            #"{"name":"v1","served":false,"storage":true,\#(schema)},{"name":"v2","served":true,"storage":false,\#(schema)}"#
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, definitions, definition("boats", "Boat", versions: versions))
                #expect(made.status == 201, "\(made.body)")
                #expect(try await client.ask(.GET, "/apis/example.org/v1/namespaces/default/boats").status == 404)
                #expect(try await client.ask(.GET, "/apis/example.org/v1").status == 404)
                #expect(try await client.ask(.GET, "/apis/example.org")["preferredVersion", "version"] == "v2")
                let boats = "/apis/example.org/v2/namespaces/default/boats"
                let boat = #"{"apiVersion":"example.org/v2","kind":"Boat","metadata":{"name":"b"}}"#
                #expect(try await client.ask(.POST, boats, boat).status == 201)
                #expect(try await client.ask(.GET, boats).names == ["b"])
                // And it goes with its definition all the same.
                _ = try await client.ask(.DELETE, "\(definitions)/boats.example.org")
                while try await client.ask(.GET, "\(definitions)/boats.example.org").status != 404 { await Task.yield() }
                #expect(try await client.ask(.GET, boats).status == 404)
            }
        }
    }

    // Two definitions were given one kind, and whoever asked for it got either.
    @Test("a name belongs to the first definition that asked for it, and is free again when that is gone")
    func conflicts() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let first = try await client.ask(.POST, definitions, definition("boats", "Boat", short: ["bt"]))
                #expect(try conditions(first.body) == accepted)
                let second = try await client.ask(.POST, definitions, definition("barges", "Boat", short: ["bg"]))
                let refused = [
                    #"NamesAccepted=False ListKindConflict: "BoatList" is already in use"#,
                    "Established=False NotAccepted: not all names are accepted",
                ]
                #expect(second.status == 201)
                #expect(try conditions(second.body) == refused)
                let third = try await client.ask(.POST, definitions, definition("bottles", "Bottle", short: ["bt"]))
                #expect(try conditions(third.body).first == #"NamesAccepted=False ShortNamesConflict: "bt" is already in use"#)
                let elsewhere = try await client.ask(.POST, definitions, definition("boats", "Boat", short: ["bt"], group: "a.b"))
                #expect(try conditions(elsewhere.body) == accepted, "another group's names are its own")
                let barges = "/apis/example.org/v1/namespaces/default/barges"
                #expect(try await client.ask(.GET, barges).status == 404)
                #expect(try await client.ask(.GET, "/apis/example.org/v1").body.contains("barges") == false)
                _ = try await client.ask(.DELETE, "\(definitions)/boats.example.org")
                while try await client.ask(.GET, barges).status != 200 { await Task.yield() }
                let after = try await client.ask(.GET, "\(definitions)/barges.example.org")
                #expect(try Set(conditions(after.body)) == Set(accepted))
            }
        }
    }

    @Test("of many definitions that ask for one kind at once, one gets it")
    func race() async throws {
        try await withServer { port, store in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        let made = try await Client.with(port: port) { client in
                            try await client.ask(.POST, definitions, definition("things\(number)", "Thing"))
                        }
                        return try conditions(made.body) == accepted
                    }
                }
                var winners = 0
                for try await isAccepted in group { winners += isAccepted ? 1 : 0 }
                #expect(winners == 1)
            }
        }
    }

    // The answers to a creation and a deletion may be worked on in any order: the kind stayed although its definition was gone.
    @Test("what was written first and is heard of last changes nothing")
    func order() throws {
        let board = KindBoard(.standard)
        var tree = try JSONReader().value(definition("boats", "Boat"))
        func isServed() -> Bool { board.kind(group: "example.org", kind: "Boat") != nil }
        tree.set("5", at: "metadata", "resourceVersion")
        board.set(definition: tree)
        #expect(isServed())
        board.remove(definition: "boats.example.org", at: Revision(rawValue: 7))
        #expect(!isServed())
        tree.set("6", at: "metadata", "resourceVersion")
        board.set(definition: tree)
        #expect(!isServed())
        tree.set("9", at: "metadata", "resourceVersion")
        board.set(definition: tree)
        board.remove(definition: "boats.example.org", at: Revision(rawValue: 8))
        #expect(isServed())
    }
}
