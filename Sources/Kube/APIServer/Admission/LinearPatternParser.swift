/// Reads RE2's syntax. What it does not know it refuses: a pattern that is passed over would let everything through.
struct LinearPatternParser {
    typealias Fault = LinearPattern.Fault
    typealias Node = LinearPattern.Node
    typealias CharacterSet = LinearPattern.CharacterSet

    private struct Flags {
        var ignoresCase = false, isMultiline = false, dotTakesNewline = false
    }

    private let text: [Unicode.Scalar]
    private var position = 0
    private var flags = Flags()
    private var depth = 0

    init(_ source: String) { text = Array(source.unicodeScalars) }

    private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private mutating func take(_ word: String) -> Bool {
        let scalars = Array(word.unicodeScalars)
        guard text.count - position >= scalars.count, Array(text[position..<position + scalars.count]) == scalars else {
            return false
        }
        position += scalars.count
        return true
    }

    private func fault(_ what: String, from start: Int) -> Fault {
        let part = String(String.UnicodeScalarView(text[start..<min(position, text.count)].prefix(40)))
        return Fault(description: "\(what): `\(part)`")
    }

    mutating func pattern() throws(Fault) -> Node {
        let node = try choice()
        guard position == text.count else {
            position += 1
            throw fault("unexpected )", from: position - 1)
        }
        return node
    }

    private mutating func choice() throws(Fault) -> Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= 250 else { throw Fault(description: "expression nests too deeply") }
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(Fault) -> Node {
        var nodes: [Node] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let start = position
            if take(#"\Q"#) {
                while next != nil, !take(#"\E"#) { nodes.append(try literal()) }
                if let last = nodes.popLast() { nodes.append(try repeated(last, from: start)) }
                continue
            }
            guard let node = try atom() else { continue }
            nodes.append(try repeated(node, from: start))
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    // MARK: Repetition

    private mutating func repeated(_ node: Node, from start: Int) throws(Fault) -> Node {
        guard let (least, most) = try bounds() else { return node }
        _ = take("?")
        let before = position
        if try bounds() != nil {
            throw fault("invalid nested repetition operator", from: min(before, position))
        }
        position = before
        return .repeated(node, atLeast: least, atMost: most)
    }

    private mutating func bounds() throws(Fault) -> (Int, Int?)? {
        let start = position
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard take("{"), let least = number() else {
            position = start
            return nil
        }
        var most: Int? = least
        if take(",") { most = number() }
        guard take("}") else {
            // As in RE2, a brace that opens no repetition stands for itself.
            position = start
            return nil
        }
        guard least <= 1000, most ?? 0 <= 1000, least <= most ?? least else {
            throw fault("invalid repeat count", from: start)
        }
        return (least, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), 1_000_000)
            position += 1
        }
        return value
    }

    // MARK: Atoms

    private mutating func literal() throws(Fault) -> Node {
        guard let scalar = next else { throw Fault(description: "missing character") }
        position += 1
        return one([scalar.value...scalar.value])
    }

    private func one(_ ranges: [ClosedRange<UInt32>]) -> Node {
        .one(CharacterSet(ranges: ranges, ignoresCase: flags.ignoresCase))
    }

    /// `nil` for what only changes the flags.
    private mutating func atom() throws(Fault) -> Node? {
        let start = position
        if take("(") { return try group(from: start) }
        if take("[") { return try set(from: start) }
        if take("^") { return .place(flags.isMultiline ? .lineStart : .textStart) }
        if take("$") { return .place(flags.isMultiline ? .lineEnd : .textEnd) }
        if take(".") { return .one(CharacterSet(ranges: flags.dotTakesNewline ? [] : [10...10], isNegated: true)) }
        if take("\\") { return try escape(from: start) }
        if next == "*" || next == "+" || next == "?" {
            position += 1
            throw fault("missing argument to repetition operator", from: start)
        }
        return try literal()
    }

