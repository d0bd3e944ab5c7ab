public import KubeAPI

// Pruning and defaulting: what happens to a custom object before it is validated.

extension StructuralSchema {
    /// What a custom object always has, whatever its schema says.
    private static var always: Set<String> { ["apiVersion", "kind", "metadata"] }

    /// The object without the fields its schema does not know, and the paths of those.
    public func pruned(_ object: JSONValue) -> (value: JSONValue, unknown: [FieldPath]) {
        var unknown: [FieldPath] = []
        let value = pruned(object, isObject: true, at: .root, &unknown)
        return (value, unknown)
    }

    private func pruned(_ value: JSONValue, isObject: Bool, at path: FieldPath, _ unknown: inout [FieldPath]) -> JSONValue {
        switch value {
        case .object(let object):
            var result = JSONObject()
            for member in object.members {
                let inside = path.child(member.key)
                if isObject, Self.always.contains(member.key) {
                    result[member.key] = member.value
                } else if let schema = properties[member.key] ?? additional.first {
                    result[member.key] = schema.pruned(member.value, isObject: schema.isEmbedded, at: inside, &unknown)
                } else if preservesUnknown || allowsAnyMember {
                    result[member.key] = member.value
                } else {
                    unknown.append(inside)
                }
            }
            return .object(result)
        case .array(let elements):
            guard let schema = items.first else { return value }
            return .array(
                elements.enumerated().map {
                    schema.pruned($1, isObject: schema.isEmbedded, at: path.index($0), &unknown)
                })
        default: return value
        }
    }

    /// The object with defaults filled in. A `null` where the schema has a default and allows none gets the default.
    public func defaulted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(var object):
            for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
                let isDropped = object[name]?.isNull == true && !schema.isNullable
                if let initial = schema.initial, object[name] == nil || isDropped { object[name] = initial }
            }
            for member in object.members {
                guard let schema = properties[member.key] ?? additional.first else { continue }
                object[member.key] = schema.defaulted(member.value)
            }
            return .object(object)
        case .array(let elements):
            guard let schema = items.first else { return value }
            return .array(elements.map(schema.defaulted))
        default: return value
        }
    }
}
