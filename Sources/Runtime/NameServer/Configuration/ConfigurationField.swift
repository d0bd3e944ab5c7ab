internal import Addressing
internal import DNS
internal import Yams

/// Collects the mistakes of one document.
final class ConfigurationReader {
    let file: String
    private(set) var mistakes: [ConfigurationMistake] = []
    private let text: String
    /// Of the document: looked at when one has to be told.
    private lazy var lines = text.lines
    /// Whether words of a file that the document names may be repeated in what is said of its mistakes.
    let isShown: (String) -> Bool
    /// Of the others each is told once.
    private var hidden: Set<String> = []

    init(file: String, text: String, isShown: @escaping (String) -> Bool = { _ in true }) {
        (self.file, self.text, self.isShown) = (file, text, isShown)
    }

    func mistake(_ path: String, line: Int, column: Int, _ reason: String) {
        mistakes.append(ConfigurationMistake(file: file, line: line, column: column, path: path, reason: reason))
    }

    /// So many mistakes are told one by one.
    static let mostTold = 30

    /// The mistakes in the order of their places, and of many how many more there are.
    var told: [ConfigurationMistake] {
        let sorted = mistakes.enumerated().sorted { one, other in
            (one.element.line, one.element.column, one.offset) < (other.element.line, other.element.column, other.offset)
        }.map(\.element)
        guard sorted.count > Self.mostTold else { return sorted }
        var rest = sorted[Self.mostTold]
        (rest.path, rest.reason) = ("", TextFaults.rest(sorted.count - Self.mostTold))
        return sorted.prefix(Self.mostTold) + [rest]
    }

    /// Notes that a file whose words are not told has a mistake.
    ///
    /// - Returns: whether that is new.
    func hide(_ path: String) -> Bool { hidden.insert(path).inserted }

    /// The whole document; `nil` when it is none, or empty.
    func document(_ text: String) -> ConfigurationField? {
        do {
            let parser = try Parser(yaml: text, resolver: .basic)
            guard let root = try parser.nextRoot() else { return nil }
            if let second = try parser.nextRoot() {
                mistake("", line: second.mark?.line ?? 1, column: 1, "a second document; a configuration is one")
            }
            if root.scalar?.string.isEmpty ?? false { return nil }
            return ConfigurationField(self, root, "")
        } catch let error as YamlError {
            report(error, text)
        } catch {
            mistake("", line: 1, column: 1, "\(error)")
        }
        return nil
    }

    private func report(_ error: YamlError, _ text: String) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            mistake("", line: mark.line, column: mark.column, problem)
        case .duplicatedKeysInMapping(let keys, let context):
            let place = RepeatedKey(keys.first ?? "", context.mark).second(in: text)
            mistake("", line: place.line, column: place.column, "\(keys.joined(separator: ", ")): written twice in one map")
        default: mistake("", line: 1, column: 1, "\(error)")
        }
    }

    /// Where a place inside a literal block (`|`) stands in the document.
    func place(in field: ConfigurationField, line: Int, column: Int, of text: String) -> (line: Int, column: Int) {
        guard case .scalar(let scalar) = field.node, scalar.style == .literal else { return (field.line, field.column) }
        let number = field.line + line
        let own = text.lines
        guard number <= lines.count, line <= own.count else { return (field.line, field.column) }
        return (number, column + lines[number - 1].count - own[line - 1].count)
    }
}

/// A value of the document, and where it stands.
struct ConfigurationField {
    let reader: ConfigurationReader
    let node: Yams.Node
    let path: String
    /// Where the word stands whose value it is, from 1; `nil` where none does.
    private(set) var keyLine: Int?

    init(_ reader: ConfigurationReader, _ node: Yams.Node, _ path: String) {
        (self.reader, self.node, self.path) = (reader, node, path)
    }

    var line: Int { node.mark?.line ?? 1 }
    var column: Int { node.mark?.column ?? 1 }

    var isMap: Bool { if case .mapping = node { true } else { false } }
    /// A scalar as it is written.
    var word: String? { node.scalar?.string }

    func mistake(_ reason: String) { reader.mistake(path, line: line, column: column, reason) }

    private var kind: String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string)\""
        case .mapping: "a map"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}

// MARK: - Forms

