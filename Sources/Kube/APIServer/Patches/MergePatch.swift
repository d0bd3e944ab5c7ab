public import KubeAPI

extension Patch {
    /// RFC 7386, section 2.
    static func merged(_ target: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result = target.object ?? JSONObject()
        for member in changes.members {
            if member.value.isNull {
                result[member.key] = nil
            } else {
                result[member.key] = merged(result[member.key] ?? .null, member.value)
            }
        }
        return .object(result)
    }

    /// The merge patch that makes one object of another. A `null` inside the wanted one cannot be said by a merge patch and is
    /// taken for absence.
    public static func mergeDifference(from old: JSONValue, to new: JSONValue) -> JSONValue {
        guard let before = old.object, let after = new.object else { return new }
        var patch = JSONObject()
        for member in before.members where after.isMissing(member.key) { patch[member.key] = .null }
        for member in after.members where !member.value.isNull && before[member.key] != member.value {
            patch[member.key] = before[member.key].map { mergeDifference(from: $0, to: member.value) } ?? member.value
        }
        return .object(patch)
    }
}
