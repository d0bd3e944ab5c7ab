import HummingbirdCore

/// The query of a list or a watch.
struct CollectionQuery: Hashable, Sendable {
    var isWatch: Bool
    /// `nil` for none and for `0`, which asks for any state there is.
    var revision: Revision?
    /// `nil` for no limit.
    var limit: Int?
    var rest: String?

    init(_ parameters: FlatDictionary<Substring, Substring>) throws(Status) {
        func value(_ name: Substring) -> String? {
            parameters[name].map(String.init).flatMap { $0.isEmpty ? nil : $0 }
        }
        isWatch = value("watch").map { $0 == "1" || $0 == "true" } ?? false
        rest = value("continue")
        if let text = value("resourceVersion"), text != "0" {
            guard let number = Revision(text) else { throw .badRequest("resourceVersion \(text) is no number") }
            revision = number
        }
        if let text = value("limit"), text != "0" {
            guard let number = Int(text), number > 0 else { throw .badRequest("limit \(text) is no count") }
            limit = number
        }
    }
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
