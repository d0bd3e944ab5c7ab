import KubeAPI

/// The bodies that `kubectl create configmap`, `create namespace` and their like send: kubectl from 1.31 writes typed objects as
/// protobuf and does not fall back to JSON. Everything else it sends as JSON.
///
/// Only the kinds it makes that way, and of them the fields it fills; a body with anything else in it is refused rather than
/// half understood. The numbers are those of the `generated.proto` files of k8s.io/api and k8s.io/apimachinery.
enum ProtobufBody {
    static let mediaType = "application/vnd.kubernetes.protobuf"

    /// - Returns: the tree that the same object has in JSON.
    /// - Throws: 400 for what is no such body, 415 for a kind or field that is not read here.
    static func tree(_ bytes: [UInt8]) throws(Status) -> JSONValue {
        guard bytes.starts(with: [0x6B, 0x38, 0x73, 0x00]) else {
            throw .badRequest("the body is no Kubernetes protobuf: k8s\\0 is missing")
        }
        let envelope = try Self.fields(bytes[4...])
        var type: JSONValue = [:]
        var raw: ArraySlice<UInt8> = []
        for field in envelope {
            switch field.number {
            case 1: type = try message(field.bytes, "TypeMeta")
            case 2: raw = field.bytes
            default: break
            }
        }
        guard let kind = type["kind"]?.string, messages[kind] != nil, kind != "TypeMeta", kind != "ObjectMeta" else {
            throw unread("objects of the kind \(type["kind"]?.string ?? "") are")
        }
        var object = try message(raw, kind)
        for field in ["apiVersion", "kind"] { object.set(type[field], at: field) }
        return object
    }

    private static func unread(_ what: String) -> Status {
        Status(
            code: 415, reason: "UnsupportedMediaType",
            message: "\(what) not read from protobuf here: send JSON, for example by kubectl create -f")
    }

    // MARK: Messages

    private enum Form: Sendable {
        case string, bytes, integer, bool
        case message(String)
        /// A map of strings to one of the first two.
        indirect case map(Form)
        indirect case list(Form)
        /// Seconds since 1970, which the server sets itself: passed over.
        case time
    }

    private static let messages: [String: [UInt64: (name: String, form: Form)]] = [
        "TypeMeta": [1: ("apiVersion", .string), 2: ("kind", .string)],
        "ObjectMeta": [
            1: ("name", .string), 2: ("generateName", .string), 3: ("namespace", .string), 4: ("selfLink", .string),
            5: ("uid", .string), 6: ("resourceVersion", .string), 7: ("generation", .integer), 8: ("creationTimestamp", .time),
            11: ("labels", .map(.string)), 12: ("annotations", .map(.string)), 14: ("finalizers", .list(.string)),
        ],
        "Namespace": [
            1: ("metadata", .message("ObjectMeta")), 2: ("spec", .message("NamespaceSpec")),
            3: ("status", .message("NamespaceStatus")),
        ],
        "NamespaceSpec": [1: ("finalizers", .list(.string))],
        "NamespaceStatus": [1: ("phase", .string)],
        "ConfigMap": [
            1: ("metadata", .message("ObjectMeta")), 2: ("data", .map(.string)), 3: ("binaryData", .map(.bytes)),
            4: ("immutable", .bool),
        ],
        "Secret": [
            1: ("metadata", .message("ObjectMeta")), 2: ("data", .map(.bytes)), 3: ("type", .string),
            4: ("stringData", .map(.string)), 5: ("immutable", .bool),
        ],
        "ServiceAccount": [1: ("metadata", .message("ObjectMeta")), 4: ("automountServiceAccountToken", .bool)],
        "DeleteOptions": [
            1: ("gracePeriodSeconds", .integer), 2: ("preconditions", .message("Preconditions")), 3: ("orphanDependents", .bool),
            4: ("propagationPolicy", .string), 5: ("dryRun", .list(.string)),
        ],
        "Preconditions": [1: ("uid", .string), 2: ("resourceVersion", .string)],
    ]

    private static func message(_ bytes: ArraySlice<UInt8>, _ name: String) throws(Status) -> JSONValue {
        let known = messages[name] ?? [:]
        var object = JSONObject()
        for field in try fields(bytes) {
            guard let (key, form) = known[field.number] else { throw unread("field \(field.number) of \(name) is") }
            try add(field, key, form, to: &object)
        }
        return .object(object)
    }

    private static func add(_ field: Field, _ key: String, _ form: Form, to object: inout JSONObject) throws(Status) {
        switch form {
        case .time: break
        case .list(let element):
            object[key] = .array((object[key]?.array ?? []) + [try value(field, element)])
        case .map(let element):
            var entry: (key: String, value: JSONValue) = ("", .string(""))
            for part in try fields(field.bytes) {
                if part.number == 1 { entry.key = try text(part.bytes) } else { entry.value = try value(part, element) }
            }
            var map = object[key]?.object ?? JSONObject()
            map[entry.key] = entry.value
            object[key] = .object(map)
        default:
            let value = try value(field, form)
            // Go writes empty strings and empty structures of absent fields too.
            if value == .string("") || value == [:], key != "metadata" { return }
            object[key] = value
        }
    }

    private static func value(_ field: Field, _ form: Form) throws(Status) -> JSONValue {
        switch form {
        case .string: .string(try text(field.bytes))
        case .bytes: .string(base64(field.bytes))
        case .integer: .number(JSONNumber(Int64(bitPattern: field.number64)))
        case .bool: .bool(field.number64 != 0)
        case .message(let name): try message(field.bytes, name)
        case .map, .list, .time: throw unread("a field of such a form is")
        }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(Status) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .badRequest("a string in the body is not UTF-8") }
        return text
    }

    private static func base64(_ bytes: ArraySlice<UInt8>) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var (result, rest): ([UInt8], ArraySlice<UInt8>) = ([], bytes)
        while !rest.isEmpty {
            let group = Array(rest.prefix(3))
            rest = rest.dropFirst(3)
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for position in 0..<4 {
                let letter = letters[Int(bits >> (18 - 6 * UInt32(position)) & 63)]
                result.append(position <= group.count ? letter : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    // MARK: Wire

    private struct Field {
        var number: UInt64
        /// Of a varint.
        var number64: UInt64 = 0
        /// Of a string, bytes or message.
        var bytes: ArraySlice<UInt8> = []
    }

    private static func fields(_ bytes: ArraySlice<UInt8>) throws(Status) -> [Field] {
        var (result, rest): ([Field], ArraySlice<UInt8>) = ([], bytes)
        while !rest.isEmpty {
            let tag = try varint(&rest)
            var field = Field(number: tag >> 3)
            switch tag & 7 {
            case 0: field.number64 = try varint(&rest)
            case 2:
                guard let length = Int(exactly: try varint(&rest)), length <= rest.count else { throw broken }
                field.bytes = rest.prefix(length)
                rest = rest.dropFirst(length)
            default: throw broken
            }
            result.append(field)
        }
        return result
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws(Status) -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while let byte = rest.popFirst(), shift < 64 {
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw broken
    }

    private static let broken = Status.badRequest(
        "the body is no protobuf: it ends in the middle of a field, or has one of an unknown form")
}
