import KubeAPI

/// A place in a JSON document (RFC 6901): `/spec/containers/0/image`, with `~1` for `/` and `~0` for `~` inside a name.
public struct JSONPointer: Hashable, Sendable {
    public var tokens: [String]

    /// `nil` when the text is neither empty nor begins with `/`, or has a `~` that stands for nothing.
    public init?(_ text: String) {
        guard !text.isEmpty else {
            tokens = []
            return
        }
        guard text.utf8.first == UInt8(ascii: "/") else { return nil }
        var tokens: [String] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let token = Self.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    private static func unescaped(_ part: Substring) -> String? {
        guard part.utf8.contains(UInt8(ascii: "~")) else { return String(part) }
        var result = ""
        var rest = part[...]
        while let character = rest.popFirst() {
            guard character == "~" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "0": result.append("~")
            case "1": result.append("/")
            default: return nil
            }
        }
        return result
    }

    /// A token as a list's position: decimal, without sign or leading zeros.
    static func position(_ token: String) -> Int? {
        guard !token.isEmpty, token == "0" || token.utf8.first != UInt8(ascii: "0"),
            token.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(token)
    }
}

extension JSONPointer: CustomStringConvertible {
    public var description: String {
        tokens.map { token in
            "/" + String(token.flatMap { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) })
        }.joined()
    }
}
