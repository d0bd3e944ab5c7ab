import HTTPTypes
import Hummingbird
import KubeAPI
import NIOCore

/// Writes objects in the form that was asked for. Pure.
struct Rendering: Sendable {
    let form: Form
    var kind: ServedKind
    let rules: APIRules
    var includeObject = Table.Inclusion.metadata
    let now: Timestamp

    func one(_ object: JSONValue) -> JSONValue {
        switch form {
        case .object: object
        case .metadata: Self.partial(object)
        case .table: table([object], metadata: ["resourceVersion": .string(object.resourceVersion)])
        }
    }

    /// - Parameter isFirst: watches name a table's columns once.
    func event(_ object: JSONValue, isFirst: Bool) -> JSONValue {
        guard form == .table else { return one(object) }
        var table = one(object)
        if !isFirst { table.set([], at: "columnDefinitions") }
        return table
    }

    func list(_ objects: [JSONValue], revision: Revision, rest: Page.Continuation?) -> JSONValue {
        var metadata: JSONValue = ["resourceVersion": .string(revision.description)]
        if let rest { metadata.set(.string(rest.token), at: "continue") }
        switch form {
        case .object:
            return [
                "kind": .string(kind.listKind), "apiVersion": .string(kind.apiVersion), "metadata": metadata,
                "items": .array(objects),
            ]
        case .metadata:
            return [
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": .array(objects.map(Self.partial)),
            ]
        case .table: return table(objects, metadata: metadata)
        }
    }

    private func table(_ objects: [JSONValue], metadata: JSONValue) -> JSONValue {
        rules.table(objects, kind, now, includeObject, metadata.object ?? [:])
    }

    private static func partial(_ object: JSONValue) -> JSONValue {
        ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] ?? [:]]
    }
}

extension Response {
    /// - Parameter warnings: shown to the user by kubectl (RFC 7234 §5.5, code 299); as many as 4096 characters hold, as with
    ///   kube-apiserver: a client takes only so much of headers.
    static func json(_ tree: JSONValue, status: HTTPResponse.Status = .ok, warnings: [String] = []) -> Response {
        var response = json(JSONWriter().bytes(of: tree), status: status)
        guard let name = HTTPField.Name("Warning") else { return response }
        var room = 4096
        for warning in warnings {
            let text = JSONValue.string(
                String(warning.unicodeScalars.filter { $0.isASCII && $0.value >= 0x20 }.map(Character.init)))
            let value = "299 - \(text)"
            room -= value.utf8.count
            guard room >= 0 else { break }
            response.headers.append(HTTPField(name: name, value: value))
        }
        return response
    }

    static func json(_ bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
