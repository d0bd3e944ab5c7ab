/// The presentation form of RFC 1035 §5.1: labels with dots between them, `\.` for a dot inside one, `\DDD` for any byte.
extension DomainName: LosslessStringConvertible {
    /// Reads an absolute name; the last dot may be left out, and `.` is the root.
    ///
    /// `nil` for an empty text, an empty or overlong label, a name beyond 255 bytes, an escape that is none, and for every byte
    /// that is not printable ASCII and not escaped: a name outside ASCII is written in its `xn--` form.
    public init?(_ description: String) {
        if description == "." {
            self = .root
            return
        }
        var wire: [UInt8] = []
        wire.reserveCapacity(description.utf8.count + 2)
        if Self.readPlain(description.utf8.span, into: &wire) {
            self.init(checked: wire)
            return
        }
        var labels: [[UInt8]] = []
        var label: [UInt8] = []
        var rest = description.utf8[...]
        while let character = rest.popFirst() {
            switch character {
            case UInt8(ascii: "."):
                labels.append(label)
                label = []
            case UInt8(ascii: "\\"):
                guard let byte = Self.escaped(&rest) else { return nil }
                label.append(byte)
            case 0x21...0x7E:
                label.append(character)
            default:
                return nil
            }
        }
        if !label.isEmpty { labels.append(label) }
        guard !labels.isEmpty else { return nil }
        self.init(labels: labels)
    }

    /// Reads a name without escapes.
    ///
    /// - Parameter wire: becomes the wire form.
    /// - Returns: false when it is none, or has an escape; then `wire` means nothing.
    static func readPlain(_ text: Span<UInt8>, into wire: inout [UInt8]) -> Bool {
        wire.removeAll(keepingCapacity: true)
        guard text.count > 0, text.count <= longestName else { return false }
        // Where the label's length goes.
        var start = 0
        wire.append(0)
        for index in text.indices {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "."):
                let count = wire.count - start - 1
                guard (1...longestLabel).contains(count) else { return false }
                wire[start] = UInt8(count)
                start = wire.count
                wire.append(0)
            case UInt8(ascii: "\\"): return false
            case 0x21...0x7E: wire.append(byte)
            default: return false
            }
        }
        let count = wire.count - start - 1
        if count > 0 {
            guard count <= longestLabel else { return false }
            wire[start] = UInt8(count)
            wire.append(0)
        }
        return wire.count <= longestName
    }

    /// What stands behind a backslash: three decimal digits up to 255, or one character that is no digit.
    static func escaped(_ rest: inout Substring.UTF8View) -> UInt8? {
        guard let first = rest.popFirst() else { return nil }
        guard let hundreds = decimalDigit(first) else { return (0x21...0x7E).contains(first) || first == 0x20 ? first : nil }
        guard let tens = rest.popFirst().flatMap(decimalDigit), let ones = rest.popFirst().flatMap(decimalDigit) else {
            return nil
        }
        return UInt8(exactly: Int(hundreds) * 100 + Int(tens) * 10 + Int(ones))
    }

    /// With the dot at its end.
    public var description: String {
        isRoot ? "." : labels.map { presentation(of: $0, special: "\".;\\()@$") + "." }.joined()
    }
}

/// Bytes as the master file format writes them: special characters behind a backslash, what is not printable as `\DDD`.
func presentation(of bytes: some Sequence<UInt8>, special: String, keepsBlanks: Bool = false) -> String {
    var text: [UInt8] = []
    for byte in bytes {
        if special.utf8.contains(byte) {
            text += [UInt8(ascii: "\\"), byte]
        } else if (0x21...0x7E).contains(byte) || (keepsBlanks && byte == 0x20) {
            text.append(byte)
        } else {
            let digits = [byte / 100, byte / 10 % 10, byte % 10]
            text += [UInt8(ascii: "\\")] + digits.map { UInt8(ascii: "0") + $0 }
        }
    }
    return String(decoding: text, as: UTF8.self)
}

func decimalDigit(_ character: UInt8) -> UInt8? {
    character >= UInt8(ascii: "0") && character <= UInt8(ascii: "9") ? character - UInt8(ascii: "0") : nil
}
