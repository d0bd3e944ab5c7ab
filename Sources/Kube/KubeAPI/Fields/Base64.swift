/// Bytes as text (RFC 4648 §4), read as strictly as Go reads them: with padding, without foreign characters but line ends.
public enum Base64 {
    public static func text(of bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var rest = bytes[...]
        while !rest.isEmpty {
            let group = Array(rest.prefix(3))
            rest = rest.dropFirst(3)
            let number = group.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32(16 - 8 * $1.offset) }
            for position in 0..<4 {
                text.append(position <= group.count ? alphabet[Int(number >> UInt32(18 - 6 * position) & 63)] : padding)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` when the text is no base64.
    public static func bytes(of text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (number, digits, paddings) = (UInt32(0), 0, 0)
        for character in text.utf8 where character != UInt8(ascii: "\n") && character != UInt8(ascii: "\r") {
            if character == padding {
                paddings += 1
                continue
            }
            guard paddings == 0, let digit = values[Int(character)] else { return nil }
            number = number << 6 | UInt32(digit)
            digits += 1
            if digits % 4 == 0 {
                bytes += [
                    UInt8(truncatingIfNeeded: number >> 16), UInt8(truncatingIfNeeded: number >> 8),
                    UInt8(truncatingIfNeeded: number),
                ]
                number = 0
            }
        }
        switch (digits % 4, paddings) {
        case (0, 0): break
        case (2, 2): bytes.append(UInt8(truncatingIfNeeded: number >> 4))
        case (3, 1): bytes += [UInt8(truncatingIfNeeded: number >> 10), UInt8(truncatingIfNeeded: number >> 2)]
        default: return nil
        }
        return bytes
    }

    private static let padding = UInt8(ascii: "=")
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8?] = {
        var values = [UInt8?](repeating: nil, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()
}
