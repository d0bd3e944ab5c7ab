internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

#if canImport(Glibc)
    internal import Glibc
#endif

/// An API server over HTTP.
///
/// HTTP/1.1 and never HTTP/2: over HTTP/2 all watches share one connection, and when that is half open every new try is sent
/// into the same hole until TCP gives up after a quarter of an hour (kubernetes/client-go issue 374). Over HTTP/1.1 a request
/// that gives up takes its connection with it, and the next one dials.
public struct HTTPTransport: APITransport {
    /// How long things may take.
    public struct Limits: Hashable, Sendable {
        public var connecting = Duration.seconds(10)
        /// How long a watch may say nothing. Servers send bookmarks about every minute, so that a silence of five is a
        /// connection whose other end is gone.
        public var watchSilence = Duration.seconds(300)
        /// How long an answer may pause that is no watch.
        public var answerSilence = Duration.seconds(60)
        /// For how long what a watch says is gathered while it says more and more. What it says after a pause is never late.
        public var gathering = Duration.zero

        public init() {}
    }

    private let watching: HTTPClient
    /// All watches come in here.
    private let loop: LoopExecutor
    private let asking: HTTPClient
    private let base: String
    private let host: String?
    private let headers: @Sendable () async throws -> [(String, String)]
    private let refused: @Sendable () async -> Bool

    /// - Parameter baseURL: scheme, host and port, and a path without a slash at its end when there is one.
    /// - Parameter headers: asked before every request, so that a bearer token can be renewed.
    public init(
        baseURL: String, limits: Limits = Limits(), headers: @escaping @Sendable () async throws -> [(String, String)] = { [] }
    ) {
        self.init(
            base: baseURL, host: nil, configuration: HTTPClient.Configuration(), limits: limits, headers: headers,
            refused: { false })
    }

    /// - Parameter host: what to call the server in the request, where that is not the URL's host.
    /// - Parameter refused: called after 401; whether another credential can be tried.
    init(
        base: String, host: String?, configuration: HTTPClient.Configuration, limits: Limits,
        headers: @escaping @Sendable () async throws -> [(String, String)], refused: @escaping @Sendable () async -> Bool
    ) {
        var configuration = configuration
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = TimeAmount(limits.connecting)
        // The client tries to connect over and over until the request's time is up; here the caller decides that.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Every watch keeps a connection for itself. Above the default of 8 the ninth would wait for ever.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        configuration.timeout.read = TimeAmount(limits.watchSilence)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            Self.keepAlive(channel).flatMap { Self.gather(limits.gathering, channel) }
        }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.loop = LoopExecutor(loop)
        watching = HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
        configuration.http1_1ConnectionDebugInitializer = Self.keepAlive
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        configuration.timeout.read = TimeAmount(limits.answerSilence)
        asking = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.base = base
        self.host = host
        self.headers = headers
        self.refused = refused
    }

    /// A watch says nothing of its own: without this a machine that has got another address would listen at the old one until
    /// ``Limits/watchSilence`` is over. The kernel asks after ten seconds of silence, and gives up fifteen later (tcp(7)).
    private static func keepAlive(_ channel: any Channel) -> EventLoopFuture<Void> {
        let options: [(ChannelOptions.Types.SocketOption, ChannelOptions.Types.SocketOption.Value)] = [
            (.init(level: .socket, name: .so_keepalive), 1),
            // `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`
            (.init(level: .tcp, name: NIOBSDSocket.Option(rawValue: 4)), 10),
            (.init(level: .tcp, name: NIOBSDSocket.Option(rawValue: 5)), 5),
            (.init(level: .tcp, name: NIOBSDSocket.Option(rawValue: 6)), 3),
        ]
        let set = options.map { option, value in channel.setOption(option, value: value) }
        // What a system does not know it does without.
        return EventLoopFuture.andAllComplete(set, on: channel.eventLoop)
    }

    private static func gather(_ distance: Duration, _ channel: any Channel) -> EventLoopFuture<Void> {
        guard distance > .zero else { return channel.eventLoop.makeSucceededVoidFuture() }
        return channel.eventLoop.submit {
            // The first: below TLS, whose records are no measure of anything.
            try channel.pipeline.syncOperations.addHandler(ReadGathering(TimeAmount(distance)), position: .first)
        }
    }

    /// Ends all connections. To be called once, after the last use; a transport that is dropped without it is a programming error
    /// that debug builds end on.
    public func shutdown() async throws {
        try await watching.shutdown()
        try await asking.shutdown()
    }

    public func send(_ request: APIRequest) async throws -> APIResponse {
        let response = try await execute(request)
        // 401 was no use of the request: it can be repeated with another token, if there is one now.
        guard response.status == .unauthorized, await refused() else { return answer(request, response) }
        return answer(request, try await execute(request))
    }

    private func answer(_ request: APIRequest, _ response: HTTPClientResponse) -> APIResponse {
        var answer = APIResponse(response)
        if request.isWatch { answer.loop = loop }
        return answer
    }

    private func execute(_ request: APIRequest) async throws -> HTTPClientResponse {
        var message = HTTPClientRequest(url: base + request.target)
        message.method = HTTPMethod(rawValue: request.method.rawValue)
        message.headers.add(name: "Accept", value: "application/json")
        message.headers.add(name: "User-Agent", value: "tulle")
        if let host { message.headers.add(name: "Host", value: host) }
        if let type = request.contentType { message.headers.add(name: "Content-Type", value: type) }
        for (name, value) in try await headers() { message.headers.replaceOrAdd(name: name, value: value) }
        if let body = request.body { message.body = .bytes(ByteBuffer(bytes: body)) }
        do {
            // The deadline is for the head alone. A body may be a watch that lasts for minutes.
            return try await (request.isWatch ? watching : asking).execute(message, timeout: TimeAmount(request.patience))
        } catch let error where Self.isBeforeConnection(error) {
            throw ConnectionFailure(error, "no connection to \(base): \(Self.words(error))")
        }
    }

    /// The kernel's, where it was the kernel: the error's own name calls of a program.
    private static func words(_ error: any Error) -> String {
        let cause = (error as? NIOConnectionError)?.connectionErrors.first?.error ?? error
        return (cause as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    }

    private static func isBeforeConnection(_ error: any Error) -> Bool {
        if error is NIOConnectionError || error is NIOSSLExtraError { return true }
        if (error as? IOError)?.errnoCode == ECONNREFUSED { return true }
        if case NIOSSLError.handshakeFailed? = error as? NIOSSLError { return true }
        return switch error as? HTTPClientError {
        case .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout: true
        default: false
        }
    }
}

extension APIResponse {
    fileprivate init(_ response: HTTPClientResponse) {
        // The other form, a date, is not used by Kubernetes.
        let seconds = response.headers.first(name: "Retry-After").flatMap { Int64($0) }
        self.init(
            status: Int(response.status.code), retryAfter: seconds.map { .seconds(min(max($0, 0), 3600)) }, body: response.body)
    }
}
