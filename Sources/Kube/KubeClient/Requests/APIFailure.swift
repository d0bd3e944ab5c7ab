internal import KubeAPI

/// Why an API server did not do what it was asked.
///
/// ```swift
/// do { try await client.update(tree, of: Pod.resource) } catch APIFailure.conflict { … }
/// ```
public struct APIFailure: Error, Sendable {
    public struct Code: Hashable, Sendable {
        fileprivate enum Base: CaseIterable {
            case badRequest, unauthorized, forbidden, notFound, methodNotAllowed, alreadyExists, conflict, gone, tooLarge
            case unsupportedMediaType, invalid, tooManyRequests, timeout, unavailable, server, unreachable, unreadable
        }
        fileprivate let base: Base
    }

    /// One of the reasons, often a field.
    public struct Cause: Hashable, Sendable {
        /// `spec.ports[0].port`; empty when it is about no field.
        public var field: String
        /// A word such as `FieldValueInvalid`.
        public var reason: String
        public var message: String
    }

    public var code: Code
    /// The HTTP status; `nil` when there was no answer.
    public var status: Int?
    /// The server's word, such as `AlreadyExists`.
    public var reason: String
    /// The server's sentence.
    public var message: String
    public var causes: [Cause]
    /// What was asked: `PATCH /api/v1/namespaces/default/pods/web`.
    public var request: String
    /// The server asks not to come back before this has passed.
    public var retryAfter: Duration?
    /// Why there was no answer.
    public var cause: (any Error)?
}

extension APIFailure {
    /// 400: the server does not understand the request.
    public static let badRequest = Code(base: .badRequest)
    /// 401: the credential is missing, unknown or expired.
    public static let unauthorized = Code(base: .unauthorized)
    /// 403: the user may not do this, or an admission rule refuses it.
    public static let forbidden = Code(base: .forbidden)
    /// 404: there is no such object, or no such kind.
    public static let notFound = Code(base: .notFound)
    /// 405: not with this kind.
    public static let methodNotAllowed = Code(base: .methodNotAllowed)
    /// 409: an object of this name is there.
    public static let alreadyExists = Code(base: .alreadyExists)
    /// 409: somebody else has changed the object since it was read.
    public static let conflict = Code(base: .conflict)
    /// 410: the resource version or the place in a list is forgotten.
    public static let gone = Code(base: .gone)
    /// 413.
    public static let tooLarge = Code(base: .tooLarge)
    /// 415: the server does not take this kind of patch.
    public static let unsupportedMediaType = Code(base: .unsupportedMediaType)
    /// 422: the object is wrong; ``APIFailure/causes`` say where.
    public static let invalid = Code(base: .invalid)
    /// 429.
    public static let tooManyRequests = Code(base: .tooManyRequests)
    /// 504, or our patience is over: it may have been done or not.
    public static let timeout = Code(base: .timeout)
    /// 503.
    public static let unavailable = Code(base: .unavailable)
    /// Any other refusal.
    public static let server = Code(base: .server)
    /// There was no answer: no connection, or one that broke. It may have been done or not.
    public static let unreachable = Code(base: .unreachable)
    /// There was an answer that is no JSON, or not what was asked for.
    public static let unreadable = Code(base: .unreadable)
}

/// Lets a `catch` match by code: `catch APIFailure.conflict`.
public func ~= (code: APIFailure.Code, error: any Error) -> Bool { (error as? APIFailure)?.code == code }

extension APIFailure: CustomStringConvertible {
    /// `PUT /api/v1/nodes/n1: status 409 Conflict: …; read the object again and repeat the change`.
    public var description: String {
        var text = request
        if let status { text += ": status \(status)\(reason.isEmpty ? "" : " \(reason)")" }
        text += ": \(message)"
        // A server's sentence usually ends with its causes; they are only added where it does not.
        let missing = causes.filter { !$0.message.isEmpty && !message.contains($0.message) }
        if !missing.isEmpty {
            text += " (\(missing.map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }.joined(separator: "; ")))"
        }
        return remedy.map { "\(text); \($0)" } ?? text
    }

    /// What to do about it, where that can be said without knowing more.
    public var remedy: String? {
        switch code.base {
        case .unauthorized: "check the token or the client certificate"
        case .forbidden: "check the user's roles, for instance with kubectl auth can-i"
        case .conflict: "read the object again and repeat the change"
        case .gone: "list again"
        case .unreachable: "check that the server runs and that its address is right"
        case .tooManyRequests: retryAfter.map { "try again after \($0)" }
        default: nil
        }
    }
}

// MARK: - Reading

extension APIFailure {
    /// A refusal: from a `Status`, or from the beginning of what a proxy says instead.
    init(_ request: APIRequest, status: Int, retryAfter: Duration?, body: [UInt8]) {
        let tree = (try? JSONReader().document(body).value).flatMap { $0["kind"]?.string == "Status" ? $0 : nil }
        let details = tree?["details"]
        self.request = request.description
        self.status = status
        self.retryAfter = retryAfter ?? details?["retryAfterSeconds"]?.number?.integer.map { .seconds(min(max($0, 0), 3600)) }
        reason = tree?["reason"]?.string ?? ""
        let said = tree?["message"]?.string ?? String(decoding: body.prefix(200), as: UTF8.self)
        message = said.isEmpty ? "the server says no more" : said
        causes = (details?["causes"]?.array ?? []).map {
            Cause(
                field: $0["field"]?.string ?? "", reason: $0["reason"]?.string ?? "", message: $0["message"]?.string ?? "")
        }
        code = Self.code(status, reason: reason)
    }

    /// No answer, or none that can be read.
    init(_ request: APIRequest, _ code: Code, status: Int? = nil, _ message: String, cause: (any Error)?) {
        self.init(
            code: code, status: status, reason: "", message: message, causes: [], request: request.description, retryAfter: nil,
            cause: cause)
    }

    /// By status, and by the server's word only where a status has several meanings.
    private static func code(_ status: Int, reason: String) -> Code {
        switch (status, reason) {
        case (400, _): badRequest
        case (401, _): unauthorized
        case (403, _): forbidden
        case (404, _): notFound
        case (405, _): methodNotAllowed
        case (409, "AlreadyExists"): alreadyExists
        case (409, _): conflict
        case (410, _): gone
        case (413, _): tooLarge
        case (415, _): unsupportedMediaType
        case (422, _): invalid
        case (429, _): tooManyRequests
        case (503, _): unavailable
        case (504, _), (500, "Timeout"), (500, "ServerTimeout"): timeout
        default: server
        }
    }
}
