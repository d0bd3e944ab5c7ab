extension LabelSelector: CustomStringConvertible {
    /// The form of kubectl's `-l` and of the `labelSelector` parameter: `a=b,c!=d,e in (f,g),!h`.
    public var description: String { requirements.map(\.description).joined(separator: ",") }
}

extension LabelSelector.Requirement: CustomStringConvertible {
    public var description: String {
        switch self.operator {
        case .in: values.count == 1 ? "\(key)=\(values[0])" : "\(key) in (\(values.joined(separator: ",")))"
        case .notIn: values.count == 1 ? "\(key)!=\(values[0])" : "\(key) notin (\(values.joined(separator: ",")))"
        case .exists: key
        case .doesNotExist: "!\(key)"
        }
    }
}

/// Why a text is no label selector.
public struct LabelSelectorError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Such as `label selector "a=": …`.
    public var description: String

    init(_ text: String, _ message: String) {
        description = "label selector \"\(text)\": \(message)"
    }
}

extension LabelSelector {
    /// Reads `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. The empty text selects
    /// everything. A value may be left out and is then empty, as in Kubernetes; `<` and `>` are for nodes' affinities only
    /// and refused.
    public init(parsing text: String) throws(LabelSelectorError) {
        var parser = SelectorParser(text)
        self.init(try parser.requirements())
        for requirement in requirements {
            if let fault = requirement.faults(at: .root).first { throw LabelSelectorError(text, fault.description) }
        }
    }
}

private struct SelectorParser {
    private enum Token: Equatable {
        case word(String)
        case symbol(String)
    }

    private let text: String
    private var tokens: ArraySlice<Token>

    init(_ text: String) {
        self.text = text
        tokens = Self.tokens(text)[...]
    }

    private static func tokens(_ text: String) -> [Token] {
        var tokens: [Token] = []
        var rest = text.unicodeScalars[...]
        while let first = rest.first {
            if first == " " || first == "\t" || first == "\r" || first == "\n" {
                rest = rest.dropFirst()
            } else if let symbol = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"].first(where: {
                rest.starts(with: $0.unicodeScalars)
            }) {
                tokens.append(.symbol(symbol))
                rest = rest.dropFirst(symbol.count)
            } else {
                let word = rest.prefix { !" \t\r\n=!(),<>".unicodeScalars.contains($0) }
                tokens.append(.word(String(word)))
                rest = rest.dropFirst(word.count)
            }
        }
        return tokens
    }

    mutating func requirements() throws(LabelSelectorError) -> [LabelSelector.Requirement] {
        if tokens.isEmpty { return [] }
        var result = [try requirement()]
        while take(",") { result.append(try requirement()) }
        guard tokens.isEmpty else { throw unexpected("',' or the end") }
        return result
    }

    private mutating func requirement() throws(LabelSelectorError) -> LabelSelector.Requirement {
        if take("!") { return LabelSelector.Requirement(try word("a key after '!'"), .doesNotExist) }
        let key = try word("a key")
        switch tokens.first {
        case nil, .symbol(","): return LabelSelector.Requirement(key, .exists)
        case .symbol("="), .symbol("=="):
            tokens.removeFirst()
            return LabelSelector.Requirement(key, .in, [value()])
        case .symbol("!="):
            tokens.removeFirst()
            return LabelSelector.Requirement(key, .notIn, [value()])
        case .word("in"):
            tokens.removeFirst()
            return LabelSelector.Requirement(key, .in, try values())
        case .word("notin"):
            tokens.removeFirst()
            return LabelSelector.Requirement(key, .notIn, try values())
        default: throw unexpected("'=', '==', '!=', 'in' or 'notin' after \"\(key)\"")
        }
    }

    private mutating func values() throws(LabelSelectorError) -> [String] {
        guard take("(") else { throw unexpected("'(' before the values") }
        var values = [value()]
        while take(",") { values.append(value()) }
        guard take(")") else { throw unexpected("',' or ')' after a value") }
        return values
    }

    /// A missing value is the empty one: `a=` and `a in (b,)` are valid.
    private mutating func value() -> String {
        guard case .word(let word) = tokens.first else { return "" }
        tokens.removeFirst()
        return word
    }

    private mutating func word(_ expectation: String) throws(LabelSelectorError) -> String {
        guard case .word(let word) = tokens.first else { throw unexpected(expectation) }
        tokens.removeFirst()
        return word
    }

    private mutating func take(_ symbol: String) -> Bool {
        guard tokens.first == .symbol(symbol) else { return false }
        tokens.removeFirst()
        return true
    }

    private func unexpected(_ expectation: String) -> LabelSelectorError {
        switch tokens.first {
        case .word(let found), .symbol(let found): LabelSelectorError(text, "expected \(expectation), found '\(found)'")
        case nil: LabelSelectorError(text, "expected \(expectation), found the end")
        }
    }
}
