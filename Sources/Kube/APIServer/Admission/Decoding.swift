public import KubeAPI

/// Whether a tree fits the types of a built-in kind: what kube-apiserver finds out while it decodes.
///
/// A field of the wrong form is refused always. A field nobody knows is told of as the client asks (`fieldValidation`), and dropped
/// in the end, as kube-apiserver does (``kept(_:_:)``).
public enum Decoding {
    public struct Review: Hashable, Sendable {
        public var wrongForms: [FieldError] = []
        public var unknownFields: [FieldPath] = []

        /// What `fieldValidation=Strict` answers, and `nil` when there is nothing to say.
        ///
        /// - Parameter duplicates: keys that were there twice, as ``JSONReader`` reports them.
        public func strictMessage(duplicates: [FieldPath] = []) -> String? {
            let faults = warnings(duplicates: duplicates)
            return faults.isEmpty ? nil : "strict decoding error: " + faults.joined(separator: ", ")
        }

        /// What `fieldValidation=Warn` says, one warning each.
        public func warnings(duplicates: [FieldPath] = []) -> [String] {
            unknownFields.map { "unknown field \"\($0)\"" } + duplicates.map { "duplicate field \"\($0)\"" }
        }
    }

    /// What kube-apiserver would still know of an object when it has decoded it: nothing of fields that nobody knows, and of `null` what
    /// Go makes of it. A field of `null` is as one that is not there, and an element of `null` in a list is one without a content, so that
    /// `ingress: [null]` is `ingress: [{}]`.
    public static func kept(_ tree: JSONValue, _ kind: ServedKind) -> JSONValue {
        guard tree.object != nil else { return tree }
        if let custom = kind.custom { return custom.schema.pruned(tree).value }
        return FieldForm.structure(kind.typeName).kept(tree, isObject: true)
    }

    /// Looks through the whole object. A custom kind's forms are its schema's matter; here only its unknown fields are found.
    public static func review(_ tree: JSONValue, _ kind: ServedKind) -> Review {
        var review = Review()
        if let custom = kind.custom {
            review.unknownFields = custom.schema.pruned(tree).unknown
            review.check(tree["metadata"] ?? [:], .structure("ObjectMeta"), at: FieldPath("metadata"))
            return review
        }
        guard case .object = tree else {
            review.wrongForms = [.typeInvalid(.root, .string(tree.form), "must be an object")]
            return review
        }
        review.check(tree, .structure(kind.typeName), at: .root)
        return review
    }
}

extension Decoding.Review {
    fileprivate mutating func check(_ value: JSONValue, _ form: FieldForm, at path: FieldPath) {
        if value.isNull { return }
        switch (form, value) {
        case (.structure(let name), .object(let object)):
            guard let type = TypeTable.standard.types[name] else { return }
            for member in object.members {
                if let field = type.field(member.key) {
                    check(member.value, field.form, at: path.child(member.key))
                } else if path != .root || member.key != "apiVersion" && member.key != "kind" {
                    unknownFields.append(path.child(member.key))
                }
            }
        case (.list(let element), .array(let elements)):
            for (position, value) in elements.enumerated() { check(value, element, at: path.index(position)) }
        case (.map(let entry), .object(let object)):
            for member in object.members { check(member.value, entry, at: path.key(member.key)) }
        case (.any, _), (.string, .string), (.quantity, .string), (.quantity, .number), (.boolean, .bool),
            (.number, .number), (.integerOrString, .string):
            break
        case (.bytes, .string(let text)):
            if !isBase64(text) { wrongForms.append(.typeInvalid(path, .string("string"), "must be base64")) }
        case (.time, .string(let text)), (.microTime, .string(let text)):
            if Timestamp(text) == nil { wrongForms.append(.typeInvalid(path, value, "must be a time as in RFC 3339")) }
        case (.integer32, .number(let number)), (.integerOrString, .number(let number)):
            if number.integer.flatMap(Int32.init(exactly:)) == nil { wrong(path, value, form) }
        case (.integer64, .number(let number)):
            if number.integer == nil { wrong(path, value, form) }
        default: wrong(path, value, form)
        }
    }

    private mutating func wrong(_ path: FieldPath, _ value: JSONValue, _ form: FieldForm) {
        let shown: JSONValue = value.array == nil && value.object == nil ? value : .string(value.form)
        wrongForms.append(.typeInvalid(path, shown, "must be \(form.words), not \(value.form)"))
    }
}

extension FieldForm {
    fileprivate func kept(_ value: JSONValue, isObject: Bool = false) -> JSONValue {
        switch (self, value) {
        case (.structure(let name), .object(let object)):
            guard let type = TypeTable.standard.types[name] else { return value }
            var result = JSONObject()
            for member in object.members {
                if let field = type.field(member.key) {
                    if !member.value.isNull || field.form == .any { result[member.key] = field.form.kept(member.value) }
                } else if isObject, ["apiVersion", "kind"].contains(member.key) {
                    result[member.key] = member.value
                }
            }
            return .object(result)
        case (.list(let element), .array(let elements)):
            return .array(elements.map { $0.isNull ? element.withoutContent : element.kept($0) })
        case (.map(let entry), .object(let object)):
            var result = JSONObject()
            for member in object.members {
                result[member.key] = member.value.isNull ? entry.withoutContent : entry.kept(member.value)
            }
            return .object(result)
        default: return value
        }
    }

    /// What Go's decoder makes of `null` where a value must be.
    private var withoutContent: JSONValue {
        switch self {
        case .structure, .map: [:]
        case .string, .bytes: ""
        case .quantity: "0"
        case .integer32, .integer64, .number, .integerOrString: 0
        case .boolean: false
        case .time, .microTime, .any, .list: .null
        }
    }

    /// As a sentence names it.
    var words: String {
        switch self {
        case .string: "a string"
        case .bytes: "base64 in a string"
        case .time, .microTime: "a time in a string"
        case .quantity: "a quantity"
        case .integerOrString: "an integer of 32 bits or a string"
        case .integer32: "an integer of 32 bits"
        case .integer64: "an integer of 64 bits"
        case .number: "a number"
        case .boolean: "a boolean"
        case .any: "anything"
        case .structure, .map: "an object"
        case .list: "an array"
        }
    }
}
