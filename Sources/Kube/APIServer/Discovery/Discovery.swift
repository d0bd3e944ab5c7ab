public import KubeAPI

/// What the server says of itself: its version, its groups and resources, its types.
///
/// A value made of the kinds that are served. It changes only when a custom resource definition does, and its documents are
/// large: keep the bytes.
public struct Discovery: Sendable {
    public let kinds: [ServedKind]

    /// - Parameter custom: the served kinds of the definitions that are there.
    public init(custom: [ServedKind] = []) {
        kinds = ServedKinds.all + custom
    }

    /// `/version`. The release of Kubernetes whose API this is.
    public static let version: JSONValue = [
        "major": "1", "minor": "33", "gitVersion": "v1.33.0-tulle", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "swift", "platform": "linux",
    ]
}

// MARK: - Legacy documents

extension Discovery {
    /// `/api`.
    public var coreVersions: JSONValue {
        ["kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []]
    }

    /// `/apis`.
    public var groupList: JSONValue {
        ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups.map(groupBody).map(JSONValue.object))]
    }

    /// `/apis/GROUP`; `nil` for one nobody serves.
    public func group(_ name: String) -> JSONValue? {
        guard !name.isEmpty, groups.contains(name) else { return nil }
        var group: JSONObject = ["kind": "APIGroup", "apiVersion": "v1"]
        for member in groupBody(name).members { group[member.key] = member.value }
        return .object(group)
    }

    /// `/api/v1` and `/apis/GROUP/VERSION`; `nil` for one nobody serves.
    public func resources(group: String, version: String) -> JSONValue? {
        let kinds = kinds(group, version)
        guard !kinds.isEmpty else { return nil }
        let list = kinds.flatMap { kind in [kind.resourceEntry] + kind.subresources.map(kind.entry) }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(kinds[0].apiVersion),
            "resources": .array(list),
        ]
    }

    private func groupBody(_ name: String) -> JSONObject {
        let versions = versions(of: name).map { version -> JSONValue in
            ["groupVersion": .string("\(name)/\(version)"), "version": .string(version)]
        }
        return ["name": .string(name), "versions": .array(versions), "preferredVersion": versions.first ?? .null]
    }
}

// MARK: - Groups

extension Discovery {
    /// The named groups: built-in ones first, then by name.
    var groups: [String] {
        let builtIn = Set(ServedKinds.all.map(\.group))
        return Set(kinds.map(\.group)).subtracting([""]).sorted { a, b in
            (builtIn.contains(a) ? 0 : 1, a) < (builtIn.contains(b) ? 0 : 1, b)
        }
    }

    /// The preferred one first.
    func versions(of group: String) -> [String] {
        Set(kinds.filter { $0.group == group }.map(\.version)).sorted { APIVersionOrder($0) < APIVersionOrder($1) }
    }

    func kinds(_ group: String, _ version: String) -> [ServedKind] {
        kinds.filter { $0.group == group && $0.version == version }.sorted { $0.plural < $1.plural }
    }
}

/// Kubernetes' order of preference: `v2`, `v1`, `v2beta1`, `v1beta2`, `v1alpha1`, then other names by their letters.
struct APIVersionOrder: Comparable {
    private let key: [Int]
    private let text: String

    init(_ text: String) {
        self.text = text
        key = Self.key(text) ?? [3]
    }

    private static func key(_ text: String) -> [Int]? {
        guard text.first == "v" else { return nil }
        var rest = text.dropFirst()
        func number() -> Int? {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            return digits.first == "0" ? nil : Int(digits)
        }
        guard let major = number() else { return nil }
        if rest.isEmpty { return [0, -major, 0] }
        for (rank, word) in [(1, "beta"), (2, "alpha")] where rest.hasPrefix(word) {
            rest = rest.dropFirst(word.count)
            guard let minor = number(), rest.isEmpty else { return nil }
            return [rank, -major, -minor]
        }
        return nil
    }

    static func < (a: Self, b: Self) -> Bool {
        a.key == b.key ? a.text < b.text : a.key.lexicographicallyPrecedes(b.key)
    }
}

extension ServedKind {
    fileprivate var resourceEntry: JSONValue {
        var entry: JSONObject = [
            "name": .string(plural), "singularName": .string(singular), "namespaced": .bool(isNamespaced),
            "kind": .string(kind), "verbs": .array(verbs.map(JSONValue.string)),
        ]
        if !shortNames.isEmpty { entry["shortNames"] = .array(shortNames.map(JSONValue.string)) }
        if !categories.isEmpty { entry["categories"] = .array(categories.map(JSONValue.string)) }
        return .object(entry)
    }

    fileprivate func entry(_ part: Subresource) -> JSONValue {
        var entry: JSONObject = [
            "name": .string("\(plural)/\(part.name)"), "singularName": "", "namespaced": .bool(isNamespaced),
            "kind": .string(part.kind?.kind ?? kind), "verbs": .array(part.verbs.map(JSONValue.string)),
        ]
        if let other = part.kind, (other.group, other.version) != (group, version) {
            entry["group"] = .string(other.group)
            entry["version"] = .string(other.version)
        }
        return .object(entry)
    }
}
