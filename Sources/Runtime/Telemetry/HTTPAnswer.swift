/// What somebody asks over HTTP.
public struct HTTPQuestion: Hashable, Sendable {
    /// Without what stands behind `?`.
    public var path: String

    public init(path: String) { self.path = path }

    /// What stands between the slashes, each part decoded (RFC 3986 §2.1), so that one may have a slash in it: `0%2F25`.
    ///
    /// - Returns: `nil` when an escape is none.
    public var parts: [String]? {
        var parts: [String] = []
        for part in path.split(separator: "/") {
            guard let part = Self.decoded(part) else { return nil }
            parts.append(part)
        }
        return parts
    }

    /// A text as a part of a path, whatever it has in it.
    public static func part(_ text: String) -> String {
        var part = ""
        for byte in text.utf8 {
            let isPlain = byte > 0x20 && byte < 0x7F && !"%/?#".utf8.contains(byte)
            part +=
                isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
        return part
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? { Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) } }
}

/// What is answered. Small, and made at once: whoever asks waits on the thread that makes it.
public struct HTTPAnswer: Hashable, Sendable {
    public var status: Int
    public var contentType: String
    /// Beside `Content-Type` and `Content-Length`.
    public var headers: [Header]
    public var body: String

    public struct Header: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public init(_ status: Int, _ body: String, contentType: String = "text/plain; charset=utf-8", headers: [Header] = []) {
        (self.status, self.body, self.contentType, self.headers) = (status, body, contentType, headers)
    }

    public static let notFound = HTTPAnswer(404, "there is no such page\n")
}
