import KubeAPI

/// A body in protobuf: kubectl from 1.31 writes typed objects that way (`create`, `expose`, `drain`, `create token`), and does not
/// fall back to JSON.
///
/// Any served kind, by the numbers of ``WireTable`` and the forms of ``TypeTable``. A body with a field that is in neither is
/// refused rather than half understood.
enum ProtobufBody {
    static let mediaType = "application/vnd.kubernetes.protobuf"

    /// - Returns: the tree that the same object has in JSON.
    /// - Throws: 400 for what is no such body, 415 for a kind or field that is not read here.
    static func tree(_ bytes: [UInt8]) throws(Status) -> JSONValue {
        guard bytes.starts(with: [0x6B, 0x38, 0x73, 0x00]) else {
            throw .badRequest("the body is no Kubernetes protobuf: k8s\\0 is missing")
        }
        var (apiVersion, kind): (String, String) = ("", "")
        var raw: ArraySlice<UInt8> = []
        for field in try WireField.all(in: bytes[4...]) {
            switch field.number {
            case 1:
                for part in try WireField.all(in: field.bytes) {
                    if part.number == 1 { apiVersion = try text(part.bytes) }
                    if part.number == 2 { kind = try text(part.bytes) }
                }
            case 2: raw = field.bytes
            default: break
            }
        }
        let name = apiVersion == "events.k8s.io/v1" && kind == "Event" ? "Event/events" : kind
        guard WireTable.standard.types[name] != nil, let type = TypeTable.standard.types[name],
            type.field("metadata") != nil || kind == "DeleteOptions"
        else { throw unread("objects of the kind \"\(kind)\" are") }
        var object = JSONObject()
        object["apiVersion"] = .string(apiVersion)
        object["kind"] = .string(kind)
        try read(raw, name, type, into: &object)
        return .object(object)
    }

    private static func unread(_ what: String) -> Status {
        Status(
            code: 415, reason: "UnsupportedMediaType",
            message: "\(what) not read from protobuf here: send JSON, for example by kubectl create -f")
    }

    /// - Parameters:
    ///   - row: the type whose numbers are meant: one that is spliced into `type`, or that itself.
    private static func read(
        _ bytes: ArraySlice<UInt8>, _ row: String, _ type: TypeDefinition, into object: inout JSONObject
    ) throws(Status) {
        for field in try WireField.all(in: bytes) {
            switch WireTable.standard.types[row]?[field.number] {
            case .spliced(let inner): try read(field.bytes, inner, type, into: &object)
            case .named("managedFields", _): continue
            case .named(let name, let keepsZero):
                guard let definition = type.field(name) else { throw unread("\(name) of \(type.name) is") }
                let keeps = keepsZero || definition.isRequired
                try add(field, name, definition.form, keepsZero: keeps, to: &object)
            case nil: throw unread("field \(field.number) of \(row) is")
            }
        }
    }

    private static func add(
        _ field: WireField, _ name: String, _ form: FieldForm, keepsZero: Bool, to object: inout JSONObject
    ) throws(Status) {
        switch form {
        case .list(let element):
            var list = object[name]?.array ?? []
            if field.isPacked, [.integer32, .integer64].contains(element) {
                var rest = field.bytes
                while !rest.isEmpty { list.append(.number(JSONNumber(Int64(bitPattern: try WireField.varint(&rest))))) }
            } else if let value = try value(field, element) {
                list.append(value)
            }
            object[name] = .array(list)
        case .map(let element):
            var (key, value): (String, JSONValue?) = ("", nil)
            for part in try WireField.all(in: field.bytes) {
                if part.number == 1 { key = try text(part.bytes) } else { value = try self.value(part, element) }
            }
            var map = object[name]?.object ?? JSONObject()
            map[key] = value ?? .string("")
            object[name] = .object(map)
        default:
            guard let value = try value(field, form) else { return }
            // Go writes the zeros of absent fields too.
            if !keepsZero, value == .string("") || value == .bool(false) || value.integer == 0 { return }
            object[name] = value
        }
    }

