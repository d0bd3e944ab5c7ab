import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

/// Good bodies of every kind, made bad at random.
private struct Spoiler {
    var random: SeededGenerator

    /// A value of another form than the one that is there.
    mutating func other(than value: JSONValue) -> JSONValue {
        let forms: [JSONValue] = [true, 7, "seven", ["x", 1], ["x": ["y": 1]], .number(JSONNumber(Int64.max))]
        return forms.filter { $0.form != value.form }.randomElement(using: &random) ?? .bool(true)
    }

    /// The tree with one value of another form, and the last name on the way to it.
    mutating func spoiled(_ tree: JSONValue) -> (tree: JSONValue, name: String) {
        var (path, place): ([String], JSONValue) = ([], tree)
        while case .object(let object) = place, let member = object.members.randomElement(using: &random) {
            path.append(member.key)
            place = member.value
            if path.count > 1, Int.random(in: 0..<4, using: &random) == 0 { break }
        }
        var result = tree
        result.set(other(than: place), at: path[...])
        return (result, path.last ?? "")
    }

    /// The text with a few bytes changed, taken away or put in, also such as are no UTF-8.
    mutating func damaged(_ text: [UInt8]) -> [UInt8] {
        var bytes = text
        for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
            let position = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: position)
            case 2: bytes.insert(contentsOf: Array("\u{FFFF}{}[],:\"\\u".utf8).shuffled(using: &random).prefix(3), at: position)
            case 3: bytes.insert(contentsOf: [0xC0, 0xAF, 0xED, 0xA0, 0x80].shuffled(using: &random).prefix(2), at: position)
            default: bytes.insert(contentsOf: Array("1e999999".utf8), at: position)
            }
        }
        return bytes
    }
}

@Suite("bad bodies of every kind", .timeLimit(.minutes(5)))
struct BodyFuzzTests {
    private static let refused: Set = [400, 413, 415, 422]

    private static func kind(_ name: String) throws -> (kind: ServedKind, path: String, sample: JSONValue) {
        let kind = try served(name)
        let sample = try #require(Sample.specs.first { $0.kind == name })
        let root = kind.group.isEmpty ? "/api/v1" : "/apis/\(kind.group)/v1"
        let place = kind.isNamespaced ? "/namespaces/default" : ""
        return (kind, "\(root)\(place)/\(kind.plural)", Sample.object(kind, sample.body))
    }

