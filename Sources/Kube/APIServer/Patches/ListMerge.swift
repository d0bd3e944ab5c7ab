import KubeAPI

/// Two lists merged by element.
///
/// Plain values come together as a set. Objects are matched by the value of the merge key; what the patch does not name stays.
/// The order: what the patch names in the patch's order, the rest in the original's, and between the two the original's order
/// where it knows both.
struct ListMerge {
    let key: String?
    let schema: MergeSchema
    let path: FieldPath

    func merged(_ original: [JSONValue], _ patch: [JSONValue]) throws(PatchError) -> [JSONValue] {
        if original.isEmpty && patch.isEmpty { return [] }
        guard let key else { return mergedValues(original, patch) }
        var (result, rest) = try directed(original, patch, key)
        for (position, element) in rest {
            let change = try object(element, position)
            guard let name = change[key] else { throw missing(key, position) }
            if let index = result.firstIndex(where: { $0[key] == name }), case .object(let before) = result[index] {
                result[index] = .object(try StrategicMerge.merged(before, change, schema, at: path.index(index)))
            } else if let element = StrategicMerge.plain(element) {
                // apimachinery would keep the directives of a new element as if they were fields; nobody wants those stored.
                result.append(element)
            }
        }
        return ElementOrder(key: key).sorted(result, patch: rest.map(\.1), original: original)
    }

    private func mergedValues(_ original: [JSONValue], _ patch: [JSONValue]) -> [JSONValue] {
        var seen: Set<JSONValue> = []
        let union = (original + patch).filter { seen.insert($0).inserted }
        return ElementOrder(key: nil).sorted(union, patch: patch, original: original)
    }

    /// Carries out `$patch` in elements; returns what is left of the original and of the patch.
    private func directed(
        _ original: [JSONValue], _ patch: [JSONValue], _ key: String
    ) throws(PatchError) -> ([JSONValue], [(Int, JSONValue)]) {
        var result = original
        var rest: [(Int, JSONValue)] = []
        var replaces = false
        for (position, element) in patch.enumerated() {
            switch try object(element, position)[StrategicMerge.directive] {
            case nil: rest.append((position, element))
            case "replace": replaces = true
            case "delete":
                guard let name = element[key] else { throw missing(key, position) }
                result.removeAll { $0[key] == name }
            case let word?:
                let message = "unknown patch type: \(word), use \"replace\" or \"delete\""
                throw StrategicMerge.malformed(path.index(position), message)
            }
        }
        return replaces ? ([], rest) : (result, rest)
    }

    private func object(_ element: JSONValue, _ position: Int) throws(PatchError) -> JSONObject {
        guard case .object(let object) = element else {
            throw StrategicMerge.malformed(path.index(position), "expected an object, found \(element.form)")
        }
        return object
    }

    private func missing(_ key: String, _ position: Int) -> PatchError {
        PatchError(.inapplicable, "\(path.index(position)): map does not contain declared merge key: \(key)")
    }
}

/// The order of a merged list.
struct ElementOrder {
    let key: String?

    func sorted(_ list: [JSONValue], patch: [JSONValue], original: [JSONValue]) -> [JSONValue] {
        let wanted = positions(patch)
        let before = positions(original)
        func place(_ element: JSONValue, _ order: [JSONValue: Int]) -> Int { order[name(element)] ?? Int.max }
        let known = list.filter { wanted[name($0)] != nil }
        let others = list.filter { wanted[name($0)] == nil }
        let right = stable(known) { place($0, wanted) }
        let left = stable(others) { place($0, before) }
        var result: [JSONValue] = []
        var (i, j) = (0, 0)
        while i < left.count, j < right.count {
            // Only where the original knows both does it say which one is first.
            if let a = before[name(left[i])], let b = before[name(right[j])], a < b {
                result.append(left[i])
                i += 1
            } else {
                result.append(right[j])
                j += 1
            }
        }
        return result + left[i...] + right[j...]
    }

    private func name(_ element: JSONValue) -> JSONValue {
        guard let key else { return element }
        return element[key] ?? .null
    }

    private func positions(_ list: [JSONValue]) -> [JSONValue: Int] {
        Dictionary(list.enumerated().map { (name($1), $0) }) { first, _ in first }
    }

    private func stable(_ list: [JSONValue], by place: (JSONValue) -> Int) -> [JSONValue] {
        list.enumerated().sorted { (place($0.element), $0.offset) < (place($1.element), $1.offset) }.map(\.element)
    }
}

extension StrategicMerge {
    /// `$setElementOrder/key`: enforced on the merged list. The order must name what the patch's list holds, in that order.
    static func sort(
        _ key: String, _ order: JSONValue, _ patch: JSONObject, _ original: JSONObject, _ result: inout JSONObject,
        _ mergeKey: String?, at path: FieldPath
    ) throws(PatchError) {
        guard case .array(let wanted) = order else {
            throw malformed(path, "invalid patch format of setElementOrder list: it must be a list")
        }
        if !wanted.isEmpty, case .array(let changes) = patch[key] {
            let names = changes.filter { $0[directive] == nil }.map { element in mergeKey.flatMap { element[$0] } ?? element }
            var rest = names[...]
            for element in wanted where (mergeKey.flatMap { element[$0] } ?? element) == rest.first { rest.removeFirst() }
            guard rest.isEmpty else {
                throw malformed(
                    path, "the order in patch list doesn't match $setElementOrder list: \(rest.first ?? .null) is not in place")
            }
        }
        guard case .array(let list) = result[key] else { return }
        result[key] = .array(
            ElementOrder(key: mergeKey).sorted(list, patch: wanted, original: original[key]?.array ?? []))
    }
}
