/// An object of the API as it is written: nothing is known of what its fields mean.
///
/// It is this module's own, so that what is judged by it shares no code with what it judges.
public enum Tree: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Int)
    case text(String)
    case list([Tree])
    case map([String: Tree])
}

extension Tree {
    public var text: String? { if case .text(let value) = self { value } else { nil } }
    public var number: Int? { if case .number(let value) = self { value } else { nil } }
    public var list: [Tree]? { if case .list(let value) = self { value } else { nil } }
    public var map: [String: Tree]? { if case .map(let value) = self { value } else { nil } }

    /// A member of a map; `nil` when it is not there, or null, which is the same.
    public subscript(_ key: String) -> Tree? {
        get { if case .map(let map) = self, let value = map[key], value != .null { value } else { nil } }
        set {
            var map = map ?? [:]
            map[key] = newValue
            self = .map(map)
        }
    }

    /// The end of a path of maps.
    public func at(_ path: String...) -> Tree? {
        path.reduce(Optional(self)) { $0?[$1] }
    }
}

extension Tree: CustomStringConvertible {
    /// JSON, the members of a map in order.
    public var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "\(value)"
        case .text(let value): Self.quoted(value)
        case .list(let elements): "[\(elements.map(\.description).joined(separator: ", "))]"
        case .map(let members):
            "{\(members.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)): \($0.value)" }.joined(separator: ", "))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }
}

extension Tree: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .number(value) }
}

extension Tree: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral {
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: Tree...) { self = .list(elements) }
    public init(dictionaryLiteral elements: (String, Tree)...) {
        self = .map(Dictionary(elements, uniquingKeysWith: { $1 }))
    }
}

extension Tree {
    /// Labels, and whatever else is a map of texts.
    static func texts(_ members: [String: String]) -> Tree { .map(members.mapValues(Tree.text)) }
}

// MARK: - Objects

extension Tree {
    /// What an object is known by: its kind, its namespace (empty for those of the cluster) and its name.
    public struct Name: Hashable, Sendable, Comparable, CustomStringConvertible {
        public var kind: String
        public var namespace: String
        public var name: String

        public init(_ kind: String, _ namespace: String, _ name: String) {
            (self.kind, self.namespace, self.name) = (kind, namespace, name)
        }

        public static func < (a: Self, b: Self) -> Bool { (a.kind, a.namespace, a.name) < (b.kind, b.namespace, b.name) }

        /// `Pod x/a`, `Node n1`.
        public var description: String { namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)" }
    }

    public var name: Name {
        Name(self["kind"]?.text ?? "", at("metadata", "namespace")?.text ?? "", at("metadata", "name")?.text ?? "")
    }
}
