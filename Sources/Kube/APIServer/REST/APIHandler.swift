import HTTPTypes
import Hummingbird
import KubeAPI
import NIOCore

/// Answers a request: who, what, where, and then the verb.
///
/// ```
///   token ─► health ─► documents ─► target ─► kind ─► collection · object · subresource
/// ```
struct APIHandler: Sendable {
    let api: ObjectAPI
    let door: Doorkeeper
    let pods: PodRoutes
    let largestBody: Int
    /// How long a client may take to read the rest of a watch that is over.
    let patience: TimeAmount

    func answer(_ request: Request, on channel: any Channel) async -> Response {
        do {
            guard let user = try await door.user(authorization: request.headers[.authorization]) else {
                throw Status.unauthorized
            }
            if let health = Self.health(request) { return health }
            if request.method == .get, let document = document(request) { return document }
            guard let target = Target(path: request.uri.path), let kind = api.kinds.kind(target) else { throw Status.unknownPath }
            return try await route(
                Exchange(
                    request: request, caller: Caller(name: user, request.headers), target: target, kind: kind, channel: channel))
        } catch {
            return Status(describing: error).response
        }
    }

    private static func health(_ request: Request) -> Response? {
        let parts = request.uri.path.split(separator: "/")
        guard let first = parts.first, ["healthz", "livez", "readyz"].contains(first), parts.count <= 2 else { return nil }
        guard request.method == .get || request.method == .head else { return Status.unknownMethod.response }
        return .text("ok")
    }

    private func document(_ request: Request) -> Response? {
        let name = DocumentName(path: request.uri.path, accept: request.headers[.accept] ?? "")
        guard let document = api.kinds.document(name) else { return nil }
        return Response(
            status: .ok, headers: [.contentType: document.contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: document.bytes)))
    }

    /// One request, and what its path is about.
    struct Exchange: Sendable {
        let request: Request
        let caller: Caller
        let target: Target
        let kind: ServedKind
        let channel: any Channel

        /// Empty for objects of the cluster.
        var namespace: String { target.namespace ?? "" }
        var method: HTTPRequest.Method { request.method }
    }

    private func route(_ exchange: Exchange) async throws -> Response {
        let (target, kind) = (exchange.target, exchange.kind)
        guard kind.isNamespaced || target.namespace == nil else { throw Status.unknownPath }
        guard let name = target.name else { return try await collection(exchange) }
        guard !kind.isNamespaced || target.namespace != nil else { throw Status.unknownPath }
        guard let subresource = target.subresource else { return try await object(exchange, name) }
        return try await part(exchange, name, subresource)
    }
}

// MARK: - Reading requests

extension APIHandler.Exchange {
    func query() throws(Status) -> Query { try Query(request.uri.query) }

    func rendering(_ rules: APIRules, now: Timestamp) throws(Status) -> Rendering {
        Rendering(form: try Form(accept: request.headers[.accept]), kind: kind, rules: rules, now: now)
    }
}

extension APIHandler {
    func body(_ exchange: Exchange) async throws -> [UInt8] {
        if let length = exchange.request.headers[.contentLength].flatMap({ Int($0) }), length > largestBody { throw tooLarge }
        do {
            return Array(try await exchange.request.body.collect(upTo: largestBody).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        }
    }

    private var tooLarge: Status { .tooLarge("the request is too large: the limit is \(largestBody) bytes") }

    /// The body of a create or an update, as JSON.
    func json(_ exchange: Exchange) async throws -> [UInt8] {
        let header = exchange.request.headers[.contentType] ?? "application/json"
        switch MediaType(header).type {
        case "application/json", "": return try await body(exchange)
        case ProtobufBody.mediaType: return JSONWriter().bytes(of: try ProtobufBody.tree(try await body(exchange)))
        default:
            throw Status(
                code: 415, reason: "UnsupportedMediaType",
                message: "the body of the request was in an unknown format - accepted media types include: application/json")
        }
    }

    /// The body of a delete, which may be empty.
    func deleteOptions(_ exchange: Exchange) async throws -> DeleteOptions {
        let header = exchange.request.headers[.contentType] ?? ""
        let isProtobuf = MediaType(header).type == ProtobufBody.mediaType
        let bytes = isProtobuf ? try await json(exchange) : try await body(exchange)
        let tree: JSONValue? = bytes.isEmpty ? Optional.none : try Submission.tree(bytes, refusingDuplicates: false)
        return try DeleteOptions(try exchange.query(), body: tree)
    }
}
