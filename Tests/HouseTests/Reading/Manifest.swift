/// What Package.swift says of its targets, read as text: the words `room`, `.target` and `.executableTarget` with their arguments.
struct Manifest {
    struct Entry: Equatable {
        var name: String
        var path: String
        /// Targets of ours and products of others, by the name one imports.
        var dependencies: Set<String>
    }

    private(set) var entries: [Entry] = []

    /// Test targets are not among them.
    init(_ text: String) {
        let source = codeOnly(text, keepingText: true)
        let products = Dictionary(
            source.matches(of: #/static var (\w+): Self \{ \.product\(name: "([^"]+)"/#).map { (String($0.1), String($0.2)) },
            uniquingKeysWith: { first, _ in first })
        for match in source.matches(of: #/(?:room|\.target|\.executableTarget)\(/#) {
            let arguments = Self.balanced(source[match.range.upperBound...])
            // The helper's own definition has no literal name.
            guard let name = arguments.firstMatch(of: #/^\s*(?:name:\s*)?"([^"]+)"/#).map({ String($0.1) }) else { continue }
            let floor = arguments.firstMatch(of: #/\bin:\s*"([^"]+)"/#).map { "Sources/\($0.1)/\(name)" }
            let path = arguments.firstMatch(of: #/\bpath:\s*"([^"]+)"/#).map { String($0.1) }
            entries.append(
                Entry(name: name, path: floor ?? path ?? "", dependencies: Self.dependencies(arguments, products)))
        }
    }

    /// The first list after the name or after `dependencies:`.
    private static func dependencies(_ arguments: Substring, _ products: [String: String]) -> Set<String> {
        guard let list = arguments.firstMatch(of: #/(?:dependencies:|in:\s*"[^"]+",)\s*\[([^\]]*)\]/#)?.1 else { return [] }
        let ours = list.matches(of: #/"([^"]+)"/#).map { String($0.1) }
        let others = list.matches(of: #/(?:^|[\s,])\.(\w+)/#).map { products[String($0.1)] ?? "unknown product .\($0.1)" }
        return Set(ours + others)
    }

    /// Everything before the parenthesis that closes the one before the text.
    private static func balanced(_ text: Substring) -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }
}