    @Test("a field of a wrong form is refused and named, and nothing is written", arguments: Sample.specs.map(\.kind))
    func wrongForms(name: String) async throws {
        let seed = UInt64.random(in: 0...(.max))
        var spoiler = Spoiler(random: SeededGenerator(state: seed))
        let (kind, path, sample) = try Self.kind(name)
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.GET, path).status == 200)
                for _ in 0..<40 {
                    let (body, field) = spoiler.spoiled(sample)
                    let revision = try await store.revision()
                    let answer = try await client.ask(.POST, "\(path)?dryRun=All", "\(body)")
                    let what = "seed \(seed): \(body): \(answer.status) \(answer.body)"
                    guard Self.refused.contains(answer.status) else {
                        // Some fields take more than one form, and some anything.
                        #expect(answer.status == 201, "\(what)")
                        #expect(!["metadata", "name", "labels"].contains(field) || field == "name", "\(what)")
                        continue
                    }
                    #expect(answer["kind"] == "Status" && answer["message"]?.contains(field) == true, "\(what)")
                    #expect(try await store.revision() == revision, "\(what)")
                }
                #expect(try await client.ask(.GET, path).status == 200, "seed \(seed): \(kind.plural)")
            }
        }
    }

    @Test("damaged text never ends the server or leaves half an object", arguments: Sample.specs.map(\.kind))
    func damage(name: String) async throws {
        let seed = UInt64.random(in: 0...(.max))
        var spoiler = Spoiler(random: SeededGenerator(state: seed))
        let (kind, path, sample) = try Self.kind(name)
        let good = JSONWriter().bytes(of: sample)
        let object = "\(path)/\(sample.name)"
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                // The server's own objects are there with its first answer.
                #expect(try await client.ask(.GET, path).status == 200)
                for _ in 0..<40 {
                    let bytes = spoiler.damaged(good)
                    let revision = try await store.revision()
                    let answer = try await client.ask(.POST, path, bytes: bytes)
                    let what = "seed \(seed): \(String(decoding: bytes, as: UTF8.self)): \(answer.status) \(answer.body)"
                    if answer.status == 201 {
                        // Damage inside a text can leave a good body. It is stored whole, and read back as it was answered.
                        let made = try JSONReader().value(answer.body)
                        let read = try JSONReader().value(try await client.ask(.GET, "\(path)/\(made.name)").body)
                        #expect(read.ordered == made.ordered, "\(what)")
                    } else {
                        #expect(Self.refused.union([404, 409]).contains(answer.status), "\(what)")
                        #expect(answer["kind"] == "Status", "\(what)")
                        #expect(try await store.revision() == revision, "\(what)")
                    }
                }
                // A change that is damaged leaves the object as it was.
                let made = try await client.ask(.POST, path, bytes: good)
                #expect([201, 409].contains(made.status), "\(kind.kind): \(made.body)")
                let before = try await client.ask(.GET, object).body
                for type in ["merge-patch", "strategic-merge-patch", "json-patch"] {
                    for _ in 0..<15 {
                        let (body, _) = spoiler.spoiled(sample)
                        let text = type == "json-patch" ? #"[{"op":"replace","path":"","value":\#(body)}]"# : "\(body)"
                        let bytes = spoiler.damaged(Array(text.utf8))
                        let answer = try await client.ask(
                            .PATCH, "\(object)?dryRun=All", bytes: bytes,
                            headers: [("Content-Type", "application/\(type)+json")])
                        let what = "seed \(seed): \(type) \(String(decoding: bytes, as: UTF8.self)): \(answer.body)"
                        #expect(Self.refused.union([200, 404, 409]).contains(answer.status), "\(what)")
                    }
                }
                #expect(try await client.ask(.GET, object).body == before)
            }
        }
    }

    // One patch of a kilobyte made an object that nobody could read or delete any more, and one of 300 KiB ended the server.
    @Test("no patch makes an object deeper than can be read", arguments: Sample.specs.map(\.kind))
    func depth(name: String) async throws {
        let (kind, path, sample) = try Self.kind(name)
        let long = String(repeating: "/a", count: 400)
        let deep = String(repeating: #"{"a":"#, count: 400) + "1" + String(repeating: "}", count: 400)
        var doubling = [#"{"op":"add","path":"/metadata/x","value":{}}"#]
        for step in 0..<18 {
            let leaf = String(repeating: "/a", count: (1 << step) - 1)
            doubling.append(#"{"op":"copy","from":"/metadata/x","path":"/metadata/x\#(leaf)/a"}"#)
        }
        let patches = [
            (doubling.joined(separator: ","), "operation 9 "),
            (
                #"{"op":"add","path":"/metadata/x","value":\#(deep)},{"op":"replace","path":"/metadata/x\#(long)","value":\#(deep)}"#,
                "operation 1 "
            ),
            (
                #"{"op":"add","path":"/x","value":\#(deep)},{"op":"add","path":"/y","value":{"a":\#(deep)}},"#
                    + #"{"op":"move","from":"/x","path":"/y\#(long)/b"}"#, "operation 2 "
            ),
            (#"{"op":"test","path":"\#(String(repeating: "/a", count: 200_000))","value":1}"#, "operation 0 "),
        ]
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, path, "\(sample)")
                #expect([201, 409].contains(made.status), "\(kind.kind): \(made.body)")
                let revision = try await store.object(kind.key(kind.isNamespaced ? "default" : "", sample.name))?.revision
                for (patch, place) in patches {
                    let answer = try await client.ask(
                        .PATCH, "\(path)/\(sample.name)", "[\(patch)]", headers: [("Content-Type", "application/json-patch+json")]
                    )
                    #expect(answer.status == 422 && answer.body.contains("nested deeper than 512"), "\(answer.body.suffix(200))")
                    #expect(answer["message"]?.hasPrefix(place) == true)
                }
                #expect(try await client.ask(.GET, path).status == 200)
                let after = try await store.object(kind.key(kind.isNamespaced ? "default" : "", sample.name))?.revision
                #expect(after == revision)
            }
        }
    }

    @Test("what lies unreadable in the store can be deleted, and its namespace too")
    func unreadable() async throws {
        let deep = String(repeating: #"{"a":"#, count: 2000) + "1" + String(repeating: "}", count: 2000)
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                let names = "/api/v1/namespaces"
                #expect(try await client.ask(.POST, names, #"{"metadata":{"name":"old"}}"#).status == 201)
                for name in ["a", "b"] {
                    _ = try await store.create(
                        APIServer.ObjectKey(resource: "configmaps", namespace: "old", name: name), Body(text: deep))
                }
                let gone = try await client.ask(.DELETE, "\(names)/old/configmaps/a")
                #expect(gone.status == 200, "\(gone.body)")
                #expect(try await client.ask(.GET, "\(names)/old/configmaps/a").status == 404)
                #expect(try await client.ask(.DELETE, "\(names)/old").status == 200)
                while try await client.ask(.GET, "\(names)/old").status != 404 { await Task.yield() }
            }
        }
    }

    @Test("an object has a size that it may not pass, however it is brought there")
    func size() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let half = String(repeating: "x", count: 800 << 10)
                let events = "/api/v1/namespaces/default/events"
                let event = #"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","namespace":"default","name":"a"}}"#
                #expect(try await client.ask(.POST, events, event).status == 201)
                let object = "\(events)/e"
                func patch(_ field: String) -> String { #"{"metadata":{"labels":null},"\#(field)":"\#(half)"}"# }
                let type = [("Content-Type", "application/merge-patch+json")]
                #expect(try await client.ask(.PATCH, object, patch("message"), headers: type).status == 200)
                let second = try await client.ask(.PATCH, object, patch("reason"), headers: type)
                #expect(second.status == 413 && second["reason"] == "RequestEntityTooLarge", "\(second.body.prefix(300))")
                #expect(second["message"]?.hasPrefix("Request entity too large: ") == true)
            }
        }
    }

    @Test("depth, size and repetition have their limits for every kind", arguments: Sample.specs.map(\.kind))
    func limits(name: String) async throws {
        let (_, path, sample) = try Self.kind(name)
        let text = "\(sample)"
        let deep = String(repeating: #"{"a":"#, count: 20_000) + "1" + String(repeating: "}", count: 20_000)
        let inside = String(text.dropLast())
        let bodies: [(String, Set<Int>)] = [
            (inside + #","x":\#(deep)}"#, [400]),
            (inside + #","metadata":{"name":"twice"}}"#, [400]),
            (inside + #","x":\#(String(repeating: "9", count: 400))}"#, [201, 400, 422]),
            (inside + #","x":1e400}"#, [201, 400, 422]),
            (inside + #","x":"\#(String(repeating: "x", count: 4 << 20))"}"#, [413]),
        ]
        try await withServer { port, _ in
            for (body, statuses) in bodies {
                // Where a body is too large the server may hang up.
                let answer = try? await Client.with(port: port) { client in
                    try await client.ask(.POST, "\(path)?dryRun=All", body)
                }
                guard let answer else {
                    #expect(statuses == [413])
                    continue
                }
                #expect(statuses.contains(answer.status), "\(body.prefix(300)): \(answer.body.prefix(300))")
            }
            let after = try await Client.with(port: port) { client in try await client.ask(.GET, path) }
            #expect(after.status == 200)
        }
    }
}

extension JSONValue {
    /// The same with the members of objects in the order of their names, which says nothing.
    fileprivate var ordered: JSONValue {
        switch self {
        case .array(let elements): return .array(elements.map(\.ordered))
        case .object(let object):
            var result = JSONObject()
            for member in object.members.sorted(by: { $0.key < $1.key }) { result[member.key] = member.value.ordered }
            return .object(result)
        default: return self
        }
    }
}
