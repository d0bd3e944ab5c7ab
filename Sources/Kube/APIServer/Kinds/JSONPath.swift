public import KubeAPI

/// The part of kubectl's JSONPath that printer columns use: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`,
/// `.spec.ports[*].port`, `.metadata.labels['app']`, `.spec.containers[0].image`, `..name` not.
public struct JSONPath: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        case member(String)
        /// Negative from the end.
        case element(Int)
        case all
        /// The elements whose member (a path of names) compares to the value.
        case filter([String], isEqual: Bool, JSONValue)
        /// The elements that have the member.
        case having([String])
    }

    public let text: String
    let steps: [Step]

    /// `nil` for what is no such path. Braces around it, as kubectl writes them, are allowed.
    public init?(_ text: String) {
        self.text = text
        var inner = text[...]
        if inner.first == "{", inner.last == "}" { inner = inner.dropFirst().dropLast() }
        if inner.first == "$" { inner = inner.dropFirst() }
        var steps: [Step] = []
        while let first = inner.first {
            if first == "[" {
                guard let close = Self.closing(inner),
                    let step = Self.bracket(inner[inner.index(after: inner.startIndex)..<close])
                else { return nil }
                steps.append(step)
                inner = inner[inner.index(after: close)...]
            } else {
                guard first == "." || steps.isEmpty else { return nil }
                if first == "." { inner = inner.dropFirst() }
                let name = Self.name(&inner)
                guard !name.isEmpty else {
                    // A lone dot is the object itself.
                    if inner.isEmpty, steps.isEmpty { break }
                    return nil
                }
                steps.append(name == "*" ? .all : .member(name))
            }
        }
        self.steps = steps
    }

    /// Everything the path leads to, in order.
    public func values(in tree: JSONValue) -> [JSONValue] {
        steps.reduce([tree]) { found, step in found.flatMap { step.values(in: $0) } }
    }
}

extension JSONPath.Step {
    fileprivate func values(in value: JSONValue) -> [JSONValue] {
        switch self {
        case .member(let name): return value[name].map { [$0] } ?? []
        case .element(let position):
            guard let elements = value.array else { return [] }
            let index = position < 0 ? elements.count + position : position
            return elements.indices.contains(index) ? [elements[index]] : []
        case .all: return value.array ?? value.object?.members.map(\.value) ?? []
        case .filter(let path, let isEqual, let wanted):
            return (value.array ?? []).filter { element in
                guard let found = element.at(path[...]) else { return false }
                return (found == wanted) == isEqual
            }
        case .having(let path): return (value.array ?? []).filter { $0.at(path[...]) != nil }
        }
    }
}

// MARK: - Reading

extension JSONPath {
    /// A name up to the next dot or bracket; a backslash takes the next character as it is.
    private static func name(_ text: inout Substring) -> String {
        var name = ""
        while let first = text.first, first != ".", first != "[" {
            text = text.dropFirst()
            if first == "\\", let next = text.popFirst() { name.append(next) } else { name.append(first) }
        }
        return name
    }

    private static func closing(_ text: Substring) -> Substring.Index? {
        var quote: Character?
        var depth = 0
        for index in text.indices {
            let character = text[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == "[" {
                depth += 1
            } else if character == "]" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }

    private static func bracket(_ text: Substring) -> Step? {
        if text == "*" { return .all }
        if let position = Int(text) { return .element(position) }
        if let name = quoted(text) { return .member(name) }
        guard text.hasPrefix("?("), text.last == ")" else { return nil }
        return filter(text.dropFirst(2).dropLast())
    }

    private static func filter(_ text: Substring) -> Step? {
        for (symbol, isEqual) in [("==", true), ("!=", false)] {
            guard let range = text.firstRange(of: symbol) else { continue }
            guard let path = members(text[..<range.lowerBound]), let value = literal(trimmed(text[range.upperBound...])) else {
                return nil
            }
            return .filter(path, isEqual: isEqual, value)
        }
        return members(text).map(Step.having)
    }

    private static func members(_ text: Substring) -> [String]? {
        let text = trimmed(text)
        guard text.hasPrefix("@.") else { return nil }
        var rest = text.dropFirst()
        var names: [String] = []
        while rest.first == "." {
            rest = rest.dropFirst()
            let name = name(&rest)
            guard !name.isEmpty else { return nil }
            names.append(name)
        }
        return rest.isEmpty ? names : nil
    }

    private static func literal(_ text: Substring) -> JSONValue? {
        if let string = quoted(text) { return .string(string) }
        return try? JSONReader().value(String(text))
    }

    private static func quoted(_ text: Substring) -> String? {
        guard text.count >= 2, let quote = text.first, quote == "'" || quote == "\"", text.last == quote else { return nil }
        return String(text.dropFirst().dropLast())
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " }
        guard let end = start.lastIndex(where: { $0 != " " }) else { return "" }
        return start[...end]
    }
}
