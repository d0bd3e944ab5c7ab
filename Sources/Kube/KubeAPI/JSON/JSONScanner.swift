/// The parser behind ``JSONReader``: one pass over the bytes, recursion up to the depth limit.
///
/// The bytes come in with every call instead of being stored, because a stored `Span` would tie the scanner's lifetime to it.
struct JSONScanner {
    let depthLimit: Int
    var refusesDuplicates = false
    private(set) var duplicates: [[FieldPath.Element]] = []

    var position = 0
    private var path: [FieldPath.Element] = []
    var longKeys = KeyCache()

    init(depthLimit: Int) { self.depthLimit = depthLimit }

    mutating func document(_ bytes: Span<UInt8>) throws(JSONFault) -> JSONValue {
        skipSpace(bytes)
        let value = try value(bytes)
        skipSpace(bytes)
        guard position == bytes.count else { throw unexpected(bytes, "the end after the value") }
        return value
    }
}

// MARK: - Values

extension JSONScanner {
    private mutating func value(_ bytes: Span<UInt8>) throws(JSONFault) -> JSONValue {
        guard position < bytes.count else { throw unexpected(bytes, "a value") }
        switch bytes[position] {
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "{"): return .object(try object(bytes))
        case UInt8(ascii: "["): return .array(try array(bytes))
        case UInt8(ascii: "t"): return try literal("true", bytes, is: .bool(true))
        case UInt8(ascii: "f"): return try literal("false", bytes, is: .bool(false))
        case UInt8(ascii: "n"): return try literal("null", bytes, is: .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number(bytes))
        default: throw unexpected(bytes, "a value")
        }
    }

    private mutating func object(_ bytes: Span<UInt8>) throws(JSONFault) -> JSONObject {
        try descend(.field(""))
        var object = JSONObject()
        position += 1
        skipSpace(bytes)
        if take(UInt8(ascii: "}"), bytes) {
            path.removeLast()
            return object
        }
        object.reserveCapacity(4)
        while true {
            guard peek(bytes) == UInt8(ascii: "\"") else { throw unexpected(bytes, "a key in quotes") }
            let start = position
            let key = try key(bytes)
            skipSpace(bytes)
            guard take(UInt8(ascii: ":"), bytes) else { throw unexpected(bytes, "':' after a key") }
            skipSpace(bytes)
            path[path.count - 1] = .field(key)
            let value = try value(bytes)
            if let earlier = object.position(of: key) {
                if refusesDuplicates {
                    throw JSONFault(code: .duplicate, offset: start, message: "duplicate field \"\(FieldPath(elements: path))\"")
                }
                duplicates.append(path)
                object.replaceValue(at: earlier, with: value)
            } else {
                object.append(JSONObject.Member(key: key, value: value))
            }
            skipSpace(bytes)
            if take(UInt8(ascii: ","), bytes) {
                skipSpace(bytes)
                continue
            }
            guard take(UInt8(ascii: "}"), bytes) else { throw unexpected(bytes, "',' or '}' after a member") }
            path.removeLast()
            return object
        }
    }

    private mutating func array(_ bytes: Span<UInt8>) throws(JSONFault) -> [JSONValue] {
        try descend(.index(0))
        var elements: [JSONValue] = []
        position += 1
        skipSpace(bytes)
        if take(UInt8(ascii: "]"), bytes) {
            path.removeLast()
            return elements
        }
        while true {
            path[path.count - 1] = .index(elements.count)
            elements.append(try value(bytes))
            skipSpace(bytes)
            if take(UInt8(ascii: ","), bytes) {
                skipSpace(bytes)
                continue
            }
            guard take(UInt8(ascii: "]"), bytes) else { throw unexpected(bytes, "',' or ']' after an element") }
            path.removeLast()
            return elements
        }
    }

    private mutating func descend(_ element: FieldPath.Element) throws(JSONFault) {
        guard path.count < depthLimit else {
            throw JSONFault(code: .depth, offset: position, message: "nested deeper than \(depthLimit) levels")
        }
        path.append(element)
    }

    private mutating func literal(
        _ word: StaticString, _ bytes: Span<UInt8>, is value: JSONValue
    ) throws(JSONFault) -> JSONValue {
        for character in "\(word)".utf8 {
            guard peek(bytes) == character else { throw unexpected(bytes, "the rest of '\(word)'") }
            position += 1
        }
        return value
    }
}

// MARK: - Bytes

extension JSONScanner {
    func peek(_ bytes: Span<UInt8>) -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    func unexpected(_ bytes: Span<UInt8>, _ expectation: String) -> JSONFault {
        guard let byte = peek(bytes) else {
            return JSONFault(code: .incomplete, offset: position, message: "expected \(expectation), found the end")
        }
        let shown = (0x21...0x7E).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
        return JSONFault(code: .syntax, offset: position, message: "expected \(expectation), found \(shown)")
    }
}