extension ConfigurationField {
    /// The values of a map's keys; those that are not known are mistakes.
    func map(_ known: [String]) -> [String: ConfigurationField] {
        guard case .mapping(let mapping) = node else {
            mistake("a map with \(known.joined(separator: ", ")) is wanted, not \(kind)")
            return [:]
        }
        var fields: [String: ConfigurationField] = [:]
        for (keyNode, value) in mapping {
            let key = keyNode.scalar?.string ?? ""
            if known.contains(key) {
                fields[key] = ConfigurationField(reader, value, path.isEmpty ? key : "\(path).\(key)")
                fields[key]?.keyLine = keyNode.mark?.line
                continue
            }
            let remedy =
                Spelling.nearest(to: key, among: known).map { "did you mean \($0)?" }
                ?? "known are \(known.joined(separator: ", "))"
            reader.mistake(
                path, line: keyNode.mark?.line ?? 1, column: keyNode.mark?.column ?? 1, "\"\(key)\" is unknown here; \(remedy)")
        }
        return fields
    }

    /// Keys and values of a map whose keys are free.
    func pairs(_ what: String) -> [(key: ConfigurationField, value: ConfigurationField)] {
        guard case .mapping(let mapping) = node else {
            mistake("a map of \(what) is wanted, not \(kind)")
            return []
        }
        return mapping.map { key, value in
            let name = "\(path).\(key.scalar?.string ?? "")"
            return (ConfigurationField(reader, key, name), ConfigurationField(reader, value, name))
        }
    }

    /// A list; one value stands for a list of it.
    var list: [ConfigurationField] {
        switch node {
        case .sequence(let sequence):
            return sequence.enumerated().map { ConfigurationField(reader, $1, "\(path)[\($0)]") }
        case .scalar(let scalar) where !scalar.string.isEmpty: return [self]
        default:
            mistake("a list is wanted, not \(kind)")
            return []
        }
    }

    /// A value by how it is written.
    func value<Value>(_ what: String, _ read: (String) -> Value?) -> Value? {
        if case .scalar(let scalar) = node, let value = read(scalar.string) { return value }
        mistake("\(what) is wanted, not \(kind)")
        return nil
    }

    var text: String? { value("a text") { $0.isEmpty ? nil : $0 } }
    var name: DomainName? { value("a domain name such as example.org", DomainName.init) }
    var address: IPAddress? { value("an address", IPAddress.init) }

    var flag: Bool? {
        value("true or false") { $0 == "true" ? true : $0 == "false" ? false : nil }
    }

    func number(_ range: ClosedRange<Int>) -> Int? {
        value("a number from \(range.lowerBound) to \(range.upperBound)") { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    func choice<Choice: RawRepresentable<String> & CaseIterable>(_ type: Choice.Type) -> Choice? {
        value(Choice.allCases.map(\.rawValue).joined(separator: ", ").replacingLast(", ", with: " or "), Choice.init)
    }

    /// `250ms`, `30s`, `5m`, `1h`, `1d`, and 0.
    func duration(_ range: ClosedRange<Duration>) -> Duration? {
        let limits = "from \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
        return value("a time \(limits), such as 250ms, 30s, 5m or 1h,") { text in
            Self.duration(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    private static let units: [(String, Duration)] = [
        ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)), ("d", .seconds(86400)),
    ]

    private static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        for (unit, duration) in units where text.hasSuffix(unit) {
            if let count = UInt32(text.dropLast(unit.count)) { return duration * Int(count) }
        }
        return nil
    }

    private static func text(_ duration: Duration) -> String {
        let unit = units.last { duration >= $0.1 && duration.milliseconds % $0.1.milliseconds == 0 }
        return unit.map { "\(duration.milliseconds / $0.1.milliseconds)\($0.0)" } ?? "0"
    }

    /// Bytes: a number, or one with Ki, Mi or Gi.
    func size(_ range: ClosedRange<Int>) -> Int? {
        value("a size up to \(range.upperBound >> 20)Mi, such as 8Mi,") { text in
            let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)]
            let unit = units.first { text.hasSuffix($0.0) }
            guard let count = Int(text.dropLast(unit == nil ? 0 : 2)), count >= 0, count <= Int(UInt32.max) else { return nil }
            let bytes = count << (unit?.1 ?? 0)
            return range.contains(bytes) ? bytes : nil
        }
    }
}

extension String {
    fileprivate func replacingLast(_ piece: String, with other: String) -> String {
        let parts = split(separator: ", ", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return self }
        return parts.dropLast().joined(separator: piece) + other + parts[parts.count - 1]
    }
}
