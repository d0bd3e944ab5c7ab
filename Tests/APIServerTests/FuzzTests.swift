import NIOHTTP1
import Testing

@testable import APIServer

@Suite("bad input", .timeLimit(.minutes(5)))
struct FuzzTests {
    private static let pods = "/api/v1/namespaces/default/pods"

    @Test("bodies that are wrong are refused, and nothing of them is kept")
    func wrongBodies() async throws {
        let deep = String(repeating: #"{"a":"#, count: 100_000) + "1" + String(repeating: "}", count: 100_000)
        let bodies = [
            deep, String(repeating: "[", count: 1_000_000), #"{"metadata":{"name":"p"},"spec":{"a":1e999}}"#,
            #"{"metadata":{"name":"p","generation":99999999999999999999999}}"#, "{\"metadata\":{\"name\":\"p\u{0}\"}}",
            #"{"metadata":{"name":"p","labels":[]}}"#, #"{"metadata":{"name":"p"},"spec":5}"#,
            #"{"metadata":{"name":"p"},"spec":{"containers":{"a":1}}}"#, #"{"metadata":{"name":"p"},"metadata":{"name":"q"}}"#,
            #"{"metadata":{"name":"\ud800"}}"#, #"{"metadata":{"name":"p","finalizers":[1]}}"#, "\u{FEFF}{}", "{", "}", "\"",
        ]
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                // The server's own namespaces are there with its first answer.
                #expect(try await client.ask(.GET, Self.pods).status == 200)
                let revision = try await store.revision()
                for body in bodies {
                    let answer = try await client.ask(.POST, Self.pods, body)
                    #expect([400, 413, 422].contains(answer.status), "\(body.prefix(60)): \(answer.body.prefix(300))")
                    #expect(answer["kind"] == "Status")
                }
                #expect(try await store.revision() == revision)
            }
        }
    }

    @Test("a hundred megabytes are refused without being kept, and the server goes on")
    func large() async throws {
        try await withServer { port, _ in
            // It may hang up in the middle of it, or answer and read on: both are right.
            let answer = try? await Client.with(port: port) { client in
                try await client.ask(.POST, Self.pods, String(repeating: " ", count: 100 << 20))
            }
            if let answer { #expect(answer.status == 413) }
            let after = try await Client.with(port: port) { client in try await client.ask(.GET, Self.pods) }
            #expect(after.status == 200)
        }
    }

    @Test("random damage to a good body never ends the server")
    func damaged() async throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SeededGenerator(state: seed)
        let good = Array(
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}]}]}}"#
                .utf8)
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                for _ in 0..<300 {
                    var bytes = good
                    for _ in 0..<Int.random(in: 1...4, using: &random) {
                        let position = Int.random(in: bytes.indices, using: &random)
                        switch Int.random(in: 0..<3, using: &random) {
                        case 0: bytes[position] = UInt8.random(in: 0x20...0x7E, using: &random)
                        case 1: bytes.remove(at: position)
                        default:
                            bytes.insert(contentsOf: Array("null{}[]1\"".utf8).shuffled(using: &random).prefix(2), at: position)
                        }
                    }
                    let answer = try await client.ask(.POST, Self.pods, String(decoding: bytes, as: UTF8.self))
                    #expect([201, 400, 404, 409, 415, 422].contains(answer.status), "seed \(seed): \(answer.body)")
                }
            }
        }
    }

    @Test("random protobuf is refused, and never ends the server")
    func protobuf() {
        let seed = UInt64.random(in: 0...(.max))
        var random = SeededGenerator(state: seed)
        for _ in 0..<2_000 {
            let noise = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(throws: Status.self, "seed \(seed)") { try ProtobufBody.tree([0x6B, 0x38, 0x73, 0] + noise) }
        }
    }
}
