extension SmallJSON {
    /// Why bytes are no JSON document, and where.
    public struct Malformation: Error, Hashable, Sendable, CustomStringConvertible {
        /// Counted in bytes from the start.
        public var offset: Int
        public var reason: String

        public var description: String { "\(reason) at byte \(offset)" }
    }

    /// How deep arrays and objects may lie in each other: far beyond any configuration, far below our stack.
    public static let depthLimit = 64

    /// Reads one document (RFC 8259), strictly: nothing may follow it, no member may come twice, and text is UTF-8.
    public init(reading bytes: some Sequence<UInt8>) throws(Malformation) {
        var reader = Reader(bytes: Array(bytes))
        reader.skipSpace()
        self = try reader.value(depth: 0)
        reader.skipSpace()
        if reader.peek != nil { throw reader.malformed("something follows the document") }
    }
}

private struct Reader {
    let bytes: [UInt8]
    var offset = 0

    var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    func malformed(_ reason: String) -> SmallJSON.Malformation { .init(offset: offset, reason: reason) }

    mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        offset += 1
        return true
    }

    mutating func value(depth: Int) throws(SmallJSON.Malformation) -> SmallJSON {
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let byte? where byte == UInt8(ascii: "-") || isDigit(byte): return .number(try number())
        case nil: throw malformed("the document ends where a value should be")
        default: throw malformed("no value begins so")
        }
    }

    mutating func word(_ word: StaticString, _ value: SmallJSON) throws(SmallJSON.Malformation) -> SmallJSON {
        guard bytes[offset...].starts(with: word.description.utf8) else { throw malformed("no value begins so") }
        offset += word.utf8CodeUnitCount
        return value
    }
}

// MARK: - Arrays and objects

extension Reader {
    mutating func array(depth: Int) throws(SmallJSON.Malformation) -> SmallJSON {
        try enter(depth)
        var elements: [SmallJSON] = []
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            skipSpace()
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw malformed("an array goes on with , or ]") }
        }
    }

    mutating func object(depth: Int) throws(SmallJSON.Malformation) -> SmallJSON {
        try enter(depth)
        var members: [SmallJSON.Member] = []
        // Few members are compared one by one: the courier's time goes into making types such as Set<String>, not into work.
        var names: Set<String> = []
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw malformed("a member's name is in double quotes") }
            let start = offset
            let name = try string()
            if members.count == 32 { names = Set(members.map(\.name)) }
            let isNew = members.count < 32 ? !members.contains { $0.name == name } : names.insert(name).inserted
            guard isNew else {
                throw SmallJSON.Malformation(offset: start, reason: "the member “\(name)” comes twice")
            }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw malformed("a colon follows a member's name") }
            skipSpace()
            members.append(SmallJSON.Member(name, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw malformed("an object goes on with , or }") }
        }
    }

    /// Past the opening bracket.
    mutating func enter(_ depth: Int) throws(SmallJSON.Malformation) {
        guard depth < SmallJSON.depthLimit else { throw malformed("more than \(SmallJSON.depthLimit) levels") }
        offset += 1
        skipSpace()
    }
}

// MARK: - Numbers and strings

extension Reader {
    mutating func number() throws(SmallJSON.Malformation) -> String {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    mutating func digits() throws(SmallJSON.Malformation) {
        let start = offset
        while let byte = peek, isDigit(byte) { offset += 1 }
        if offset == start { throw malformed("a digit is missing") }
    }

    mutating func string() throws(SmallJSON.Malformation) -> String {
        let start = offset
        offset += 1
        var text: [UInt8] = []
        while let byte = peek {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw SmallJSON.Malformation(offset: start, reason: "a string that is not UTF-8")
                }
                return valid
            case UInt8(ascii: "\\"):
                text.append(contentsOf: String(try escape()).utf8)
            case 0..<0x20:
                offset -= 1
                throw malformed("a control character in a string is written as an escape")
            default:
                text.append(byte)
            }
        }
        throw malformed("a string does not end")
    }

    /// What follows a backslash.
    mutating func escape() throws(SmallJSON.Malformation) -> Unicode.Scalar {
        guard let byte = peek else { throw malformed("a string does not end") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try scalar()
        default:
            offset -= 1
            throw malformed("no such escape")
        }
    }

    /// Four hexadecimal digits, or eight in two escapes for what lies beyond the basic plane (RFC 8259 §7).
    mutating func scalar() throws(SmallJSON.Malformation) -> Unicode.Scalar {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw malformed("half of a surrogate pair")
        }
        let second = try codeUnit()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first - 0xD800) << 10 | UInt32(second - 0xDC00)))
        else { throw malformed("half of a surrogate pair") }
        return scalar
    }

    mutating func codeUnit() throws(SmallJSON.Malformation) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw malformed("four hexadecimal digits follow \\u")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
