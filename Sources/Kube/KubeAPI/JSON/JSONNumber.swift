/// A JSON number that survives reading and writing: an integer of up to 64 bits, signed or not, or a finite double.
///
/// An integer and a double are different values even where they are equal as numbers: `1` and `1.0` are written differently.
public struct JSONNumber: Hashable, Sendable {
    enum Form: Hashable, Sendable {
        case signed(Int64)
        /// Only what a signed number cannot hold, so that every number has one form.
        case unsigned(UInt64)
        /// Finite: JSON has no other.
        case double(Double)
    }

    let form: Form

    public init(_ value: Int64) { form = .signed(value) }

    public init(_ value: UInt64) {
        form = Int64(exactly: value).map(Form.signed) ?? .unsigned(value)
    }

    /// `nil` for an infinity or NaN, which JSON cannot say.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        form = .double(value)
    }
}

extension JSONNumber {
    /// The number as a signed integer when it is one, `1.0` included.
    public var integer: Int64? {
        switch form {
        case .signed(let value): value
        case .unsigned: nil
        case .double(let value): Self.whole(value, as: Int64.self, below: 0x1p63)
        }
    }

    public var unsigned: UInt64? {
        switch form {
        case .signed(let value): UInt64(exactly: value)
        case .unsigned(let value): value
        case .double(let value): value < 0 ? nil : Self.whole(value, as: UInt64.self, below: 0x1p64)
        }
    }

    /// `Integer(exactly:)` calls the C library's `trunc`, which a module that imports nothing does not link.
    private static func whole<Integer: FixedWidthInteger>(_ value: Double, as: Integer.Type, below limit: Double) -> Integer? {
        guard value.magnitude < limit else { return nil }
        let integer = Integer(value)
        return Double(integer) == value ? integer : nil
    }

    /// The nearest double.
    public var double: Double {
        switch form {
        case .signed(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .double(let value): value
        }
    }
}

extension JSONNumber: CustomStringConvertible {
    /// The number as JSON writes it; a double in the fewest digits that read back as the same one.
    public var description: String {
        switch form {
        case .signed(let value): String(value)
        case .unsigned(let value): String(value)
        case .double(let value): value.description
        }
    }
}
