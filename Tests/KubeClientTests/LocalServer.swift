import KubeClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A server on loopback that does what the test says, request by request, and notes what it was asked.
final class LocalServer: Sendable {
    struct Request: Sendable {
        var line: String
        var headers: [String: String]
        var body: String
    }

    enum Reply: Sendable {
        case answer(Int, String, headers: [(String, String)] = [])
        /// A head and this, and then nothing more, for ever.
        case hang(String)
        /// The connection is closed without a word.
        case cut
    }

    private let channel: any Channel
    private let log: Log

    final class Log: Sendable {
        let requests = Mutex<[Request]>([])
    }

    init(tls: NIOSSLContext? = nil, _ reply: @escaping @Sendable (Request, Int) -> Reply) async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(log, reply))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    var requests: [Request] { log.requests.withLock { $0 } }
    var lines: [String] { requests.map(\.line) }

    func stop() async throws { try await channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let log: Log
        private let reply: @Sendable (Request, Int) -> Reply
        private var request = Request(line: "", headers: [:], body: "")

        init(_ log: Log, _ reply: @escaping @Sendable (Request, Int) -> Reply) {
            self.log = log
            self.reply = reply
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $1 }
                request = Request(line: "\(head.method.rawValue) \(head.uri)", headers: headers, body: "")
            case .body(let bytes): request.body += String(buffer: bytes)
            case .end:
                let (request, number) = (
                    request,
                    log.requests.withLock {
                        $0.append(self.request); return $0.count
                    }
                )
                switch reply(request, number) {
                case .cut: context.close(promise: nil)
                case .hang(let text): write(context, 200, text, [], ends: false)
                case .answer(let status, let text, let headers): write(context, status, text, headers, ends: true)
                }
            }
        }

        private func write(
            _ context: ChannelHandlerContext, _ status: Int, _ text: String, _ headers: [(String, String)], ends: Bool
        ) {
            let head = HTTPResponseHead(
                version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: HTTPHeaders(headers))
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            if ends { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
        }
    }
}
