import KubeAPI

/// Reading and changing single fields of a tree, so that every field nobody here knows stays where it is.
extension JSONValue {
    /// The value at a path of fields. Setting makes the objects on the way; setting `nil` removes the last field,
    /// and so does setting a null: `JSONValue` can be written as `nil` too, and `condition ? nil : value` means that one.
    subscript(field path: String...) -> JSONValue? {
        get { field(path[...]) }
        set { setField(path[...], newValue?.isNull == true ? Optional.none : newValue) }
    }

    private func field(_ path: ArraySlice<String>) -> JSONValue? {
        var value = self
        for name in path {
            guard let next = value[name], !next.isNull else { return nil }
            value = next
        }
        return value
    }

    private mutating func setField(_ path: ArraySlice<String>, _ value: JSONValue?) {
        guard let name = path.first else {
            if let value { self = value }
            return
        }
        var object = self.object ?? JSONObject()
        if path.count == 1 {
            object[name] = value
        } else {
            let inner = object[name]
            guard inner != nil || value != nil else { return }
            var child = inner.map { $0.object == nil ? [:] : $0 } ?? [:]
            child.setField(path.dropFirst(), value)
            object[name] = child
        }
        self = .object(object)
    }

    var integer: Int? { number?.integer.flatMap(Int.init(exactly:)) }
    var strings: [String: String] {
        guard let members = object?.members else { return [:] }
        return Dictionary(members.compactMap { entry in entry.value.string.map { (entry.key, $0) } }) { $1 }
    }

    init(_ number: Int) { self = .number(JSONNumber(Int64(number))) }

    /// A map of strings, in the order of its keys.
    init(_ map: [String: String]) {
        var object = JSONObject()
        for (key, value) in map.sorted(by: { $0.key < $1.key }) { object[key] = .string(value) }
        self = .object(object)
    }

    /// The same without members that are null: Go leaves them out, so they are no difference.
    var withoutNulls: JSONValue {
        switch self {
        case .array(let elements): return .array(elements.map(\.withoutNulls))
        case .object(let object):
            var result = JSONObject()
            for member in object.members where !member.value.isNull { result[member.key] = member.value.withoutNulls }
            return .object(result)
        default: return self
        }
    }
}

/// A number of things, or a share of all of them: `maxSurge: 1`, `maxUnavailable: 25%`.
enum Amount: Hashable {
    case count(Int)
    case percent(Int)

    /// `nil` for what is neither.
    init?(_ value: JSONValue?) {
        if let count = value?.integer {
            self = .count(count)
        } else if let text = value?.string, text.hasSuffix("%"), let percent = Int(text.dropLast()) {
            self = .percent(percent)
        } else if let text = value?.string, let count = Int(text) {
            self = .count(count)
        } else {
            return nil
        }
    }

    func of(_ total: Int, roundingUp: Bool) -> Int {
        switch self {
        case .count(let count): max(0, count)
        case .percent(let percent): max(0, (percent * total + (roundingUp ? 99 : 0)) / 100)
        }
    }
}
