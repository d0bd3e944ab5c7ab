import KubeAPI

/// What a list, a watch or the deletion of a collection selects, and how much of it. Pure.
struct CollectionQuery: Sendable {
    enum Match: String, Hashable, Sendable {
        case exact = "Exact"
        case notOlderThan = "NotOlderThan"
    }

    var isWatch = false
    /// `nil` for none and for `0`, which asks for any state there is.
    var revision: Revision?
    var match: Match?
    /// `nil` for no limit.
    var limit: Int?
    var rest: String?
    var labels: LabelSelector?
    /// Whether an object is selected by its fields; `nil` when all are.
    var fields: (@Sendable (JSONValue) -> Bool)?
    var wantsBookmarks = false
    /// In seconds; `nil` for no end.
    var timeout: Int64?
    /// What a table shows of the objects beside their rows.
    var includeObject = Table.Inclusion.metadata

    init(_ query: Query, _ kind: ServedKind, _ rules: APIRules) throws {
        isWatch = try query.bool("watch")
        rest = query["continue"]
        wantsBookmarks = try query.bool("allowWatchBookmarks")
        timeout = try query.integer("timeoutSeconds").flatMap { $0 > 0 ? $0 : nil }
        if let text = query["resourceVersion"], text != "0" {
            guard let number = Revision(text) else {
                throw Self.invalid(kind, "resourceVersion", text, "must be a version that this server gave")
            }
            revision = number
        }
        if let text = query["limit"], text != "0" {
            guard let number = Int(text), number > 0 else {
                throw Self.invalid(kind, "limit", text, "must be greater than or equal to 0")
            }
            limit = number
        }
        match = try Self.match(query, kind, isWatch: isWatch)
        if let text = query["labelSelector"] {
            do { labels = try LabelSelector(parsing: text) } catch {
                throw Status.badRequest("unable to parse requirement: \(error)")
            }
        }
        if let text = query["fieldSelector"] { fields = try rules.fieldSelector(text, kind) }
        if let text = query["includeObject"] {
            guard let known = Table.Inclusion(rawValue: text) else {
                throw Status.badRequest("includeObject must be None, Metadata or Object, not \"\(text)\"")
            }
            includeObject = known
        }
        if try query.bool("sendInitialEvents") {
            let fault = FieldError.forbidden(
                FieldPath("sendInitialEvents"),
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            throw Status.invalid(Self.options, "", [fault])
        }
    }

    /// Whether objects must be looked into to tell which are selected.
    var selects: Bool { labels?.requirements.isEmpty == false || fields != nil }

    func selects(_ object: JSONValue) -> Bool {
        if let labels, !labels.matches(object.labels) { return false }
        return fields?(object) ?? true
    }

    private static func match(_ query: Query, _ kind: ServedKind, isWatch: Bool) throws(Status) -> Match? {
        guard let text = query["resourceVersionMatch"] else { return nil }
        let path = FieldPath("resourceVersionMatch")
        func refuse(_ fault: FieldError) -> Status { .invalid(options, "", [fault]) }
        guard let match = Match(rawValue: text) else {
            throw refuse(.notSupported(path, .string(text), [Match.exact.rawValue, Match.notOlderThan.rawValue, ""]))
        }
        if isWatch {
            throw refuse(.forbidden(path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
        }
        guard let version = query["resourceVersion"] else {
            throw refuse(.forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        }
        if query["continue"] != nil {
            throw refuse(.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        }
        if match == .exact, version == "0" {
            throw refuse(.forbidden(path, "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""))
        }
        return match
    }

    private static func invalid(_ kind: ServedKind, _ field: String, _ text: String, _ detail: String) -> Status {
        var status = Status.invalid(options, "", [.invalid(FieldPath(field), .string(text), detail)])
        // A number that is none is not even read, as in kube-apiserver.
        (status.code, status.reason) = (400, "BadRequest")
        return status
    }

    /// What errors in these options are said of.
    private static let options = ServedKind(
        group: "meta.k8s.io", version: "v1", kind: "ListOptions", plural: "listoptions", singular: "listoptions",
        isNamespaced: false, listKind: "")
}

extension Page.Continuation {
    /// The form in which a client carries it. Names in the API hold neither `/` nor anything a URL would have to escape.
    var token: String { "\(revision)/\(after.namespace)/\(after.name)" }

    init?(token: String, resource: String) {
        let parts = token.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let revision = Revision(parts[0]), !parts[2].isEmpty else { return nil }
        self.init(revision: revision, after: ObjectKey(resource: resource, namespace: parts[1], name: parts[2]))
    }
}
