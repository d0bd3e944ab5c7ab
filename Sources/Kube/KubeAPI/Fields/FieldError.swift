/// What is wrong with one field of an object, in kube-apiserver's words:
/// `spec.podCIDR: Invalid value: "10.0.0.0/33": must be a valid CIDR value`.
///
/// A value, not something thrown: validation returns all of them.
public struct FieldError: Hashable, Sendable {
    /// The raw value is the `reason` of a `StatusCause`.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case typeInvalid = "FieldValueTypeInvalid"
        case notSupported = "FieldValueNotSupported"
        case duplicate = "FieldValueDuplicate"
        case notFound = "FieldValueNotFound"
        case forbidden = "FieldValueForbidden"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
    }

    public var kind: Kind
    public var path: FieldPath
    /// The value that is wrong; `nil` where Kubernetes does not repeat it.
    public var value: JSONValue?
    /// What is expected; may be empty.
    public var detail: String
}

extension FieldError {
    public static func required(_ path: FieldPath, _ detail: String = "") -> Self {
        FieldError(kind: .required, path: path, detail: detail)
    }

    public static func invalid(_ path: FieldPath, _ value: JSONValue, _ detail: String) -> Self {
        FieldError(kind: .invalid, path: path, value: value, detail: detail)
    }

    /// The value has another JSON form than the field.
    public static func typeInvalid(_ path: FieldPath, _ value: JSONValue, _ detail: String) -> Self {
        FieldError(kind: .typeInvalid, path: path, value: value, detail: detail)
    }

    public static func notSupported(_ path: FieldPath, _ value: JSONValue, _ supported: [String]) -> Self {
        let list = supported.map(quoted).joined(separator: ", ")
        return FieldError(kind: .notSupported, path: path, value: value, detail: list.isEmpty ? "" : "supported values: \(list)")
    }

    public static func duplicate(_ path: FieldPath, _ value: JSONValue) -> Self {
        FieldError(kind: .duplicate, path: path, value: value, detail: "")
    }

    public static func notFound(_ path: FieldPath, _ value: JSONValue) -> Self {
        FieldError(kind: .notFound, path: path, value: value, detail: "")
    }

    public static func forbidden(_ path: FieldPath, _ detail: String) -> Self {
        FieldError(kind: .forbidden, path: path, detail: detail)
    }

    /// - Parameter limit: in bytes.
    public static func tooLong(_ path: FieldPath, limit: Int) -> Self {
        FieldError(kind: .tooLong, path: path, detail: "may not be more than \(limit) byte\(limit == 1 ? "" : "s")")
    }

    public static func tooMany(_ path: FieldPath, _ count: Int, limit: Int) -> Self {
        let detail = "must have at most \(limit) item\(limit == 1 ? "" : "s")"
        return FieldError(kind: .tooMany, path: path, value: .number(JSONNumber(Int64(count))), detail: detail)
    }
}

extension FieldError: CustomStringConvertible {
    public var description: String { path == .root ? body : "\(path): \(body)" }

    /// The text without the path: the `message` of a `StatusCause`.
    public var body: String {
        var text = kind.title
        if let value { text += ": \(value.string.map(quoted) ?? value.description)" }
        return detail.isEmpty ? text : "\(text): \(detail)"
    }
}

extension FieldError.Kind {
    /// How kube-apiserver's text begins.
    public var title: String {
        switch self {
        case .required: "Required value"
        case .invalid, .typeInvalid: "Invalid value"
        case .notSupported: "Unsupported value"
        case .duplicate: "Duplicate value"
        case .notFound: "Not found"
        case .forbidden: "Forbidden"
        case .tooLong: "Too long"
        case .tooMany: "Too many"
        }
    }
}

/// A string as Go's `%q` writes it.
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            result += (scalar.value < 0x10 ? "\\x0" : "\\x") + String(scalar.value, radix: 16)
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
