public import KubeAPI

/// A change to an object, in one of the three forms that clients send.
///
/// A patch is applied to the object as it is stored, before defaults and validation; it knows nothing of versions or of what
/// may not be changed.
public enum Patch: Hashable, Sendable {
    /// RFC 7386: members replace, `null` removes, lists are replaced whole.
    case merge(JSONValue)
    /// RFC 6902: a list of operations, all or none.
    case json([Operation])
    /// Kubernetes' own: as a merge patch, but lists with a merge key are merged by element.
    case strategic(JSONValue, schema: MergeSchema)
}

extension Patch {
    /// The media types a kind accepts, as the answer 415 lists them.
    public static func contentTypes(for kind: ServedKind) -> [String] {
        let all = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
        return kind.isCustom ? Array(all.prefix(2)) : all
    }

    /// Reads the body of a PATCH request.
    ///
    /// - Parameter contentType: the header, parameters such as `charset` allowed.
    public init(contentType: String, body: [UInt8], kind: ServedKind) throws(PatchError) {
        let type = try Self.type(contentType, kind)
        let tree: JSONValue
        do {
            tree = try JSONReader().document(body).value
        } catch {
            throw PatchError(.malformed, "error decoding patch: \(error)")
        }
        try self.init(type, tree, kind)
    }

    /// The same of a body that was read already, as from YAML.
    public init(contentType: String, body: JSONValue, kind: ServedKind) throws(PatchError) {
        try self.init(Self.type(contentType, kind), body, kind)
    }

    private init(_ type: String, _ body: JSONValue, _ kind: ServedKind) throws(PatchError) {
        if type == "application/json-patch+json" {
            self = .json(try Operation.list(body))
            return
        }
        guard case .object = body else {
            throw PatchError(.malformed, "error decoding patch: expected an object, found \(body.form)")
        }
        if type == "application/merge-patch+json" {
            self = .merge(body)
        } else {
            self = .strategic(body, schema: MergeSchema(kind))
        }
    }

    private static func type(_ header: String, _ kind: ServedKind) throws(PatchError) -> String {
        let plain = header.prefix { $0 != ";" }
        let type = plain.filter { $0 != " " && $0 != "\t" }.lowercased()
        if type == "application/apply-patch+yaml" {
            throw PatchError(.unsupported, "server-side apply is not served yet: use client-side apply (kubectl apply)")
        }
        let accepted = contentTypes(for: kind)
        guard accepted.contains(type) else {
            throw PatchError(
                .unsupported,
                "the body of the request was in an unknown format - accepted media types include: "
                    + accepted.joined(separator: ", "))
        }
        return type
    }

    /// The object with the change made. An error leaves the object as it was: there is no half of a patch.
    public func applied(to object: JSONValue) throws(PatchError) -> JSONValue {
        switch self {
        case .merge(let patch): Self.merged(object, patch)
        case .json(let operations): try Operation.applied(operations, to: object)
        case .strategic(let patch, let schema): try StrategicMerge.applied(patch, to: object, schema)
        }
    }
}

/// Why a patch was not applied.
public struct PatchError: Error, Hashable, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Base { case malformed, unsupported, inapplicable, tooLarge }
        private let base: Base

        /// The body is no patch.
        public static let malformed = Code(base: .malformed)
        /// A form of patch that is not taken for this kind.
        public static let unsupported = Code(base: .unsupported)
        /// A patch, but not one of this object: a path that is not there, a test that does not hold.
        public static let inapplicable = Code(base: .inapplicable)
        /// More operations than are taken.
        public static let tooLarge = Code(base: .tooLarge)
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The HTTP status and the API's word for it.
    public var status: (code: Int, reason: String) {
        switch code {
        case .unsupported: (415, "UnsupportedMediaType")
        case .inapplicable: (422, "Invalid")
        case .tooLarge: (413, "RequestEntityTooLarge")
        default: (400, "BadRequest")
        }
    }
}

extension PatchError: CustomStringConvertible {
    public var description: String { message }
}
