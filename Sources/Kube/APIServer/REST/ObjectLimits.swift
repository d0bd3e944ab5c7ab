import KubeAPI

/// How deep and how large an object may be that the store takes, whoever brings it: what is stored can be read again.
enum ObjectLimits {
    /// Arrays and objects nested in one another, as ``JSONReader`` takes them from a client. Trees are read, compared and freed
    /// by recursion.
    static let depth = 512
    /// In bytes of JSON: 1.5 MiB, etcd's limit for a request.
    static let size = 3 << 19

    /// - Throws: 422 for one that is nested too deep.
    static func checkDepth(_ object: JSONValue, _ kind: ServedKind) throws(Status) {
        guard object.isDeeper(than: depth) else { return }
        throw Status(
            code: 422, reason: "Invalid",
            message: "\(kind.kind) \"\(object.name)\" is invalid: it is nested deeper than \(depth) levels")
    }

    /// - Parameter before: the size of what it replaces: an object that is too large already may become smaller.
    /// - Throws: 413.
    static func checkSize(_ text: StampedBody, replacing before: Int = 0) throws(Status) {
        guard text.count > max(size, before) else { return }
        throw .tooLarge("Request entity too large: the object has \(text.count) bytes, limit is \(size)")
    }
}

extension JSONValue {
    /// Whether more than so many arrays and objects are nested in one another; looks no deeper than that.
    func isDeeper(than limit: Int) -> Bool {
        switch self {
        case .array(let elements): limit <= 0 || elements.contains { $0.isDeeper(than: limit - 1) }
        case .object(let object): limit <= 0 || object.members.contains { $0.value.isDeeper(than: limit - 1) }
        default: false
        }
    }

    /// What is known of an object whose text cannot be read: enough to delete it.
    ///
    /// Its uid is made of its place, so that everybody who asks gets the same one.
    static func remnant(of stored: StoredObject, _ kind: ServedKind) -> JSONValue {
        var metadata: JSONValue = [
            "name": .string(stored.key.name), "uid": .string("unreadable:\(stored.key)"),
            "resourceVersion": .string(stored.revision.description),
        ]
        if !stored.key.namespace.isEmpty { metadata.set(.string(stored.key.namespace), at: "namespace") }
        return ["apiVersion": .string(kind.apiVersion), "kind": .string(kind.kind), "metadata": metadata]
    }
}
