import NIOCore
import NIOEmbedded
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

    @Test("a client is asked for a sign that it reads, and heard from then on; one that gives none, after a second")
    func greeting() async throws {
        for answers in [true, false] {
            let loop = EmbeddedEventLoop()
            let greeting = WebSocketGreeting(loop)
            let channel = EmbeddedChannel(handler: greeting, loop: loop)
            let done = NIOLoopBoundBox(false, eventLoop: loop)
            greeting.isAnswered.whenSuccess { done.value = true }
            let ping = try channel.readOutbound(as: WebSocketFrame.self)
            #expect(ping?.opcode == .ping && ping?.data == WebSocketGreeting.sign)
            try channel.writeInbound(frame(.binary, "early"))
            try channel.writeInbound(frame(.pong, "another"))
            #expect(try channel.readInbound(as: WebSocketFrame.self)?.text == "early")
            #expect(try channel.readInbound(as: WebSocketFrame.self)?.text == "another")
            loop.advanceTime(by: WebSocketGreeting.patience - .nanoseconds(1))
            #expect(!done.value)
            if answers { try channel.writeInbound(frame(.pong, "tulle")) } else { loop.advanceTime(by: .nanoseconds(1)) }
            #expect(done.value)
            #expect(try channel.readInbound(as: WebSocketFrame.self) == nil)
            _ = try channel.finish()
        }
        func frame(_ opcode: WebSocketOpcode, _ text: String) -> WebSocketFrame {
            WebSocketFrame(fin: true, opcode: opcode, data: ByteBuffer(string: text))
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

/// Answers pings, as every client must (RFC 6455 §5.5.2).
private final class PingAnswering: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard frame.opcode == .ping else { return context.fireChannelRead(data) }
        let pong = WebSocketFrame(fin: true, opcode: .pong, maskKey: [1, 2, 3, 4], data: frame.unmaskedData)
        context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
    }
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
                        try channel.pipeline.syncOperations.addHandler(PingAnswering())
                        return (
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
                var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
                // The server's ping may come in one piece with its consent, and would be lost.
                pipeline.leftOverBytesStrategy = .forwardBytes
                return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
            }
        }
    let (channel, subprotocol) = try await upgraded.get()
    try await channel.executeThenClose { try await body($0, $1, subprotocol) }
}
