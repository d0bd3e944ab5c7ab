/// Bytes that are no DNS message: what is wrong, and where.
public struct MessageError: Error, Hashable, Sendable {
    public var code: Code
    /// Bytes from the message's start to what could not be read.
    public var offset: Int

    public init(_ code: Code, at offset: Int) {
        (self.code, self.offset) = (code, offset)
    }

    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case end = "the message ends inside a field"
            case counts = "the header counts more records than the bytes can hold"
            case label = "a label of a kind that is not in use"
            case pointer = "a compression pointer that does not lead back"
            case pointerForbidden = "a compression pointer where none may be"
            case pointers = "a name of too many compression pointers"
            case nameLength = "a name longer than 255 bytes"
            case dataLength = "record data of a wrong length"
            case parameters = "service parameters out of order"
            case optOwner = "an OPT record below the root"
            case optTwice = "two OPT records"
            case optPlace = "an OPT record outside the additional section"
            case optOptions = "EDNS options of a wrong length"
        }
        private let base: Base
        private init(_ base: Base) { self.base = base }

        public static let end = Code(.end)
        public static let counts = Code(.counts)
        public static let label = Code(.label)
        public static let pointer = Code(.pointer)
        public static let pointerForbidden = Code(.pointerForbidden)
        public static let pointers = Code(.pointers)
        public static let nameLength = Code(.nameLength)
        public static let dataLength = Code(.dataLength)
        public static let parameters = Code(.parameters)
        public static let optOwner = Code(.optOwner)
        public static let optTwice = Code(.optTwice)
        public static let optPlace = Code(.optPlace)
        public static let optOptions = Code(.optOptions)

        public var description: String { base.rawValue }
    }
}

extension MessageError: CustomStringConvertible {
    public var description: String { "read a DNS message: \(code), at byte \(offset)" }
}
