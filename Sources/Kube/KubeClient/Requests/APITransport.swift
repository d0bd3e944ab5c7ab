public import NIOCore

/// A way to ask an API server. There is one for HTTP, and tests have their own.
public protocol APITransport: Sendable {
    /// Sends the request and waits for the answer's head, at most ``APIRequest/patience`` long. An answer of any status is an
    /// answer; what is thrown says that there was none.
    func send(_ request: APIRequest) async throws -> APIResponse
}

/// What is asked.
public struct APIRequest: Sendable {
    public enum Method: String, Hashable, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    public var method: Method
    /// Path and query.
    public var target: String
    public var contentType: String?
    public var body: [UInt8]?
    /// How long the answer's head may be waited for.
    public var patience: Duration
    /// The answer is a stream that is silent for long, not a document that comes at once.
    public var isWatch: Bool

    public init(
        _ method: Method, _ target: String, contentType: String? = nil, body: [UInt8]? = nil, patience: Duration = .seconds(60),
        isWatch: Bool = false
    ) {
        self.method = method
        self.target = target
        self.contentType = contentType
        self.body = body
        self.patience = patience
        self.isWatch = isWatch
    }
}

extension APIRequest: CustomStringConvertible {
    /// `PATCH /api/v1/namespaces/default/pods/web`: without the query, which is long and says little.
    public var description: String { "\(method.rawValue) \(target.prefix { $0 != "?" })" }
}

/// An answer whose head is there, and whose body is still to be read.
public struct APIResponse {
    public var status: Int
    /// The server asks not to come back before this has passed (`Retry-After`).
    public var retryAfter: Duration?
    public var body: any AsyncSequence<ByteBuffer, any Error>
    /// Where the body comes in: whoever reads it there is not woken by another thread.
    var loop: LoopExecutor?

    public init(status: Int, retryAfter: Duration? = nil, body: any AsyncSequence<ByteBuffer, any Error>) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

extension APIResponse {
    /// A document is never larger than this: it would be a fault of the server.
    static var limit: Int { 512 << 20 }

    /// The whole body.
    func bytes() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in body {
            bytes.append(contentsOf: chunk.readableBytesView)
            guard bytes.count <= Self.limit else { throw TooLong() }
        }
        return bytes
    }

    struct TooLong: Error, CustomStringConvertible {
        var description: String { "the answer is longer than \(APIResponse.limit) bytes" }
    }
}

/// No request was ever made: trying again is safe whatever was asked.
public struct ConnectionFailure: Error, CustomStringConvertible {
    public var cause: any Error
    /// Where there was none, and the kernel's words: `no connection to https://192.0.2.1:6443: Connection refused`.
    public var description: String

    /// - Parameter words: the cause's own when they are left out.
    public init(_ cause: any Error, _ words: String? = nil) { (self.cause, description) = (cause, words ?? "\(cause)") }
}
