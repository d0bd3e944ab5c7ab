/// What the server takes from the world besides requests: the time and chance. A test gives its own.
public struct Surroundings: Sendable {
    let seconds: @Sendable () -> Int64
    let random: @Sendable () -> UInt64

    /// - Parameters:
    ///   - seconds: the time, in whole seconds since 1970-01-01 UTC.
    ///   - random: 64 random bits: uids and generated names are made of them.
    public init(seconds: @escaping @Sendable () -> Int64, random: @escaping @Sendable () -> UInt64) {
        self.seconds = seconds
        self.random = random
    }

    var now: Timestamp { Timestamp(seconds: seconds()) }

    /// A version 4 UUID (RFC 9562 §5.4).
    func uid() -> String {
        let high = random() & ~0xF000 | 0x4000
        let low = random() & ~(0b11 << 62) | (0b10 << 62)
        func hex(_ number: UInt64) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        let text = Array((hex(high) + hex(low)).utf8)
        let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: text[$0], as: UTF8.self) }
        return groups.joined(separator: "-")
    }

    /// What is put behind a `generateName`: five letters of those that make no words and are not mistaken for one another.
    func suffix() -> String {
        let letters = Array("bcdfghjklmnpqrstvwxz2456789".utf8)
        var bits = random()
        let bytes = (0..<5).map { _ in
            defer { bits /= UInt64(letters.count) }
            return letters[Int(bits % UInt64(letters.count))]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Timestamp {
    /// Stays where it is rather than leave what 64 bits hold.
    func advanced(by seconds: Int64) -> Timestamp {
        let (sum, isOver) = self.seconds.addingReportingOverflow(seconds)
        return isOver ? self : Timestamp(seconds: sum)
    }
}
