import KubeAPI

/// Selectors, found by labels: asking costs what the labels could fit, not how many selectors there are.
///
/// Each is kept under one of its requirements that labels must name: a key with one of some values, or a key. One without such a
/// requirement fits nearly everything, and is looked at every time.
struct SelectorIndex<ID: Hashable & Sendable>: Sendable {
    private var selectors: [ID: LabelSelector] = [:]
    private var byValue: [Label: Set<ID>] = [:]
    private var byKey: [String: Set<ID>] = [:]
    private var others: Set<ID> = []

    private struct Label: Hashable {
        var key: String
        var value: String
    }

    private enum Place {
        case values(String, [String])
        case key(String)
        case anywhere
    }

    var isEmpty: Bool { selectors.isEmpty }

    mutating func set(_ selector: LabelSelector, for id: ID) {
        remove(id)
        selectors[id] = selector
        switch Self.place(of: selector) {
        case .values(let key, let values): for value in values { byValue[Label(key: key, value: value), default: []].insert(id) }
        case .key(let key): byKey[key, default: []].insert(id)
        case .anywhere: others.insert(id)
        }
    }

    mutating func remove(_ id: ID) {
        guard let selector = selectors.removeValue(forKey: id) else { return }
        switch Self.place(of: selector) {
        case .values(let key, let values):
            for label in values.map({ Label(key: key, value: $0) }) {
                byValue[label]?.remove(id)
                if byValue[label]?.isEmpty == true { byValue[label] = nil }
            }
        case .key(let key):
            byKey[key]?.remove(id)
            if byKey[key]?.isEmpty == true { byKey[key] = nil }
        case .anywhere: others.remove(id)
        }
    }

    /// Those that fit, in no order, each once.
    func matches(_ labels: [String: String]) -> [ID] {
        var found: [ID] = []
        func look(_ ids: Set<ID>) {
            for id in ids where selectors[id]?.matches(labels) == true { found.append(id) }
        }
        look(others)
        guard !byKey.isEmpty || !byValue.isEmpty else { return found }
        // One is under one key alone, and of that key's values the pod has one: it is found once.
        for (key, value) in labels {
            if let ids = byValue[Label(key: key, value: value)] { look(ids) }
            if let ids = byKey[key] { look(ids) }
        }
        return found
    }

    private static func place(of selector: LabelSelector) -> Place {
        var key: String?
        for requirement in selector.requirements {
            switch requirement.operator {
            case .in: return .values(requirement.key, requirement.values)
            case .exists: key = requirement.key
            case .notIn, .doesNotExist: break
            }
        }
        return key.map(Place.key) ?? .anywhere
    }
}
