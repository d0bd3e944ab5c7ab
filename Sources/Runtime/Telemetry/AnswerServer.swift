public import Addressing
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// A small HTTP server at one address: GET and HEAD, answered by a function. It is there from ``open(at:admits:answer:)`` to
/// ``close()``.
///
/// It runs on the process's shared event loops, in the network namespace of the process. It is for figures and health, not for
/// the public: at most 128 connections, each ends after half a minute without a question.
public final class AnswerServer: Sendable {
    /// Where it listens; the port is one that the kernel chose when 0 was asked for. Of one at a socket's path it says nothing.
    public let address: Addressing.SocketAddress
    private let channel: any Channel

    private init(_ channel: any Channel, _ address: Addressing.SocketAddress) {
        (self.channel, self.address) = (channel, address)
    }

    /// - Parameters:
    ///   - address: an unspecified address means all of its family, and of the other one none. One that the node does not have yet
    ///     will do.
    ///   - admits: by the address of ours that somebody asks at; others are hung up on.
    ///   - answer: called on an event loop; must not block.
    /// - Throws: ``AnswerServerFailure`` when the port is taken, or the family is not there.
    public static func open(
        at address: Addressing.SocketAddress, admits: @escaping @Sendable (IPAddress) -> Bool = { _ in true },
        answer: @escaping @Sendable (HTTPQuestion) -> HTTPAnswer
    ) async throws -> AnswerServer {
        var bootstrap = bootstrap(
            admits: { $0.localAddress.flatMap(IPAddress.init).map(admits) ?? false }, answer: { $1(answer($0)) }
        ).serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        // Each family has a socket of its own, as each counts for itself.
        if address.address.family == .v6 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        if !address.address.isUnspecified {
            // The C name is `IP_FREEBIND`: 127.0.0.1 is not there before the loopback link is up.
            bootstrap = bootstrap.serverChannelOption(.ipOption(.init(rawValue: 15)), value: 1)
        }
        do {
            let place = try NIOCore.SocketAddress(ipAddress: address.address.description, port: Int(address.port))
            let channel = try await bootstrap.bind(to: place).get()
            let port = channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? address.port
            return AnswerServer(channel, Addressing.SocketAddress(address.address, port))
        } catch let error as IOError {
            throw AnswerServerFailure(address: address, errno: error.errnoCode, cause: error)
        } catch {
            throw AnswerServerFailure(address: address, errno: nil, cause: error)
        }
    }

    /// At the path of a unix socket, which only our own user may ask at.
    ///
    /// - Parameters:
    ///   - path: what stands there goes.
    ///   - answer: called on an event loop; must not block. It calls back once, on any thread.
    /// - Throws: what the kernel refuses.
    public static func open(
        atSocket path: String, answer: @escaping @Sendable (HTTPQuestion, @escaping @Sendable (HTTPAnswer) -> Void) -> Void
    ) async throws -> AnswerServer {
        let channel = try await bootstrap(admits: { _ in true }, answer: answer)
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        guard chmod(path, 0o600) == 0 else {
            let code = errno
            try? await channel.close().get()
            throw IOError(errnoCode: code, reason: "chmod \(path)")
        }
        return AnswerServer(channel, Addressing.SocketAddress(.any(.v4), 0))
    }

    private static func bootstrap(
        admits: @escaping @Sendable (any Channel) -> Bool,
        answer: @escaping @Sendable (HTTPQuestion, @escaping @Sendable (HTTPAnswer) -> Void) -> Void
    ) -> ServerBootstrap {
        let crowd = Crowd()
        return ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                guard admits(channel), crowd.comeIn() else { return channel.close() }
                channel.closeFuture.whenComplete { _ in crowd.leave() }
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: .seconds(30)))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(AnswerHandler(answer))
                }
            }
    }

    /// No more questions are taken. Twice is once.
    public func close() async { try? await channel.close().get() }
}

/// Why nobody listens at an address.
public struct AnswerServerFailure: Error, CustomStringConvertible {
    public let address: Addressing.SocketAddress
    /// The kernel's number for it; `nil` when it was not the kernel.
    public let errno: Int32?
    public let cause: any Error

    /// The machine runs without the address's family.
    public var isWithoutFamily: Bool { errno == EAFNOSUPPORT }

    public var description: String { "listen at \(address): \(errno.map { String(cString: strerror($0)) } ?? "\(cause)")" }
}

extension IPAddress {
    fileprivate var isUnspecified: Bool { self == .any(family) }

    fileprivate init?(_ address: NIOCore.SocketAddress) {
        guard let text = address.ipAddress else { return nil }
        self.init(text)
    }
}

/// The connections that are open.
private final class Crowd: Sendable {
    private let count = Atomic(0)
    private static let most = 128

    /// Who is let in leaves once.
    func comeIn() -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= Self.most { return true }
        leave()
        return false
    }

    func leave() { count.subtract(1, ordering: .relaxed) }
}

// MARK: - One connection

private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    typealias Answering = @Sendable (HTTPQuestion, @escaping @Sendable (HTTPAnswer) -> Void) -> Void

    private let answer: Answering
    private var head: HTTPRequestHead?

    init(_ answer: @escaping Answering) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            if let head { respond(to: head, context) }
            head = nil
        }
    }

    private func respond(to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let isKnown = head.method == .GET || head.method == .HEAD
        let path = head.uri.prefix { $0 != "?" }
        guard isKnown else {
            let refusal = HTTPAnswer(405, "GET and HEAD are answered\n", headers: [.init("allow", "GET, HEAD")])
            return write(refusal, to: head, context)
        }
        let (loop, here) = (context.eventLoop, NIOLoopBound((self, context), eventLoop: context.eventLoop))
        // Not on the loop: an answer may wait for a lock, and its holder for this loop, as one does who opens or closes a socket.
        NIOThreadPool.singleton.submit { [answer] _ in
            answer(HTTPQuestion(path: String(path))) { answer in
                loop.execute {
                    let (handler, context) = here.value
                    handler.write(answer, to: head, context)
                }
            }
        }
    }

    private func write(_ answer: HTTPAnswer, to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.add(name: "content-type", value: answer.contentType)
        for header in answer.headers { headers.add(name: header.name, value: header.value) }
        headers.add(name: "content-length", value: "\(answer.body.utf8.count)")
        if !head.isKeepAlive { headers.add(name: "connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: answer.status)
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))), promise: nil)
        if head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
        }
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !head.isKeepAlive {
            let channel = context.channel
            written.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
