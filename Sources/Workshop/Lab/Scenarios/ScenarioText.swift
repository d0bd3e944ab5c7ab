internal import KubeAPI
internal import KubeClient

/// What is wrong with a scenario's text, and where.
public struct ScenarioTextError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var line: Int
    public var message: String

    public var description: String { "\(path):\(line): \(message)" }
}

extension Scenario {
    /// How long a step waits when it does not say.
    static let usualPatience: Duration = .seconds(30)

    /// Reads the text of a scenario.
    ///
    /// - Parameter path: as errors name it; files that `apply` names lie beside it.
    public init(text: String, path: String) throws(ScenarioTextError) {
        self.init(path: path, title: "")
        var namespace = "default"
        var hasTitle = false
        for statement in try ScenarioStatement.all(of: text, path: path) {
            var words = ScenarioWords(statement, path: path)
            switch try words.next("a step") {
            case "title":
                title = words.rest()
                hasTitle = !title.isEmpty
            case "nodes":
                nodes = try words.number("how many nodes", in: 1...20)
                try words.end()
            case "options": options = words.remaining()
            case "each":
                guard steps.isEmpty else { throw words.fault("“each” stands at the top, before the first step") }
                choices.append(try words.alternatives("each"))
            case "where": steps.append(try words.conditionalStep(namespace: namespace))
            case "namespace":
                namespace = try words.next("a namespace")
                try words.end()
            case let verb:
                let step = try words.step(verb, namespace: namespace)
                steps.append(step)
            }
        }
        guard hasTitle else { throw ScenarioTextError(path: path, line: 1, message: "it has no “title” line") }
        guard !steps.isEmpty else { throw ScenarioTextError(path: path, line: 1, message: "it has no step") }
    }
}

/// A line that begins at the margin, and what is indented below it.
struct ScenarioStatement {
    var line: Int
    var text: String
    /// Without the first line's indentation, blank lines kept.
    var block: [String] = []

    static func all(of text: String, path: String) throws(ScenarioTextError) -> [ScenarioStatement] {
        var statements: [ScenarioStatement] = []
        for (position, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let isBlank = line.allSatisfy(\.isWhitespace)
            if line.first == "#" { continue }
            if isBlank || line.first == " " || line.first == "\t" {
                guard !statements.isEmpty else {
                    if isBlank { continue }
                    throw ScenarioTextError(path: path, line: position + 1, message: "an indented line belongs below a step")
                }
                statements[statements.count - 1].block.append(String(line))
            } else {
                let trimmed = line.reversed().drop(while: \.isWhitespace).reversed()
                statements.append(ScenarioStatement(line: position + 1, text: String(trimmed)))
            }
        }
        for position in statements.indices { statements[position].block = outdented(statements[position].block) }
        return statements
    }

    private static func outdented(_ lines: [String]) -> [String] {
        var lines = lines
        while let last = lines.last, last.allSatisfy(\.isWhitespace) { lines.removeLast() }
        guard let first = lines.first(where: { !$0.allSatisfy(\.isWhitespace) }) else { return [] }
        let depth = first.prefix(while: \.isWhitespace).count
        return lines.map { String($0.dropFirst(min(depth, $0.prefix(while: \.isWhitespace).count))) }
    }
}
