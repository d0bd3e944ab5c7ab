extension JSONValue {
    /// The value at the end of a path of members: `tree[at: "spec", "replicas"]`.
    ///
    /// Setting makes the objects on the way that are missing, and replaces what stands there and is none; `nil` removes the
    /// last member and leaves the objects around it. An empty path is the value itself.
    public subscript(at path: String...) -> JSONValue? {
        get { value(at: path[...]) }
        set { set(newValue, at: path[...]) }
    }

    private func value(at path: ArraySlice<String>) -> JSONValue? {
        var value = self
        for key in path {
            guard let next = value[key] else { return nil }
            value = next
        }
        return value
    }

    private mutating func set(_ new: JSONValue?, at path: ArraySlice<String>) {
        guard let key = path.first else {
            self = new ?? .null
            return
        }
        if new == nil, self[key] == nil { return }
        var object = object ?? JSONObject()
        if path.count == 1 {
            object[key] = new
        } else {
            var inner = object[key] ?? .object(JSONObject())
            inner.set(new, at: path.dropFirst())
            object[key] = inner
        }
        self = .object(object)
    }
}
