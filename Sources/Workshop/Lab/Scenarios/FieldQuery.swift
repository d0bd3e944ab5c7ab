public import KubeAPI

/// A way into an object, written as people write it for jsonpath: `.status.conditions[Ready].status`.
///
/// In brackets stands a list's position from 0, or what the element's `type`, `name` or `key` says; of a map it is the key, so that
/// `.metadata.labels[app.kubernetes.io/name]` works.
public struct FieldQuery: Hashable, Sendable {
    enum Element: Hashable, Sendable {
        case field(String)
        case bracket(String)
    }

    let elements: [Element]

    /// `nil` for what is no path: it must begin with a dot and have no empty names.
    public init?(_ text: some StringProtocol) {
        var elements: [Element] = []
        var rest = Substring(text)
        while let first = rest.first {
            rest.removeFirst()
            switch first {
            case ".":
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty, !name.contains("]") else { return nil }
                elements.append(.field(String(name)))
                rest = rest[name.endIndex...]
            case "[":
                guard let end = rest.firstIndex(of: "]"), end != rest.startIndex else { return nil }
                elements.append(.bracket(String(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            default: return nil
            }
        }
        guard !elements.isEmpty else { return nil }
        self.elements = elements
    }

    /// What stands there; `nil` when nothing does.
    public func value(in tree: JSONValue) -> JSONValue? {
        elements.reduce(tree) { value, element in value.flatMap { Self.step(into: $0, element) } }
    }

    private static func step(into value: JSONValue, _ element: Element) -> JSONValue? {
        switch element {
        case .field(let name): return value[name]
        case .bracket(let word):
            guard let list = value.array else { return value[word] }
            if let position = Int(word) { return list.indices.contains(position) ? list[position] : nil }
            return list.first { element in ["type", "name", "key"].contains { element[$0]?.string == word } }
        }
    }
}

extension FieldQuery {
    /// A value as a person writes it after `=`: a string without its quotes, everything else as JSON; what is not there is empty.
    public static func text(_ value: JSONValue?) -> String {
        guard let value, !value.isNull else { return "" }
        return value.string ?? value.description
    }
}

extension FieldQuery: CustomStringConvertible {
    public var description: String {
        elements.map { element in
            switch element {
            case .field(let name): ".\(name)"
            case .bracket(let word): "[\(word)]"
            }
        }.joined()
    }
}
