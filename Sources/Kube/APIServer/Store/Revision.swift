/// A moment of the store: every change has its own, and they only grow.
///
/// The API calls it `resourceVersion`. Revisions go on where they stopped after a restart, also when the object that was
/// changed last is gone.
public struct Revision: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// Before the first change.
    public static let zero = Revision(rawValue: 0)

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension Revision: LosslessStringConvertible {
    /// Reads a decimal number without a sign.
    public init?(_ description: String) {
        guard description.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int64(description) else { return nil }
        self.init(rawValue: number)
    }

    public var description: String { String(rawValue) }
}
