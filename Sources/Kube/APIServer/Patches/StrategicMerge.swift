import KubeAPI

/// Kubernetes' strategic merge (apimachinery's `strategicpatch`), on the side that applies.
///
/// ```
/// patch member              what it does to the original
/// ─────────────────────────────────────────────────────────────────────────────────────
/// "a": {…}                  merged by member
/// "a": null                 removed
/// "a": [ … ]                merged by element where the field has the strategy, else replaced
///   {"$patch":"delete",…}   the element with this merge key goes
///   {"$patch":"replace"}    the rest of the patch's list takes the place of the whole list
/// "$patch": "replace"       this object takes the place of the original
/// "$patch": "delete"        the original becomes empty
/// "$retainKeys": [ … ]      members that are not named go
/// "$deleteFromPrimitiveList/a": [ … ]   these values go
/// "$setElementOrder/a": [ … ]           the order of the elements that the patch knows
/// ```
enum StrategicMerge {
    static func applied(_ patch: JSONValue, to object: JSONValue, _ schema: MergeSchema) throws(PatchError) -> JSONValue {
        guard case .object(let changes) = patch else {
            throw PatchError(.malformed, "error decoding patch: expected an object, found \(patch.form)")
        }
        return .object(try merged(object.object ?? JSONObject(), changes, schema, at: .root))
    }

    static let directive = "$patch"
    static let retainKeys = "$retainKeys"
    static let deletion = "$deleteFromPrimitiveList/"
    static let order = "$setElementOrder/"

    static func merged(
        _ original: JSONObject, _ patch: JSONObject, _ schema: MergeSchema, at path: FieldPath
    ) throws(PatchError) -> JSONObject {
        if let word = patch[directive] { return try directed(word, patch, at: path) }
        var result = original
        try retain(patch, in: &result, at: path)
        for member in patch.members where !member.key.hasPrefix(order) && member.key != retainKeys {
            if member.key.hasPrefix(deletion) {
                try delete(member, from: &result, at: path)
            } else {
                try merge(member, into: &result, schema, at: path.child(member.key))
            }
        }
        for member in patch.members where member.key.hasPrefix(order) {
            let key = String(member.key.dropFirst(order.count))
            try sort(key, member.value, patch, original, &result, schema.member(key).strategy.key, at: path.child(key))
        }
        return result
    }

    private static func directed(
        _ word: JSONValue, _ patch: JSONObject, at path: FieldPath
    ) throws(PatchError) -> JSONObject {
        switch word {
        case "replace":
            var result = patch
            result[directive] = nil
            return result
        case "delete": return JSONObject()
        default: throw malformed(path, "unknown patch type: \(word), use \"replace\" or \"delete\"")
        }
    }

    private static func merge(
        _ member: JSONObject.Member, into result: inout JSONObject, _ schema: MergeSchema, at path: FieldPath
    ) throws(PatchError) {
        let (strategy, inside) = schema.member(member.key)
        switch (result[member.key], member.value) {
        case (_, .null): result[member.key] = nil
        case (.object(let before), .object(let changes)):
            result[member.key] = .object(try merged(before, changes, inside, at: path))
        case (.array(let before), .array(let changes)) where strategy.mergesLists:
            let list = try ListMerge(key: strategy.key, schema: inside, path: path).merged(before, changes)
            result[member.key] = .array(list)
        case (.array, .array(let changes)): result[member.key] = .array(changes)
        default:
            // The field is new, or of another form: the patch's value as it stands, without what only merging understands.
            result[member.key] = plain(member.value)
        }
    }

    /// A value without directives and without nulls in maps; `nil` when a directive removes it.
    static func plain(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .array(let elements): return .array(elements.compactMap(plain))
        case .object(let object):
            guard object[directive] == nil else { return nil }
            var result = JSONObject()
            for member in object.members where !member.value.isNull && !isDirective(member.key) {
                if let value = plain(member.value) { result[member.key] = value }
            }
            return .object(result)
        default: return value
        }
    }

    private static func isDirective(_ key: String) -> Bool {
        key == retainKeys || key.hasPrefix(deletion) || key.hasPrefix(order)
    }

    private static func retain(_ patch: JSONObject, in result: inout JSONObject, at path: FieldPath) throws(PatchError) {
        guard let list = patch[retainKeys] else { return }
        guard let names = list.array?.compactMap(\.string), names.count == list.array?.count else {
            throw malformed(path, "invalid patch format of retainKeys: it must be a list of names")
        }
        let kept = Set(names)
        for member in patch.members where !member.value.isNull && member.key != retainKeys && !isDirective(member.key) {
            guard kept.contains(member.key) else {
                throw malformed(path, "invalid patch format of retainKeys: \"\(member.key)\" is set and not retained")
            }
        }
        for key in Array(result.keys) where !kept.contains(key) { result[key] = nil }
    }

    private static func delete(
        _ member: JSONObject.Member, from result: inout JSONObject, at path: FieldPath
    ) throws(PatchError) {
        let key = String(member.key.dropFirst(deletion.count))
        guard case .array(let values) = member.value else {
            throw malformed(path.child(key), "invalid patch format of primitive list: it must be a list")
        }
        guard case .array(let before) = result[key] else { return }
        let gone = Set(values)
        result[key] = .array(before.filter { !gone.contains($0) })
    }

    static func malformed(_ path: FieldPath, _ message: String) -> PatchError {
        PatchError(.malformed, path == .root ? message : "\(path): \(message)")
    }
}
