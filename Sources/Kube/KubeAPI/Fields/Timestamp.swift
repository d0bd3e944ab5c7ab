/// A moment, to the microsecond, as objects write it (RFC 3339): `2026-01-02T03:04:05Z`, or `…05.123456Z` where more than
/// seconds are kept (a lease's times, `MicroTime`).
public struct Timestamp: Hashable, Sendable, Comparable {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted.
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Whole seconds since 1970.
    public init(seconds: Int64) { microseconds = seconds * 1_000_000 }

    public static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }

    /// How long after the other moment this one is; negative before it.
    public static func - (a: Self, b: Self) -> Duration { .microseconds(a.microseconds - b.microseconds) }

    public static func + (a: Self, b: Duration) -> Self {
        let (seconds, attoseconds) = b.components
        return Self(microseconds: a.microseconds + seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }
}

extension Timestamp: LosslessStringConvertible {
    /// Whole seconds, as `metav1.Time` is written; a fraction is cut.
    public var description: String { text(withFraction: false) }

    /// Always six digits behind the seconds, as `metav1.MicroTime` is written.
    public var microTime: String { text(withFraction: true) }

    private func text(withFraction: Bool) -> String {
        let seconds = microseconds.floored(by: 1_000_000)
        let fraction = microseconds - seconds * 1_000_000
        let days = seconds.floored(by: 86_400)
        let second = seconds - days * 86_400
        let (year, month, day) = CivilDate.date(days: days)
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let time = "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        return "\(date)T\(time)\(withFraction ? "." + padded(fraction, 6) : "")Z"
    }

    /// Reads what RFC 3339 allows, with any offset; more than six digits of a fraction are cut.
    public init?(_ text: String) {
        var reader = Digits(Array(text.utf8)[...])
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T") || reader.take("t"), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2)
        else { return nil }
        guard (1...12).contains(month), (1...CivilDate.days(in: month, of: year)).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var fraction: Int64 = 0
        if reader.take(".") {
            guard let read = reader.fraction() else { return nil }
            fraction = read
        }
        guard let offset = reader.offset(), reader.rest.isEmpty else { return nil }
        let seconds = CivilDate.number(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        microseconds = seconds * 1_000_000 + fraction
    }
}

/// The calendar that is extended to all times, in days since 1970-01-01. Years are counted from March, so that the leap day is
/// the last of its year, in eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
private enum CivilDate {
    static func number(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year.floored(by: 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let position = (5 * dayOfYear + 2) / 153
        let month = position < 10 ? position + 3 : position - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * position + 2) / 5 + 1)
    }

    static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

private struct Digits {
    var rest: ArraySlice<UInt8>

    init(_ text: ArraySlice<UInt8>) { rest = text }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func number(_ count: Int) -> Int64? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(count)
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// In microseconds.
    mutating func fraction() -> Int64? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { return nil }
        rest = rest.dropFirst(digits.count)
        let six = Array(digits.prefix(6)) + Array(repeating: 0x30, count: max(0, 6 - digits.count))
        return six.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// In seconds east of Greenwich.
    mutating func offset() -> Int64? {
        if take("Z") || take("z") { return 0 }
        let sign: Int64 = take("+") ? 1 : -1
        if sign < 0, !take("-") { return nil }
        guard let hours = number(2), take(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}

private func padded(_ number: Int64, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
}

extension Int64 {
    /// Division that rounds down, also below zero.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

extension FieldReader {
    /// A moment; `nil` when absent.
    public mutating func timestamp(_ field: String) -> Timestamp? {
        guard let text = string(field) else { return nil }
        if let time = Timestamp(text) { return time }
        report(.invalid(path(field), .string(text), "must be a time of RFC 3339, such as 2026-01-02T03:04:05Z"))
        return nil
    }
}