    private mutating func group(from start: Int) throws(Fault) -> Node? {
        let before = flags
        if take("?") {
            if take("P<") || (next == "<" && !isLookbehind && take("<")) {
                while let scalar = next, scalar == "_" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) {
                    position += 1
                }
                guard take(">") else { throw fault("invalid named capture", from: start) }
            } else {
                try readFlags(from: start)
                // Without a colon they hold to the end of the group around.
                if take(")") { return nil }
                guard take(":") else {
                    position += 1
                    throw fault("invalid or unsupported Perl syntax", from: start)
                }
            }
        }
        let inside = try choice()
        guard take(")") else { throw fault("missing closing )", from: start) }
        flags = before
        return inside
    }

    private var isLookbehind: Bool {
        position + 1 < text.count && (text[position + 1] == "=" || text[position + 1] == "!")
    }

    private mutating func readFlags(from start: Int) throws(Fault) {
        var isOn = true
        while let scalar = next, scalar != ":", scalar != ")" {
            position += 1
            switch scalar {
            case "i": flags.ignoresCase = isOn
            case "m": flags.isMultiline = isOn
            case "s": flags.dotTakesNewline = isOn
            // Which of several matches is found makes no difference here.
            case "U": break
            case "-" where isOn: isOn = false
            default: throw fault("invalid or unsupported Perl syntax", from: start)
            }
        }
    }

    // MARK: Escapes

    private mutating func escape(from start: Int) throws(Fault) -> Node {
        if take("A") { return .place(.textStart) }
        if take("z") { return .place(.textEnd) }
        if take("b") { return .place(.wordBoundary) }
        if take("B") { return .place(.noWordBoundary) }
        var set = CharacterSet(ignoresCase: flags.ignoresCase)
        try readEscape(into: &set, from: start)
        return .one(set)
    }

    /// An escape that stands for characters, after its backslash.
    private mutating func readEscape(into set: inout CharacterSet, from start: Int) throws(Fault) {
        if take("d") { return set.ranges += CharacterSet.digit }
        if take("D") { return set.ranges += CharacterSet.others(than: CharacterSet.digit) }
        if take("s") { return set.ranges += CharacterSet.space }
        if take("S") { return set.ranges += CharacterSet.others(than: CharacterSet.space) }
        if take("w") { return set.ranges += CharacterSet.word }
        if take("W") { return set.ranges += CharacterSet.others(than: CharacterSet.word) }
        if take("p") { return try readCategory(isNegated: false, into: &set, from: start) }
        if take("P") { return try readCategory(isNegated: true, into: &set, from: start) }
        let scalar = try escaped(from: start)
        set.ranges.append(scalar...scalar)
    }

    /// One character, after its backslash.
    private mutating func escaped(from start: Int) throws(Fault) -> UInt32 {
        guard let scalar = next else { throw fault("trailing backslash at end of expression", from: start) }
        position += 1
        switch scalar {
        case "n": return 10
        case "t": return 9
        case "r": return 13
        case "f": return 12
        case "v": return 11
        case "a": return 7
        case "x": return try hexadecimal(from: start)
        case "0":
            var value: UInt32 = 0
            for _ in 0..<2 {
                guard let digit = next, ("0"..."7").contains(digit) else { break }
                value = value * 8 + digit.value - 0x30
                position += 1
            }
            return value
        default:
            guard scalar.isASCII, !CharacterSet.word.contains(where: { $0.contains(scalar.value) }) || scalar == "_" else {
                throw fault("invalid escape sequence", from: start)
            }
            return scalar.value
        }
    }

    private mutating func hexadecimal(from start: Int) throws(Fault) -> UInt32 {
        var digits = ""
        if take("{") {
            while let scalar = next, scalar != "}" {
                digits.unicodeScalars.append(scalar)
                position += 1
            }
            guard take("}") else { throw fault("invalid escape sequence", from: start) }
        } else {
            while digits.utf8.count < 2, let scalar = next {
                digits.unicodeScalars.append(scalar)
                position += 1
            }
            guard digits.utf8.count == 2 else { throw fault("invalid escape sequence", from: start) }
        }
        guard digits.utf8.first != UInt8(ascii: "+"), digits.utf8.first != UInt8(ascii: "-"),
            let value = UInt32(digits, radix: 16), value <= 0x10FFFF
        else { throw fault("invalid escape sequence", from: start) }
        return value
    }

    // MARK: Sets

    private mutating func set(from start: Int) throws(Fault) -> Node {
        var set = CharacterSet(ignoresCase: flags.ignoresCase)
        set.isNegated = take("^")
        var isFirst = true
        while isFirst || next != "]" {
            guard next != nil else { throw fault("missing closing ]", from: start) }
            isFirst = false
            if try readNamed(into: &set) { continue }
            let from = position
            if take("\\") {
                if let scalar = next, "dDsSwWpP".unicodeScalars.contains(scalar) {
                    try readEscape(into: &set, from: from)
                    continue
                }
                position = from
            }
            let low = try member(from: start)
            var high = low
            if next == "-", position + 1 < text.count, text[position + 1] != "]" {
                position += 1
                high = try member(from: start)
            }
            guard low <= high else { throw fault("invalid character class range", from: from) }
            set.ranges.append(low...high)
        }
        position += 1
        return .one(set)
    }

    private mutating func member(from start: Int) throws(Fault) -> UInt32 {
        let from = position
        if take("\\") { return try escaped(from: from) }
        guard let scalar = next else { throw fault("missing closing ]", from: start) }
        position += 1
        return scalar.value
    }

    /// `[:alpha:]` and its like.
    private mutating func readNamed(into set: inout CharacterSet) throws(Fault) -> Bool {
        let start = position
        guard take("[:") else { return false }
        let isNegated = take("^")
        var name = ""
        while let scalar = next, scalar != ":" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard take(":]") else {
            position = start
            return false
        }
        guard let ranges = Self.named[name] else { throw fault("invalid character class range", from: start) }
        set.ranges += isNegated ? CharacterSet.others(than: ranges) : ranges
        return true
    }

    private static let named: [String: [ClosedRange<UInt32>]] = [
        "alnum": [0x30...0x39, 0x41...0x5A, 0x61...0x7A], "alpha": [0x41...0x5A, 0x61...0x7A], "ascii": [0...0x7F],
        "blank": [9...9, 0x20...0x20], "cntrl": [0...0x1F, 0x7F...0x7F], "digit": CharacterSet.digit, "graph": [0x21...0x7E],
        "lower": [0x61...0x7A], "print": [0x20...0x7E], "punct": [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E],
        "space": [9...13, 0x20...0x20], "upper": [0x41...0x5A], "word": CharacterSet.word,
        "xdigit": [0x30...0x39, 0x41...0x46, 0x61...0x66],
    ]

    /// A general category of Unicode, of one letter or two; scripts are refused.
    private mutating func readCategory(isNegated: Bool, into set: inout CharacterSet, from start: Int) throws(Fault) {
        var (name, isOther) = ("", isNegated)
        if take("{") {
            if take("^") { isOther.toggle() }
            while let scalar = next, scalar != "}" {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            _ = take("}")
        } else if let scalar = next {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        let found = Self.categories.filter { $0.key == name || name.utf8.count == 1 && $0.key.hasPrefix(name) }.values
        guard !found.isEmpty else { throw fault("invalid or unsupported character class", from: start) }
        set.categories.append(CharacterSet.Categories(names: Set(found), isNegated: isOther))
    }

    private static let categories: [String: Unicode.GeneralCategory] = [
        "Lu": .uppercaseLetter, "Ll": .lowercaseLetter, "Lt": .titlecaseLetter, "Lm": .modifierLetter, "Lo": .otherLetter,
        "Mn": .nonspacingMark, "Mc": .spacingMark, "Me": .enclosingMark, "Nd": .decimalNumber, "Nl": .letterNumber,
        "No": .otherNumber, "Pc": .connectorPunctuation, "Pd": .dashPunctuation, "Ps": .openPunctuation,
        "Pe": .closePunctuation, "Pi": .initialPunctuation, "Pf": .finalPunctuation, "Po": .otherPunctuation,
        "Sm": .mathSymbol, "Sc": .currencySymbol, "Sk": .modifierSymbol, "So": .otherSymbol, "Zs": .spaceSeparator,
        "Zl": .lineSeparator, "Zp": .paragraphSeparator, "Cc": .control, "Cf": .format, "Co": .privateUse, "Cs": .surrogate,
    ]
}
