import Glibc

/// A Swift file: as it is written, and what of it is code.
struct SourceFile: Sendable {
    let path: String
    let lines: [String]
    /// The same lines with blanks in place of comments and of what string literals say. Quotes and interpolated code stay.
    let code: [String]
    /// ``code`` in one piece.
    let wholeCode: String

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        wholeCode = codeOnly(text, keepingText: false)
        code = wholeCode.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The module whose folder the file is in.
    var room: Room? { Room.all.first { path.hasPrefix($0.folder + "/") } }

    /// The file's own name, without its folders.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The modules that it imports, with line numbers from one.
    var imports: [(module: String, line: Int)] {
        code.enumerated().compactMap { index, line in
            guard line.holds("import ") else { return nil }
            // An attribute and an access level may stand before it, a kind of declaration and a submodule behind.
            let pattern =
                #/^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var)\s+)?(\w+)/#
            return line.prefixMatch(of: pattern).map { (String($0.1), index + 1) }
        }
    }

    /// Whether the comment right above this line (an index into ``lines``) begins with `Safe:`.
    func isProved(at index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = lines[above].drop { $0 == " " }
            guard line.hasPrefix("//") else { return false }
            if line.hasPrefix("// Safe:") { return true }
            above -= 1
        }
        return false
    }
}

extension String {
    /// Whether a word stands anywhere in it: a quick look before a regular expression's slow one.
    func holds(_ word: String) -> Bool { strstr(self, word) != nil }
}

/// Blanks comments and, unless it is kept, the text of string literals; newlines stay, so that lines keep their numbers.
func codeOnly(_ text: String, keepingText: Bool) -> String {
    var scanner = CodeScanner(text, keepingText: keepingText)
    return scanner.run()
}

private struct CodeScanner {
    /// What the scanner stands in, innermost last.
    private enum Place: Equatable {
        case code
        /// Code within `\( … )`, and how many parentheses are open in it.
        case interpolation(depth: Int)
        case string(hashes: Int, isLong: Bool)
        case comment(depth: Int)
        case lineComment
    }

    private let bytes: [UInt8]
    private let keepsText: Bool
    private var index = 0
    private var output: [UInt8] = []
    private var places: [Place] = [.code]

    init(_ text: String, keepingText: Bool) {
        bytes = Array(text.utf8)
        keepsText = keepingText
        output.reserveCapacity(bytes.count)
    }

    mutating func run() -> String {
        while index < bytes.count {
            switch places[places.count - 1] {
            case .code, .interpolation: code()
            case .string(let hashes, let isLong): string(hashes, isLong)
            case .comment(let depth): comment(depth)
            case .lineComment: lineComment()
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func code() {
        if found("//") { return enter(.lineComment, skipping: 2) }
        if found("/*") { return enter(.comment(depth: 1), skipping: 2) }
        let hashes = bytes[index...].prefix { $0 == UInt8(ascii: "#") }.count
        if found("\"\"\"\n", at: hashes) { return open(.string(hashes: hashes, isLong: true), hashes + 3) }
        if found("\"", at: hashes) { return open(.string(hashes: hashes, isLong: false), hashes + 1) }
        if case .interpolation(let depth) = places[places.count - 1] {
            if found("(") { places[places.count - 1] = .interpolation(depth: depth + 1) }
            if found(")") {
                places[places.count - 1] = .interpolation(depth: depth - 1)
                if depth == 1 { places.removeLast() }
            }
        }
        keep(1)
    }

    private mutating func string(_ hashes: Int, _ isLong: Bool) {
        let closing = (isLong ? "\"\"\"" : "\"") + String(repeating: "#", count: hashes)
        let escape = "\\" + String(repeating: "#", count: hashes)
        if found(closing) {
            places.removeLast()
            keep(closing.utf8.count)
        } else if found(escape + "(") {
            places.append(.interpolation(depth: 1))
            keep(escape.utf8.count + 1)
        } else if found(escape) {
            text(escape.utf8.count + 1)
        } else {
            // A literal of one line ends with it whatever we misread: the rest of the file must not become text.
            if !isLong, bytes[index] == UInt8(ascii: "\n") { places.removeLast() }
            text(1)
        }
    }

    private mutating func comment(_ depth: Int) {
        if found("/*") {
            places[places.count - 1] = .comment(depth: depth + 1)
            blank(2)
        } else if found("*/") {
            if depth == 1 { places.removeLast() } else { places[places.count - 1] = .comment(depth: depth - 1) }
            blank(2)
        } else {
            blank(1)
        }
    }

    private mutating func lineComment() {
        if bytes[index] == UInt8(ascii: "\n") { places.removeLast() }
        blank(1)
    }

    private func found(_ word: String, at offset: Int = 0) -> Bool { bytes[(index + offset)...].starts(with: word.utf8) }

    private mutating func enter(_ place: Place, skipping count: Int) {
        places.append(place)
        blank(count)
    }

    private mutating func open(_ place: Place, _ count: Int) {
        places.append(place)
        keep(count)
    }

    private mutating func keep(_ count: Int) {
        let end = min(bytes.count, index + count)
        output += bytes[index..<end]
        index = end
    }

    private mutating func text(_ count: Int) { if keepsText { keep(count) } else { blank(count) } }

    private mutating func blank(_ count: Int) {
        for byte in bytes[index..<min(bytes.count, index + count)] {
            output.append(byte == UInt8(ascii: "\n") ? byte : UInt8(ascii: " "))
        }
        index = min(bytes.count, index + count)
    }
}
