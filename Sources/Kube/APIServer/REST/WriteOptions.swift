import KubeAPI

/// What a write's query says besides what is written.
struct WriteOptions: Hashable, Sendable {
    /// What happens to keys that are there twice and to fields that the kind has not (`fieldValidation`).
    enum FieldValidation: String, Hashable, Sendable {
        case ignore = "Ignore"
        /// Said in a `Warning` header.
        case warn = "Warn"
        case strict = "Strict"
    }

    var isDryRun = false
    /// `nil`: a repeated key is refused, because nobody can mean it, and an unknown field is warned of.
    var fieldValidation: FieldValidation?

    init() {}

    init(_ query: Query) throws(Status) {
        isDryRun = try Self.dryRun(query.all("dryRun"))
        guard let word = query["fieldValidation"] else { return }
        guard let known = FieldValidation(rawValue: word) else {
            throw .badRequest("fieldValidation must be Ignore, Warn or Strict, not \"\(word)\"")
        }
        fieldValidation = known
    }

    var refusesDuplicates: Bool { fieldValidation == nil || fieldValidation == .strict }

    static func dryRun(_ words: [String]) throws(Status) -> Bool {
        for word in words where word != "All" && !word.isEmpty {
            throw .badRequest("dryRun must be All, not \"\(word)\"")
        }
        return words.contains("All")
    }
}

/// How an object is to go, from the query and the body, which wins.
struct DeleteOptions: Hashable, Sendable {
    enum Propagation: String, Hashable, Sendable {
        case background = "Background"
        case foreground = "Foreground"
        case orphan = "Orphan"
    }

    var isDryRun = false
    /// `nil`: as the object itself says.
    var grace: Int64?
    var propagation = Propagation.background
    var uid: String?
    var resourceVersion: String?

    init() {}

    init(_ query: Query, body: JSONValue?) throws(Status) {
        var fields = FieldReader(body ?? [:])
        let dryRun = fields.strings("dryRun")
        grace = fields.integer("gracePeriodSeconds")
        let policy = fields.string("propagationPolicy")
        let orphans = fields.bool("orphanDependents")
        (uid, resourceVersion) = fields.section("preconditions") { ($0.string("uid"), $0.string("resourceVersion")) }
        if let fault = fields.errors.first { throw .badRequest("DeleteOptions: \(fault)") }
        isDryRun = try WriteOptions.dryRun(dryRun + query.all("dryRun"))
        if grace == nil { grace = try query.integer("gracePeriodSeconds") }
        let orphansInQuery = query["orphanDependents"] == nil ? nil : try query.bool("orphanDependents")
        if let word = policy ?? query["propagationPolicy"] {
            guard let known = Propagation(rawValue: word) else {
                throw .badRequest("propagationPolicy must be Background, Foreground or Orphan, not \"\(word)\"")
            }
            propagation = known
        } else if orphans ?? orphansInQuery ?? false {
            propagation = .orphan
        }
    }
}
