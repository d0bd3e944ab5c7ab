import KubeAPI
import KubeClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

/// Answers every list with one namespace and keeps every watch open after one event that repeats the caller's token.
final class TinyServer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let isWatch = head.uri.contains("watch=true")
        let token = head.headers.first(name: "Authorization") ?? "none"
        let text =
            isWatch
            ? #"{"type":"ADDED","object":{"metadata":{"name":"watched","annotations":{"token":"\#(token)"},"resourceVersion":"2"}}}"#
            : #"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"listed"}}]}"#
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        if !isWatch { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
    }
}

struct HTTPTransportTests {
    @Test("more watches than a pool's usual eight run at once, with the caller's headers", .timeLimit(.minutes(5)))
    func watches() async throws {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(TinyServer())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let transport = HTTPTransport(baseURL: "http://127.0.0.1:\(port)", headers: { [("Authorization", "Bearer secret")] })
        let collections = (0..<20).map {
            ServerObjectSource.Collection(Namespace.resource, fieldSelector: "metadata.name=n\($0)")
        }
        let source = ServerObjectSource(
            collections, transport: transport, clock: ContinuousClock(), random: { 0.5 }, logger: Logger(label: "test"))
        let feeding = Task { await source.run() }
        var (isListed, watched) = (false, 0)
        for await batch in source.events {
            for event in batch.events {
                switch event {
                case .listed(let objects):
                    isListed = true
                    #expect(objects.count == 20)
                case .added(let object):
                    watched += 1
                    #expect(isListed)
                    #expect(object.metadata.annotations["token"] == "Bearer secret")
                default: Issue.record("unexpected \(event)")
                }
            }
            if watched == 20 { feeding.cancel() }
        }
        #expect(watched == 20, "each of the twenty watches was open at the same time")
        await feeding.value
        try await transport.shutdown()
        try await server.close()
    }
}
