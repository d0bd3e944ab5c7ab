import KubeAPI

/// The rules that the REST half asks and does not know: which kinds there are, what their objects must look like, how they are
/// patched and printed. All of it pure.
struct APIRules: Sendable {
    /// A patch as it came.
    struct PatchRequest: Sendable {
        var contentType: String
        var body: [UInt8]
    }

    /// What decoding an object finds.
    struct Review: Sendable {
        /// Fields of another JSON form than theirs: always refused.
        var wrongForms: [FieldError] = []
        /// Fields that the kind has not: told of as the client asks, and dropped.
        var unknownFields: [FieldPath] = []
    }

    var kinds: [ServedKind]
    /// The kinds that a custom resource definition adds, one a served version.
    var custom: @Sendable (_ definition: JSONValue) -> [ServedKind]
    /// Whether the forms of an object are those of its kind, before anything else is asked of it.
    var reviewed: @Sendable (JSONValue, ServedKind) -> Review
    /// As it is stored: without what its kind has not, and with what is usual where it says nothing.
    var defaulted: @Sendable (JSONValue, ServedKind) -> JSONValue
    /// Everything wrong with an object that replaces another, or none when it is new.
    var faults: @Sendable (JSONValue, _ old: JSONValue?, ServedKind) -> [FieldError]
    /// What is to be said of an object that is taken all the same.
    var warnings: @Sendable (JSONValue, ServedKind) -> [String]
    /// - Throws: a ``Status``.
    var patched: @Sendable (PatchRequest, JSONValue, ServedKind) throws -> JSONValue
    /// A table of objects; the last is the list's metadata.
    var table: @Sendable ([JSONValue], ServedKind, Timestamp, Table.Inclusion, JSONObject) -> JSONValue
    /// - Throws: a ``Status`` for a field that this kind cannot be selected by.
    var fieldSelector: @Sendable (String, ServedKind) throws -> @Sendable (JSONValue) -> Bool
}

extension APIRules {
    static let standard = APIRules(
        kinds: ServedKinds.all, custom: { ServedKind.kinds(ofCRD: $0) },
        reviewed: { object, kind in
            let review = Decoding.review(object, kind)
            return Review(wrongForms: review.wrongForms, unknownFields: review.unknownFields)
        },
        defaulted: { Defaults.applied(to: Decoding.kept($0, $1), $1) },
        faults: { Validation.faults(of: $0, replacing: $1, $2) },
        warnings: { Validation.warnings(of: $0, $1) },
        patched: { request, object, kind in
            do throws(PatchError) {
                return try Patch(contentType: request.contentType, body: request.body, kind: kind).applied(to: object)
            } catch {
                throw Status(code: error.status.code, reason: error.status.reason, message: error.message)
            }
        },
        table: { objects, kind, now, inclusion, list in
            Table(of: objects, kind, now: now).tree(including: inclusion, list: list)
        },
        fieldSelector: { text, kind in
            do throws(FieldSelectorError) {
                let selector = try FieldSelector(parsing: text, kind: kind)
                return { selector.matches($0) }
            } catch {
                throw Status.badRequest(error.description)
            }
        })
}
