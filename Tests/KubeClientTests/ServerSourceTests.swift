import KubeAPI
import KubeClient
import Logging
import NIOCore
import Synchronization
import Testing

/// A server that answers from a list, one answer a request, and notes what it was asked.
final class ScriptedTransport: APITransport {
    struct Answer: Sendable {
        var status = 200
        var chunks: [String]
        var error: (any Error)?
    }

    struct Cut: Error, CustomStringConvertible { let description = "connection reset" }

    private let state: Mutex<(answers: [Answer], targets: [String])>

    init(_ answers: [Answer]) { state = Mutex((answers, [])) }

    var targets: [String] { state.withLock { $0.targets } }

    func send(_ request: APIRequest) async throws -> APIResponse {
        let answer = state.withLock { state -> Answer? in
            state.targets.append(request.target)
            return state.answers.isEmpty ? nil : state.answers.removeFirst()
        }
        guard let answer else {
            // The script is over: the last watch stays open until the test ends it.
            return APIResponse(status: 200, body: AsyncThrowingStream<ByteBuffer, any Error> { _ in })
        }
        let body = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
            for chunk in answer.chunks { continuation.yield(ByteBuffer(string: chunk)) }
            continuation.finish(throwing: answer.error)
        }
        return APIResponse(status: answer.status, body: body)
    }
}

struct ServerSourceTests {
    private func list(_ names: [String], version: String, token: String = "") -> ScriptedTransport.Answer {
        let items = names.map { #"{"metadata":{"name":"\#($0)"}}"# }.joined(separator: ",")
        return ScriptedTransport.Answer(chunks: [
            #"{"kind":"NamespaceList","metadata":{"resourceVersion":"\#(version)","continue":"\#(token)"},"items":["#,
            "\(items)]}",
        ])
    }

    private func event(_ type: String, _ name: String, _ version: String) -> String {
        #"{"type":"\#(type)","object":{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)"}}}"# + "\n"
    }

    private func events(of transport: ScriptedTransport, count: Int, clock: InstantClock = InstantClock()) async -> [String] {
        let source = ServerObjectSource(
            [ServerObjectSource.Collection(Namespace.resource, labelSelector: LabelSelector(matching: ["a": "b"]))],
            transport: transport,
            clock: clock, random: { 0 }, logger: Logger(label: "test"))
        let feeding = Task { await source.run() }
        var result: [String] = []
        for await batch in source.events {
            result += batch.events.map(\.description)
            if result.count >= count { feeding.cancel() }
        }
        await feeding.value
        return result
    }

    @Test("what comes in one piece is told in one piece, with its age", .timeLimit(.minutes(5)))
    func together() async {
        let transport = ScriptedTransport([
            list(["a"], version: "10"),
            .init(chunks: [
                event("ADDED", "b", "11") + event("ADDED", "c", "12") + event("BOOKMARK", "", "13") + event("DELETED", "a", "14"),
                event("ADDED", "d", "15"),
            ]),
        ])
        let clock = InstantClock()
        let source = ServerObjectSource(
            [ServerObjectSource.Collection(Namespace.resource)], transport: transport, clock: clock, random: { 0 },
            logger: Logger(label: "test"))
        let feeding = Task { await source.run() }
        var told: [[String]] = []
        for await batch in source.events {
            told.append(batch.events.map(\.description))
            let before = batch.age()
            clock.pass(.seconds(2))
            #expect(batch.age() - before == .seconds(2))
            if told.count == 3 { feeding.cancel() }
        }
        #expect(
            told == [
                ["listed Namespace a"], ["added Namespace b", "added Namespace c", "deleted Namespace a"],
                ["added Namespace d"],
            ])
        await feeding.value
    }

    @Test(
        "pages, a watch cut at odd places, a lost place and a relist: the consumer hears a list and changes",
        .timeLimit(.minutes(5)))
    func story() async {
        let added = event("ADDED", "c", "11")
        let transport = ScriptedTransport([
            list(["a"], version: "10", token: "p 2"), list(["b"], version: "10"),
            .init(chunks: [
                String(added.prefix(7)), added.dropFirst(7) + event("DELETED", "a", "12"), event("BOOKMARK", "", "15"),
            ]),
            .init(chunks: [#"{"type":"ERROR","object":{"code":410,"message":"too old"}}"#]),
            list(["b", "d"], version: "20"),
        ])
        #expect(
            await events(of: transport, count: 5) == [
                "listed Namespace a, Namespace b", "added Namespace c", "deleted Namespace a", "deleted Namespace c",
                "added Namespace d",
            ])
        let path = "/api/v1/namespaces?labelSelector=a%3Db"
        let watch = "\(path)&watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion="
        let expected = [
            "\(path)&limit=500", "\(path)&limit=500&continue=p%202", "\(watch)10", "\(watch)15", "\(path)&limit=500",
        ]
        #expect(Array(transport.targets.prefix(5)) == expected)
    }

    @Test("refusals, proxies and broken connections become faults and waits, never the end", .timeLimit(.minutes(5)))
    func failures() async {
        let clock = InstantClock()
        let transport = ScriptedTransport([
            .init(status: 403, chunks: [#"{"kind":"Status","message":"no","code":403}"#]),
            .init(status: 502, chunks: ["<html>bad gateway</html>"]),
            .init(chunks: ["{\"items\": ["]),
            .init(chunks: [], error: ScriptedTransport.Cut()),
            list(["a"], version: "1"),
            .init(chunks: [event("ADDED", "b", "2"), "{\"type\""]),
            .init(chunks: [#"{"type":"STRANGE","object":{}}"#]),
            .init(chunks: [event("ADDED", "c", "3")]),
        ])
        let heard = await events(of: transport, count: 12, clock: clock)
        let origin = "faults /api/v1/namespaces:"
        #expect(
            heard == [
                "\(origin) listing: status 403: no", "\(origin) listing: status 502: <html>bad gateway</html>",
                "\(origin) listing: line 1, column 12 (byte 11): expected a value, found the end",
                "\(origin) listing: connection reset",
                "faults ", "listed Namespace a", "added Namespace b",
                "\(origin) watching: line 1, column 8 (byte 81): expected the rest of a document, found the end",
                // The next watch is open: whatever it has to say, the server is there again.
                "faults ", "\(origin) watching: a watch event of the unknown type \"STRANGE\"", "faults ", "added Namespace c",
            ])
        #expect(clock.sleeps.count >= 6)
    }
}
