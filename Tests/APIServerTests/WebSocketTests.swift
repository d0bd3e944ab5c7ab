import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Testing

@testable import APIServer

@Suite("WebSockets", .timeLimit(.minutes(5)))
struct WebSocketTests {
    @Test("a message comes back, whole, also when it came in pieces, and a ping is answered")
    func echo() async throws {
        try await withServer { port, _ in
            try await withEchoSocket(port, offering: "v5.channel.k8s.io") { frames, writer, _ in
                var frames = frames.makeAsyncIterator()
                try await writer.write(masked(.text, "hello"))
                #expect(try await frames.next()?.text == "hello")
                try await writer.write(masked(.binary, "in ", fin: false))
                try await writer.write(masked(.continuation, "pieces"))
                let whole = try await frames.next()
                #expect(whole?.opcode == .binary && whole?.text == "in pieces")
                try await writer.write(masked(.ping, "?"))
                #expect(try await frames.next()?.opcode == .pong)
                try await writer.write(masked(.connectionClose, "\u{3}\u{E8}"))
                #expect(try await frames.next()?.opcode == .connectionClose)
                #expect(try await frames.next() == nil)
            }
        }
    }

    @Test(
        "the best subprotocol that both speak is chosen",
        arguments: [
            ("v4.channel.k8s.io, v5.channel.k8s.io", "v5.channel.k8s.io"),
            ("v4.channel.k8s.io", "v4.channel.k8s.io"),
            ("channel.k8s.io, v4.channel.k8s.io", "v4.channel.k8s.io"),
        ])
    func negotiation(offered: String, chosen: String) async throws {
        try await withServer { port, _ in
            try await withEchoSocket(port, offering: offered) { _, _, subprotocol in #expect(subprotocol == chosen) }
        }
    }

    @Test(
        "a handshake that nobody can accept is answered by HTTP, and that the connection ends with it",
        arguments: [
            // No subprotocol in common, none offered, no such path, a version nobody knows, another protocol (SPDY).
            ("/echo", "base64.channel.k8s.io", "13", "websocket"), ("/echo", "", "13", "websocket"),
            ("/elsewhere", "v5.channel.k8s.io", "13", "websocket"), ("/echo", "v5.channel.k8s.io", "12", "websocket"),
            ("/echo", "v5.channel.k8s.io", "13", "SPDY/3.1"),
        ])
    func refused(path: String, offered: String, version: String, upgrade: String) async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let handshake = [
                    ("Connection", "Upgrade"), ("Upgrade", upgrade), ("Sec-WebSocket-Version", version),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Protocol", offered),
                ]
                let answer = try await client.ask(.GET, path, headers: handshake)
                #expect(answer.status == (path == "/echo" ? 400 : 404))
                #expect(answer.body.contains(#""kind":"Status""#))
                #expect(answer.headers["connection"] == ["close"])
            }
        }
    }

    @Test("a message that is too large ends the connection")
    func tooLarge() async throws {
        try await withServer(limits: Server.Limits(message: 100)) { port, _ in
            try await withEchoSocket(port, offering: "v4.channel.k8s.io") { frames, writer, _ in
                var frames = frames.makeAsyncIterator()
                try await writer.write(masked(.binary, String(repeating: "x", count: 101)))
                let answer = try await frames.next()
                #expect(answer == nil || answer?.opcode == .connectionClose)
            }
        }
    }
}

extension WebSocketFrame {
    fileprivate var text: String { String(buffer: unmaskedData) }
}

/// A frame as a client sends it (RFC 6455 §5.3: always masked).
private func masked(_ opcode: WebSocketOpcode, _ text: String, fin: Bool = true) -> WebSocketFrame {
    WebSocketFrame(
        fin: fin, opcode: opcode, maskKey: [1, 2, 3, 4], data: ByteBuffer(bytes: text.unicodeScalars.map { UInt8($0.value) }))
}

private func withEchoSocket(
    _ port: UInt16, offering protocols: String,
    _ body: (
        NIOAsyncChannelInboundStream<WebSocketFrame>, NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ subprotocol: String?
    ) async throws -> Void
) async throws {
    typealias Upgraded = (NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, String?)
    struct Refused: Error {}
    let upgraded = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .withConnectedSocket(Loopback.connected(to: port)) { channel in
            channel.eventLoop.makeCompletedFuture {
                let upgrader = NIOTypedWebSocketClientUpgrader<Upgraded> { channel, head in
                    channel.eventLoop.makeCompletedFuture {
                        (
                            try NIOAsyncChannel(wrappingChannelSynchronously: channel),
                            head.headers.first(name: "Sec-WebSocket-Protocol")
                        )
                    }
                }
                var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/echo")
                head.headers = ["Host": "api.example.org", "Sec-WebSocket-Protocol": protocols]
                let configuration = NIOTypedHTTPClientUpgradeConfiguration(upgradeRequestHead: head, upgraders: [upgrader]) {
                    $0.eventLoop.makeFailedFuture(Refused())
                }
                return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                    configuration: NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration))
            }
        }
    let (channel, subprotocol) = try await upgraded.get()
    try await channel.executeThenClose { try await body($0, $1, subprotocol) }
}
