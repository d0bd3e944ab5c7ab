import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import APIServer

@Suite("broken HTTP", .timeLimit(.minutes(5)))
struct BrokenHTTPTests {
    struct Sent: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        /// The statuses of the answers, in order, before the server hangs up.
        var statuses: [String]
    }

    private static let good = "GET /healthz HTTP/1.1\r\nHost: api.example.org\r\n\r\n"
    private static let post = "POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: api.example.org\r\n"

    @Test(
        "is answered once with 400, or not at all, and ends its own connection alone",
        arguments: [
            Sent(testDescription: "no HTTP at all", text: "hello\r\n\r\n", statuses: ["400"]),
            Sent(testDescription: "no HTTP behind a request", text: good + "hello\r\n\r\n", statuses: ["200", "400"]),
            Sent(
                testDescription: "a first request with a chunk of no length",
                text: post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n",
                statuses: ["400"]),
            Sent(
                testDescription: "a chunk of no length", text: good + post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n",
                statuses: ["200", "400"]),
            Sent(
                testDescription: "two lengths", text: good + post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
                statuses: ["200", "400"]),
        ])
    func broken(sent: Sent) async throws {
        try await withServer { port, _ in
            for _ in 0..<5 {
                let answer = try await Self.answer(to: sent.text, port: port)
                let statuses = answer.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
                #expect(statuses == sent.statuses, "\(answer)")
            }
            let after = try await Client.with(port: port) { client in try await client.ask(.GET, "/healthz") }
            #expect(after.status == 200)
        }
    }

    @Test(
        "a client that hangs up in the middle of a request is the only one that notices",
        arguments: ["GET /healthz HT", post + "Content-Length: 100\r\n\r\n{}", post + "Content-Length: 200000000\r\n\r\n"])
    func hangsUp(text: String) async throws {
        try await withServer { port, _ in
            for (first, size) in [("", 0), (Self.good, 0), (Self.good, 1 << 10), (Self.good, 4 << 20)] {
                // It may have been answered before it was over.
                _ = try? await Self.answer(to: first + text + String(repeating: " ", count: size), port: port, isPatient: false)
            }
            let after = try await Client.with(port: port) { client in try await client.ask(.GET, "/healthz") }
            #expect(after.status == 200)
        }
    }

    /// Everything that is answered until the server hangs up.
    ///
    /// - Parameter isPatient: otherwise hangs up as soon as everything is sent.
    private static func answer(to text: String, port: UInt16, isPatient: Bool = true) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .withConnectedSocket(Loopback.connected(to: port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            guard isPatient else { return "" }
            var answer = ""
            for try await bytes in inbound { answer += String(buffer: bytes) }
            return answer
        }
    }
}
