import KubeAPI

/// An object as a client sent it, made fit for the place it was sent to. Pure.
struct Submission: Sendable {
    let kind: ServedKind
    /// Empty for an object of the cluster.
    let namespace: String
    /// `nil` when the path names none: then the object says it, or asks for a generated one.
    let name: String?

    /// An object, and what is to be said of it in `Warning` headers.
    struct Reading: Sendable {
        var object: JSONValue
        var warnings: [String] = []
    }

    /// Reads a body and checks its form.
    ///
    /// - Throws: 400 with what is wrong and where.
    func reading(_ bytes: [UInt8], _ options: WriteOptions, _ rules: APIRules) throws(Status) -> Reading {
        let document = try Self.document(bytes)
        if options.refusesDuplicates { try Self.refuse(document.duplicates) }
        let object = try checked(document.value)
        return Reading(object: object, warnings: try warnings(object, document.duplicates, options, rules))
    }

    /// Checks the forms of all fields.
    ///
    /// - Parameter duplicates: keys that the body had twice.
    /// - Returns: what is to be said of it.
    func warnings(
        _ object: JSONValue, _ duplicates: [FieldPath], _ options: WriteOptions, _ rules: APIRules
    ) throws(Status) -> [String] {
        let unknown = try reviewed(object, options, rules)
        let isTold = options.fieldValidation != .ignore
        return (isTold ? unknown + duplicates.map { "duplicate field \"\($0)\"" } : []) + rules.warnings(object, kind)
    }

    /// Checks the forms of all fields.
    ///
    /// - Returns: a sentence for every field that the kind has not.
    private func reviewed(_ object: JSONValue, _ options: WriteOptions, _ rules: APIRules) throws(Status) -> [String] {
        let review = rules.reviewed(object, kind)
        if !review.wrongForms.isEmpty {
            throw unreadable(review.wrongForms.map(\.description).joined(separator: ", "))
        }
        let unknown = review.unknownFields.map { "unknown field \"\($0)\"" }
        if options.fieldValidation == .strict, !unknown.isEmpty {
            throw .badRequest(
                "\(kind.kind) in version \"\(kind.version)\" cannot be handled as a \(kind.kind): strict decoding error: \(unknown.joined(separator: ", "))"
            )
        }
        return unknown
    }

    static func tree(_ bytes: [UInt8], refusingDuplicates: Bool = true) throws(Status) -> JSONValue {
        let document = try document(bytes)
        if refusingDuplicates { try refuse(document.duplicates) }
        return document.value
    }

    /// Keys that a body has twice.
    ///
    /// - Throws: 400 where that is refused.
    static func duplicates(_ bytes: [UInt8], _ options: WriteOptions) throws(Status) -> [FieldPath] {
        let duplicates = try document(bytes).duplicates
        if options.refusesDuplicates { try refuse(duplicates) }
        return duplicates
    }

    private static func document(_ bytes: [UInt8]) throws(Status) -> JSONReader.Document {
        do { return try JSONReader().document(bytes) } catch { throw .badRequest("the body is no JSON: \(error)") }
    }

    private static func refuse(_ duplicates: [FieldPath]) throws(Status) {
        guard !duplicates.isEmpty else { return }
        throw .badRequest("strict decoding error: " + duplicates.map { "duplicate field \"\($0)\"" }.joined(separator: ", "))
    }

    /// The object with its type, and in its namespace.
    func checked(_ tree: JSONValue) throws(Status) -> JSONValue {
        guard tree.object != nil else { throw unreadable("must be an object, not \(tree.form)") }
        var object = try typed(tree)
        var fields = FieldReader(object)
        let metadata = fields.section("metadata", ObjectMeta.init(reading:))
        if let fault = fields.errors.first { throw unreadable(fault.description) }
        if object["metadata"]?.object == nil { object.set([:], at: "metadata") }
        object.set(nil, at: "metadata", "managedFields")
        object.set(nil, at: "metadata", "selfLink")
        if let name, metadata.name != name {
            guard metadata.name.isEmpty else {
                throw .badRequest("the name of the object (\(metadata.name)) does not match the name on the URL (\(name))")
            }
            object.set(.string(name), at: "metadata", "name")
        }
        if kind.isNamespaced {
            guard metadata.namespace.isEmpty || metadata.namespace == namespace else {
                throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
            }
            object.set(.string(namespace), at: "metadata", "namespace")
        } else if metadata.namespace.isEmpty {
            object.set(nil, at: "metadata", "namespace")
        }
        return object
    }

    private func typed(_ tree: JSONValue) throws(Status) -> JSONValue {
        var tree = tree
        for (field, expected) in [("kind", kind.kind), ("apiVersion", kind.apiVersion)] {
            switch tree[field] {
            case nil, .null, .string(""): tree.set(.string(expected), at: field)
            case .string(expected): break
            case .string(let found) where field == "apiVersion":
                throw .badRequest("the API version in the data (\(found)) does not match the expected API version (\(expected))")
            case .string(let found): throw unreadable("the data is a \(found)")
            case let other?: throw unreadable("\(field): must be a string, not \(other.form)")
            }
        }
        return tree
    }

    private func unreadable(_ why: String) -> Status {
        .badRequest("\(kind.kind) in version \"\(kind.version)\" cannot be handled as a \(kind.kind): \(why)")
    }
}
