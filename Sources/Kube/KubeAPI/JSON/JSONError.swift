/// Why bytes are not the JSON that was asked for, and where.
public struct JSONError: Error, Hashable, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Base { case syntax, incomplete, encoding, number, depth, size, duplicate, broken }
        private let base: Base

        /// The grammar of RFC 8259 is broken.
        public static let syntax = Code(base: .syntax)
        /// The bytes end inside a value.
        public static let incomplete = Code(base: .incomplete)
        /// A string is not UTF-8, or escapes half of a surrogate pair.
        public static let encoding = Code(base: .encoding)
        /// A number does not fit 64 bits or a double.
        public static let number = Code(base: .number)
        /// Nested deeper than the limit.
        public static let depth = Code(base: .depth)
        /// Longer than the limit.
        public static let size = Code(base: .size)
        /// A key is there twice in one object.
        public static let duplicate = Code(base: .duplicate)
        /// A stream was fed after its first error.
        public static let broken = Code(base: .broken)
    }

    public var code: Code
    /// What was expected, and what was there.
    public var message: String
    /// Bytes before the place, from the start of the document, or of the stream.
    public var offset: Int
    /// From 1. In a stream the count starts with each document.
    public var line: Int
    /// From 1, in bytes.
    public var column: Int
}

extension JSONError: CustomStringConvertible {
    /// Such as `line 3, column 14 (byte 57): expected ',' or '}' after a member, found 'x'`.
    public var description: String { "line \(line), column \(column) (byte \(offset)): \(message)" }
}

/// A fault as the scanner notes it; lines are only counted once there is one.
struct JSONFault: Error {
    var code: JSONError.Code
    var offset: Int
    var message: String

    func located(in bytes: Span<UInt8>) -> JSONError {
        var line = 1
        var lineStart = 0
        for position in 0..<min(offset, bytes.count) where bytes[position] == UInt8(ascii: "\n") {
            line += 1
            lineStart = position + 1
        }
        return JSONError(code: code, message: message, offset: offset, line: line, column: offset - lineStart + 1)
    }
}
