extension JSONScanner {
    /// Reads a key. Keys up to 15 bytes are stored in the string itself; longer ones come from a cache, because the same few
    /// are in every object.
    mutating func key(_ bytes: Span<UInt8>) throws(JSONFault) -> String {
        let start = position + 1
        guard let end = plainEnd(from: start, bytes), end - start > 15 else { return try string(bytes) }
        position = end + 1
        let text = bytes.extracting(start..<end)
        if let known = longKeys[text] { return known }
        let key = try decoded(text, at: start)
        longKeys.insert(key)
        return key
    }

    mutating func string(_ bytes: Span<UInt8>) throws(JSONFault) -> String {
        let start = position + 1
        guard let end = plainEnd(from: start, bytes) else { return try escapedString(bytes) }
        position = end + 1
        return try decoded(bytes.extracting(start..<end), at: start)
    }

    /// Where the closing quote is, when there is no escape before it.
    private func plainEnd(from start: Int, _ bytes: Span<UInt8>) -> Int? {
        var end = start
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") { return end }
            if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
            end += 1
        }
        return nil
    }

    func decoded(_ text: Span<UInt8>, at start: Int) throws(JSONFault) -> String {
        do {
            return String(copying: try UTF8Span(validating: text))
        } catch {
            let offset = start + error.byteOffsets.lowerBound
            throw JSONFault(code: .encoding, offset: offset, message: "expected UTF-8 in a string (\(error.kind))")
        }
    }

    /// The slow way: a string with escapes, or one that is wrong.
    private mutating func escapedString(_ bytes: Span<UInt8>) throws(JSONFault) -> String {
        let start = position + 1
        var text: [UInt8] = []
        position = start
        while let byte = peek(bytes) {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try decoded(text.span, at: start)
            case UInt8(ascii: "\\"):
                try escape(bytes, into: &text)
            case 0..<0x20:
                throw unexpected(bytes, "control characters in a string to be escaped")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw unexpected(bytes, "'\"' at the end of a string")
    }

    private mutating func escape(_ bytes: Span<UInt8>, into text: inout [UInt8]) throws(JSONFault) {
        position += 1
        guard let byte = peek(bytes) else { throw unexpected(bytes, "an escape after '\\'") }
        let plain: UInt8
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = byte
        case UInt8(ascii: "b"): plain = 0x08
        case UInt8(ascii: "f"): plain = 0x0C
        case UInt8(ascii: "n"): plain = 0x0A
        case UInt8(ascii: "r"): plain = 0x0D
        case UInt8(ascii: "t"): plain = 0x09
        case UInt8(ascii: "u"):
            text.append(contentsOf: Character(try unicodeEscape(bytes)).utf8)
            return
        default: throw unexpected(bytes, "one of \"\\/bfnrtu after '\\'")
        }
        text.append(plain)
        position += 1
    }

    /// Reads `uXXXX`, and the second half of a surrogate pair behind it.
    private mutating func unicodeEscape(_ bytes: Span<UInt8>) throws(JSONFault) -> Unicode.Scalar {
        let start = position - 1
        let first = try codeUnit(bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        let lone = JSONFault(
            code: .encoding, offset: start,
            message: "expected both halves of a surrogate pair, found one (\\u\(String(first, radix: 16)))")
        guard UTF16.isLeadSurrogate(UInt16(first)), take(UInt8(ascii: "\\"), bytes), peek(bytes) == UInt8(ascii: "u") else {
            throw lone
        }
        let second = try codeUnit(bytes)
        guard UTF16.isTrailSurrogate(UInt16(second)),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw lone }
        return scalar
    }

    private mutating func codeUnit(_ bytes: Span<UInt8>) throws(JSONFault) -> UInt32 {
        position += 1
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek(bytes).flatMap(hexadecimal) else {
                throw unexpected(bytes, "four hexadecimal digits after '\\u'")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}

private func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// Keys seen before, one a slot; a collision replaces.
struct KeyCache {
    private var slots = [String](repeating: "", count: 128)

    private func slot(_ text: Span<UInt8>) -> Int {
        // Length and three bytes tell the long keys of Kubernetes apart well enough; a wrong guess costs one allocation.
        let mixed = text.count &* 31 &+ Int(text[0]) &* 7 &+ Int(text[text.count / 2]) &* 13 &+ Int(text[text.count - 1])
        return mixed & 127
    }

    subscript(_ text: Span<UInt8>) -> String? {
        let known = slots[slot(text)]
        let bytes = known.utf8.span
        guard bytes.count == text.count else { return nil }
        for position in 0..<bytes.count where bytes[position] != text[position] { return nil }
        return known
    }

    mutating func insert(_ key: String) {
        slots[slot(key.utf8.span)] = key
    }
}