    /// `nil` for a moment that is none.
    private static func value(_ field: WireField, _ form: FieldForm) throws(Status) -> JSONValue? {
        switch form {
        case .string: return .string(try text(field.bytes))
        case .bytes: return .string(base64(field.bytes))
        case .integer32, .integer64: return .number(JSONNumber(Int64(bitPattern: field.varint)))
        case .boolean: return .bool(field.varint != 0)
        case .structure(let name):
            guard let type = TypeTable.standard.types[name] else { throw unread("a \(name) is") }
            var object = JSONObject()
            try read(field.bytes, name, type, into: &object)
            return .object(object)
        case .quantity:
            return .string(
                try WireField.all(in: field.bytes).first { $0.number == 1 }.map { field throws(Status) in try text(field.bytes) }
                    ?? "0")
        case .integerOrString: return try integerOrString(field.bytes)
        case .time, .microTime: return try moment(field.bytes, hasFraction: form == .microTime)
        case .any:
            // A RawExtension: JSON within protobuf.
            guard let raw = try WireField.all(in: field.bytes).first(where: { $0.number == 1 }) else { return nil }
            do { return try JSONReader().document(Array(raw.bytes)).value } catch {
                throw .badRequest("the body holds no JSON: \(error)")
            }
        case .list, .map, .number: throw unread("a field of such a form is")
        }
    }

    private static func integerOrString(_ bytes: ArraySlice<UInt8>) throws(Status) -> JSONValue {
        var (isText, number, word): (Bool, Int64, String) = (false, 0, "")
        for part in try WireField.all(in: bytes) {
            switch part.number {
            case 1: isText = part.varint == 1
            case 2: number = Int64(bitPattern: part.varint)
            default: word = try text(part.bytes)
            }
        }
        return isText ? .string(word) : .number(JSONNumber(number))
    }

    private static func moment(_ bytes: ArraySlice<UInt8>, hasFraction: Bool) throws(Status) -> JSONValue? {
        if bytes.isEmpty { return nil }
        var (seconds, nanoseconds): (Int64, UInt64) = (0, 0)
        for part in try WireField.all(in: bytes) {
            if part.number == 1 { seconds = Int64(bitPattern: part.varint) } else { nanoseconds = part.varint }
        }
        // Years 0 to 9999, as RFC 3339 can say them.
        guard (-62_167_219_200..<253_402_300_800).contains(seconds), nanoseconds < 1_000_000_000 else {
            throw .badRequest("a time in the body is none: \(seconds) s")
        }
        let text = Timestamp(seconds: seconds).description
        guard hasFraction else { return .string(text) }
        let fraction = String(nanoseconds / 1000)
        return .string("\(text.dropLast()).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)Z")
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(Status) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .badRequest("a string in the body is not UTF-8") }
        return text
    }
}

/// One field of a message as it stands on the wire.
private struct WireField {
    var number: UInt64
    /// Of a number.
    var varint: UInt64 = 0
    /// Of a string, bytes or message.
    var bytes: ArraySlice<UInt8> = []
    /// Whether it came with a length.
    var isPacked = false

    static func all(in bytes: ArraySlice<UInt8>) throws(Status) -> [WireField] {
        var (result, rest): ([WireField], ArraySlice<UInt8>) = ([], bytes)
        while !rest.isEmpty {
            let tag = try varint(&rest)
            var field = WireField(number: tag >> 3)
            switch tag & 7 {
            case 0: field.varint = try varint(&rest)
            case 2:
                guard let length = Int(exactly: try varint(&rest)), length <= rest.count else { throw broken }
                field.bytes = rest.prefix(length)
                field.isPacked = true
                rest = rest.dropFirst(length)
            default: throw broken
            }
            result.append(field)
        }
        return result
    }

    static func varint(_ rest: inout ArraySlice<UInt8>) throws(Status) -> UInt64 {
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
