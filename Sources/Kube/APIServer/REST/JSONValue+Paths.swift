import KubeAPI

extension JSONValue {
    /// Sets a member of a member of …, making the objects on the way; `nil` removes it. A value on the way that is no object is
    /// replaced by one.
    mutating func set(_ value: JSONValue?, at path: String...) { set(value, at: path[...]) }

    mutating func set(_ value: JSONValue?, at path: ArraySlice<String>) {
        guard let key = path.first else { return }
        var object = object ?? JSONObject()
        if path.count == 1 {
            object[key] = value
        } else {
            guard value != nil || object[key] != nil else { return }
            var inner = object[key] ?? .object(JSONObject())
            inner.set(value, at: path.dropFirst())
            object[key] = inner
        }
        self = .object(object)
    }
}

/// What the server reads of any object's metadata. Wrong forms read as absent: what comes in is checked before it is kept.
extension JSONValue {
    var namespace: String { at("metadata", "namespace")?.string ?? "" }
    var uid: String { at("metadata", "uid")?.string ?? "" }
    var resourceVersion: String { at("metadata", "resourceVersion")?.string ?? "" }
    var generation: Int64 { at("metadata", "generation")?.number?.integer ?? 0 }
    var isBeingDeleted: Bool { at("metadata", "deletionTimestamp")?.string != nil }
    var finalizers: [String] { at("metadata", "finalizers")?.array?.compactMap(\.string) ?? [] }

    var labels: [String: String] {
        var result: [String: String] = [:]
        for member in at("metadata", "labels")?.object?.members ?? [] { result[member.key] = member.value.string }
        return result
    }
}
