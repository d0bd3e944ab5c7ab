import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1

/// Kubernetes' answer to a request that was not carried out (`kind: Status`).
///
/// Clients go by `reason` and `code`, people by `message`.
public struct Status: Error, Hashable, Sendable {
    /// The HTTP status.
    public var code: Int
    /// One word in the API's own vocabulary: `NotFound`, `Conflict`, `Expired`.
    public var reason: String
    public var message: String

    public init(code: Int, reason: String, message: String) {
        self.code = code
        self.reason = reason
        self.message = message
    }

    public static func badRequest(_ message: String) -> Status { Status(code: 400, reason: "BadRequest", message: message) }
    public static func notFound(_ message: String) -> Status { Status(code: 404, reason: "NotFound", message: message) }
    public static func tooLarge(_ message: String) -> Status {
        Status(code: 413, reason: "RequestEntityTooLarge", message: message)
    }
    public static func internalError(_ message: String) -> Status {
        Status(code: 500, reason: "InternalError", message: message)
    }
}

extension Status {
    public init(_ error: StoreError) {
        let (code, reason) =
            switch error.code {
            case .alreadyExists: (409, "AlreadyExists")
            case .notFound: (404, "NotFound")
            case .conflict: (409, "Conflict")
            case .expired: (410, "Expired")
            case .future: (504, "Timeout")
            case .busy, .storage: (500, "InternalError")
            default: (500, "InternalError")
            }
        self.init(code: code, reason: reason, message: error.description)
    }

    /// The object as JSON.
    public var json: [UInt8] {
        var json = JSONText()
        json.raw(#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#)
        json.string(message)
        json.raw(#","reason":"#)
        json.string(reason)
        json.raw(#","code":"#)
        json.raw(String(code))
        json.raw("}")
        return json.bytes
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
        case let error as HTTPError where error.status == .notFound:
            self = .notFound("the server could not find the requested resource")
        case let error as HTTPError:
            self.init(code: error.status.code, reason: "BadRequest", message: error.body ?? error.status.reasonPhrase)
        case is NIOTooManyBytesError: self = .tooLarge("the body is larger than this server takes")
        default: self = .internalError("the server could not answer: \(error)")
        }
    }
}

/// Turns whatever a route throws, and a path nobody serves, into a ``Status``.
struct StatusMiddleware: RouterMiddleware {
    func handle(_ request: Request, context: Call, next: (Request, Call) async throws -> Response) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            // Hummingbird answers a request that is no HTTP by itself, and hangs up.
            throw error
        } catch {
            return Status(describing: error).response
        }
    }
}

/// JSON text put together from parts, some of which are JSON already.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    /// Adds text that is JSON.
    mutating func raw(_ text: some Sequence<UInt8>) { bytes.append(contentsOf: text) }

    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Adds a string in quotes, escaped as RFC 8259 §7 asks.
    mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: raw(#"\u00"# + (byte < 16 ? "0" : "") + String(byte, radix: 16))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
