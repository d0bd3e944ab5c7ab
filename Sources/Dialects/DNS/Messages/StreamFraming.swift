/// Messages in a byte stream, each with its length in two bytes before it (RFC 7766 §8).
///
/// Bytes come as the network cuts them; messages go out whole, several from one piece or one from many. No more is held than the
/// pieces that were put in, less the messages that were taken out: whoever reads takes messages out before reading on, and then
/// at most one message and a piece are held.
public struct StreamFraming: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0

    public init() {}

    /// Bytes that are held and not yet a whole message.
    public var held: Int { bytes.count - start }

    /// Whether ``next()`` would give a message.
    public var holdsMessage: Bool { held >= 2 && held >= 2 + length }

    private var length: Int { Int(bytes[start]) << 8 | Int(bytes[start + 1]) }

    public mutating func append(_ piece: some Sequence<UInt8>) {
        // What was taken out goes at the latest when it is the greater part, so that each byte is moved once on average.
        if start > 0, start >= held {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: piece)
    }

    /// The next whole message, without its length; `nil` until there is one. A length of zero gives an empty message, which no
    /// peer sends that means well.
    public mutating func next() -> [UInt8]? {
        guard holdsMessage else { return nil }
        let length = length
        defer { start += 2 + length }
        return Array(bytes[(start + 2)..<(start + 2 + length)])
    }

    /// A message with its length before it; `nil` beyond 65,535 bytes.
    public static func framed(_ message: [UInt8]) -> [UInt8]? {
        UInt16(exactly: message.count).map { [UInt8($0 >> 8), UInt8($0 & 255)] + message }
    }
}
