import HTTPTypes
import Hummingbird
import KubeAPI
import NIOCore
import NIOHTTP1

/// Kubernetes' answer to a request that was not carried out (`kind: Status`).
///
/// Clients go by `reason` and `code`, people by `message`.
public struct Status: Error, Hashable, Sendable {
    /// One of several things that are wrong.
    public struct Cause: Hashable, Sendable {
        public var reason: String
        public var message: String
        /// The path of the field; empty when it is about none.
        public var field: String

        public init(reason: String, message: String, field: String = "") {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    /// What the answer is about.
    public struct Details: Hashable, Sendable {
        public var name = ""
        public var group = ""
        /// The plural resource; the kind itself in a status of invalid fields, as kube-apiserver has it.
        public var kind = ""
        public var uid = ""
        public var causes: [Cause] = []
        /// When to try again; `nil` when that is no use.
        public var retryAfterSeconds: Int?

        public init() {}
    }

    /// The HTTP status.
    public var code: Int
    /// One word in the API's own vocabulary: `NotFound`, `Conflict`, `Expired`.
    public var reason: String
    public var message: String
    public var details: Details?

    public init(code: Int, reason: String, message: String, details: Details? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
    }

    public static func badRequest(_ message: String) -> Status { Status(code: 400, reason: "BadRequest", message: message) }
    public static func notFound(_ message: String) -> Status { Status(code: 404, reason: "NotFound", message: message) }
    public static func tooLarge(_ message: String) -> Status {
        Status(code: 413, reason: "RequestEntityTooLarge", message: message)
    }
    public static func internalError(_ message: String) -> Status {
        Status(code: 500, reason: "InternalError", message: message)
    }
    /// A part of the API that is not here.
    public static func notImplemented(_ message: String) -> Status {
        Status(code: 501, reason: "NotImplemented", message: message)
    }

    /// A path that nobody serves.
    static let unknownPath = Status.notFound("the server could not find the requested resource")
    static let unknownMethod = Status(
        code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource")
    static let unauthorized = Status(code: 401, reason: "Unauthorized", message: "Unauthorized")
}

// MARK: - About an object

extension Status {
    static func notFound(_ kind: ServedKind, _ name: String) -> Status {
        about(kind, name, 404, "NotFound", "\(kind.resourceName) \"\(name)\" not found")
    }

    static func alreadyExists(_ kind: ServedKind, _ name: String) -> Status {
        about(kind, name, 409, "AlreadyExists", "\(kind.resourceName) \"\(name)\" already exists")
    }

    static func conflict(_ kind: ServedKind, _ name: String, _ why: String = staleVersion) -> Status {
        about(kind, name, 409, "Conflict", "Operation cannot be fulfilled on \(kind.resourceName) \"\(name)\": \(why)")
    }

    static func forbidden(_ kind: ServedKind, _ name: String, _ why: String, causes: [Cause] = []) -> Status {
        let object = name.isEmpty ? kind.resourceName : "\(kind.resourceName) \"\(name)\""
        return about(kind, name, 403, "Forbidden", "\(object) is forbidden: \(why)", causes: causes)
    }

    /// - Parameter faults: at least one.
    static func invalid(_ kind: ServedKind, _ name: String, _ faults: [FieldError]) -> Status {
        let texts = faults.map(\.description)
        let all = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
        let word = kind.group.isEmpty ? kind.kind : "\(kind.kind).\(kind.group)"
        var status = Status(code: 422, reason: "Invalid", message: "\(word) \"\(name)\" is invalid: \(all)")
        var details = Details()
        (details.name, details.group, details.kind) = (name, kind.group, kind.kind)
        details.causes = faults.map { Cause(reason: $0.kind.rawValue, message: $0.body, field: $0.path.description) }
        status.details = details
        return status
    }

    private static let staleVersion =
        "the object has been modified; please apply your changes to the latest version and try again"

    private static func about(
        _ kind: ServedKind, _ name: String, _ code: Int, _ reason: String, _ message: String, causes: [Cause] = []
    ) -> Status {
        var details = Details()
        (details.name, details.group, details.kind, details.causes) = (name, kind.group, kind.plural, causes)
        return Status(code: code, reason: reason, message: message, details: details)
    }
}

extension Status {
    public init(_ error: StoreError) {
        if let status = error.cause as? Status {
            self = status
            return
        }
        let (code, reason) =
            switch error.code {
            case .alreadyExists: (409, "AlreadyExists")
            case .notFound: (404, "NotFound")
            case .conflict: (409, "Conflict")
            case .expired: (410, "Expired")
            case .future: (504, "Timeout")
            default: (500, "InternalError")
            }
        self.init(code: code, reason: reason, message: error.description)
        if case .future = error.code {
            details = Details()
            details?.causes = [Cause(reason: "ResourceVersionTooLarge", message: "Too large resource version")]
            details?.retryAfterSeconds = 1
        }
    }

    /// The object as a tree.
    var tree: JSONValue {
        var tree: JSONValue = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(message),
            "reason": .string(reason),
        ]
        if let details { tree.set(details.tree, at: "details") }
        tree.set(.integer(code), at: "code")
        return tree
    }

    /// The object as JSON.
    public var json: [UInt8] { JSONWriter().bytes(of: tree) }
}

extension Status.Details {
    var tree: JSONValue {
        var tree: JSONValue = [:]
        for (key, value) in [("name", name), ("group", group), ("kind", kind), ("uid", uid)] where !value.isEmpty {
            tree.set(.string(value), at: key)
        }
        if !causes.isEmpty { tree.set(.array(causes.map(\.tree)), at: "causes") }
        if let retryAfterSeconds { tree.set(.integer(retryAfterSeconds), at: "retryAfterSeconds") }
        return tree
    }
}

extension Status.Cause {
    fileprivate var tree: JSONValue {
        var tree: JSONValue = ["reason": .string(reason), "message": .string(message)]
        if !field.isEmpty { tree.set(.string(field), at: "field") }
        return tree
    }
}

extension Status {
    var response: Response {
        Response(
            status: HTTPResponse.Status(code: code), headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }

    /// What is said of an error that a route threw.
    init(describing error: any Error) {
        switch error {
        case let status as Status: self = status
        case let error as StoreError: self.init(error)
        case let error as HTTPError:
            self.init(code: error.status.code, reason: "BadRequest", message: error.body ?? error.status.reasonPhrase)
        case is NIOTooManyBytesError: self = .tooLarge("the body is larger than this server takes")
        case let error as HTTPParserError: self = .badRequest("the request's body does not go on as HTTP should: \(error)")
        default: self = .internalError("the server could not answer: \(error)")
        }
    }
}
