import KubeAPI

// Short words for changing trees in place. A member of another form than expected is left as it is: whether forms are right
// is judged elsewhere, and once.

extension JSONObject {
    /// Sets a member that is absent or null.
    mutating func fill(_ key: String, _ value: JSONValue) {
        if isMissing(key) { self[key] = value }
    }

    /// Absent or null, which Kubernetes takes for the same.
    func isMissing(_ key: String) -> Bool { self[key].map(\.isNull) ?? true }

    /// Changes a member that is an object.
    mutating func edit(_ key: String, _ change: (inout JSONObject) -> Void) {
        guard case .object(var inner) = self[key] else { return }
        change(&inner)
        self[key] = .object(inner)
    }

    /// The same, making the object where there is none.
    mutating func editOrMake(_ key: String, _ change: (inout JSONObject) -> Void) {
        fill(key, [:])
        edit(key, change)
    }

    /// Changes every object of a list.
    mutating func editEach(_ key: String, _ change: (inout JSONObject) -> Void) {
        guard case .array(let elements) = self[key] else { return }
        self[key] = .array(
            elements.map { element in
                guard case .object(var inner) = element else { return element }
                change(&inner)
                return .object(inner)
            })
    }
}

extension JSONValue {
    static func integer(_ value: Int) -> JSONValue { .number(JSONNumber(Int64(value))) }

    /// The value at a path of members; `nil` when any is missing.
    func at(_ path: String...) -> JSONValue? { at(path[...]) }

    func at(_ path: ArraySlice<String>) -> JSONValue? {
        guard let first = path.first else { return isNull ? Optional.none : self }
        return self[first]?.at(path.dropFirst())
    }

    var integer: Int64? { number?.integer }

    /// The objects of a list; elements of another form are passed over.
    var objects: [JSONObject] { array?.compactMap(\.object) ?? [] }

    /// The entries of a map of strings.
    var strings: [String: String] {
        guard let object else { return [:] }
        return Dictionary(object.members.compactMap { member in member.value.string.map { (member.key, $0) } }) { $1 }
    }
}

extension JSONObject {
    func string(_ key: String) -> String { self[key]?.string ?? "" }
    func objects(_ key: String) -> [JSONObject] { self[key]?.objects ?? [] }
}
