import KubeAPI

/// A point in time, from whoever has a clock.
public struct Moment: Hashable, Sendable, Comparable {
    /// Since 1970, in UTC.
    public var sinceEpoch: Duration

    public init(_ sinceEpoch: Duration) { self.sinceEpoch = sinceEpoch }

    public static func < (a: Self, b: Self) -> Bool { a.sinceEpoch < b.sinceEpoch }
    public static func + (moment: Self, duration: Duration) -> Moment { Moment(moment.sinceEpoch + duration) }
    public static func - (a: Self, b: Self) -> Duration { a.sinceEpoch - b.sinceEpoch }
}

extension Moment: CustomStringConvertible {
    /// RFC 3339 in whole seconds, as `metav1.Time` is written.
    public var description: String {
        let seconds = sinceEpoch.components.seconds
        let (days, rest) = (seconds.floored(86400), seconds - seconds.floored(86400) * 86400)
        let (year, month, day) = Self.date(days)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)-\(two(month))-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
    }

    /// With microseconds, as `metav1.MicroTime` is written in leases and events.
    public var precise: String {
        let micros = String(sinceEpoch.components.attoseconds / 1_000_000_000_000)
        return description.dropLast() + "." + String(repeating: "0", count: 6 - micros.count) + micros + "Z"
    }

    /// Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is the last of its year.
    private static func date(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func floored(_ divisor: Int64) -> Int64 { self >= 0 ? self / divisor : (self - divisor + 1) / divisor }
}
