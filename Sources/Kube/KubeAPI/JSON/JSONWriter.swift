/// Writes JSON: members in their order, or sorted by the bytes of their keys so that equal trees have equal texts.
public struct JSONWriter: Hashable, Sendable {
    public enum Layout: Hashable, Sendable {
        /// No white space.
        case compact
        /// A line per value, two spaces a level.
        case pretty
    }

    public var layout: Layout
    public var sortsKeys: Bool

    public init(_ layout: Layout = .compact, sortsKeys: Bool = false) {
        self.layout = layout
        self.sortsKeys = sortsKeys
    }
}

extension JSONWriter {
    public func bytes(of value: JSONValue) -> [UInt8] {
        var bytes: [UInt8] = []
        write(value, to: &bytes)
        return bytes
    }

    /// Appends the value, without a line's end.
    public func write(_ value: JSONValue, to bytes: inout [UInt8]) {
        write(value, level: 0, to: &bytes)
    }

    private func write(_ value: JSONValue, level: Int, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let number): bytes.append(contentsOf: number.description.utf8)
        case .string(let text): write(text, to: &bytes)
        case .array(let elements): write(elements, level: level, to: &bytes)
        case .object(let object): write(object, level: level, to: &bytes)
        }
    }

    private func write(_ elements: [JSONValue], level: Int, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "["))
        for (position, element) in elements.enumerated() {
            separate(position, level: level + 1, in: &bytes)
            write(element, level: level + 1, to: &bytes)
        }
        if !elements.isEmpty { breakLine(level: level, in: &bytes) }
        bytes.append(UInt8(ascii: "]"))
    }

    private func write(_ object: JSONObject, level: Int, to bytes: inout [UInt8]) {
        let members = sortsKeys ? object.members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } : object.members
        bytes.append(UInt8(ascii: "{"))
        for (position, member) in members.enumerated() {
            separate(position, level: level + 1, in: &bytes)
            write(member.key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            if layout == .pretty { bytes.append(UInt8(ascii: " ")) }
            write(member.value, level: level + 1, to: &bytes)
        }
        if !members.isEmpty { breakLine(level: level, in: &bytes) }
        bytes.append(UInt8(ascii: "}"))
    }

    private func separate(_ position: Int, level: Int, in bytes: inout [UInt8]) {
        if position > 0 { bytes.append(UInt8(ascii: ",")) }
        breakLine(level: level, in: &bytes)
    }

    private func breakLine(level: Int, in bytes: inout [UInt8]) {
        guard layout == .pretty else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
    }

    private func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        // A string bridged or sliced may not be contiguous; this makes it so, and is free when it is.
        text.makeContiguousUTF8()
        let characters = text.utf8.span
        if let first = firstToEscape(characters) {
            for position in 0..<characters.count { escape(characters[position], isPlain: position < first, into: &bytes) }
        } else {
            bytes.append(contentsOf: text.utf8)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private func firstToEscape(_ characters: Span<UInt8>) -> Int? {
        for position in 0..<characters.count {
            let byte = characters[position]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return position }
        }
        return nil
    }

    private func escape(_ byte: UInt8, isPlain: Bool, into bytes: inout [UInt8]) {
        switch byte {
        case _ where isPlain: bytes.append(byte)
        case UInt8(ascii: "\""): bytes.append(contentsOf: #"\""#.utf8)
        case UInt8(ascii: "\\"): bytes.append(contentsOf: #"\\"#.utf8)
        case 0x0A: bytes.append(contentsOf: #"\n"#.utf8)
        case 0x0D: bytes.append(contentsOf: #"\r"#.utf8)
        case 0x09: bytes.append(contentsOf: #"\t"#.utf8)
        case 0..<0x20:
            bytes.append(contentsOf: (byte < 0x10 ? #"\u000"# : #"\u00"#).utf8)
            bytes.append(contentsOf: String(byte, radix: 16).utf8)
        default: bytes.append(byte)
        }
    }
}
