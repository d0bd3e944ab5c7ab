internal import AsyncHTTPClient
public import NIOCore
internal import NIOHTTP1

/// A way to ask an API server. There is one for HTTP, and tests have their own.
public protocol APITransport: Sendable {
    /// - Parameter target: path and query.
    /// - Parameter silence: how long the answer's body may say nothing before it is given up.
    func get(_ target: String, silence: Duration) async throws -> APIResponse
}

/// An answer whose head is there, and whose body is still to be read.
public struct APIResponse {
    public var status: Int
    public var body: any AsyncSequence<ByteBuffer, any Error>

    public init(status: Int, body: any AsyncSequence<ByteBuffer, any Error>) {
        self.status = status
        self.body = body
    }
}

/// An API server over HTTP.
///
/// kubeconfig files and in-cluster credentials are not read here: the caller gives the address and the headers.
public struct HTTPTransport: APITransport {
    private let client: HTTPClient
    private let base: String
    private let headers: @Sendable () async throws -> [(String, String)]

    /// - Parameter baseURL: scheme, host and port, and a path without a slash at its end when there is one.
    /// - Parameter headers: asked before every request, so that a bearer token can be renewed.
    public init(baseURL: String, headers: @escaping @Sendable () async throws -> [(String, String)] = { [] }) {
        var configuration = HTTPClient.Configuration()
        // Every watch keeps a connection for itself. Above the default of 8 the ninth would wait for ever.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        configuration.timeout.connect = .seconds(10)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        base = baseURL
        self.headers = headers
    }

    /// Ends all connections. To be called once, after the last use.
    public func shutdown() async throws { try await client.shutdown() }

    public func get(_ target: String, silence: Duration) async throws -> APIResponse {
        var request = HTTPClientRequest(url: base + target)
        request.headers.add(name: "Accept", value: "application/json")
        for (name, value) in try await headers() { request.headers.replaceOrAdd(name: name, value: value) }
        // The deadline is for the head alone. A body may be a watch that lasts for minutes.
        let response = try await client.execute(request, timeout: TimeAmount(silence))
        return APIResponse(status: Int(response.status.code), body: response.body)
    }
}
