/// A point in time, as Kubernetes writes it (RFC 3339, in UTC).
public struct Moment: Hashable, Sendable, Comparable {
    /// Since the first second of 1970.
    public var sinceEpoch: Duration

    public init(sinceEpoch: Duration) { self.sinceEpoch = sinceEpoch }
    public init(_ sinceEpoch: Duration) { self.sinceEpoch = sinceEpoch }

    public static func < (a: Self, b: Self) -> Bool { a.sinceEpoch < b.sinceEpoch }
    public static func + (moment: Self, duration: Duration) -> Self { Moment(sinceEpoch: moment.sinceEpoch + duration) }
    public static func - (a: Self, b: Self) -> Duration { a.sinceEpoch - b.sinceEpoch }
}

extension Moment: LosslessStringConvertible {
    /// `2026-01-31T12:00:00Z`: whole seconds, as in metadata and conditions.
    public var description: String { calendar + "Z" }

    /// `2026-01-31T12:00:00.000000Z`: with microseconds, as in leases.
    public var precise: String {
        let micro = sinceEpoch.components.attoseconds / 1_000_000_000_000
        let digits = String(micro)
        return calendar + "." + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "Z"
    }

    /// Reads both forms, and an offset in place of `Z`.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ (48...57).contains($0) }) else { return nil }
            return bytes[range].reduce(0) { $0 * 10 + Int($1 - 48) }
        }
        guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var position = 19
        var nanoseconds = 0
        if bytes[position] == UInt8(ascii: ".") {
            var scale = 100_000_000
            position += 1
            while position < bytes.count, let digit = number(position..<position + 1) {
                nanoseconds += digit * scale
                scale /= 10
                position += 1
            }
        }
        guard let offset = Self.offset(bytes[position...], number) else { return nil }
        let days = Self.days(year, month, day)
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        self.init(sinceEpoch: .seconds(seconds) + .nanoseconds(nanoseconds))
    }

    private static func offset(_ rest: ArraySlice<UInt8>, _ number: (Range<Int>) -> Int?) -> Int? {
        if rest.elementsEqual("Z".utf8) || rest.elementsEqual("z".utf8) { return 0 }
        let start = rest.startIndex
        guard rest.count == 6, let hours = number(start + 1..<start + 3), let minutes = number(start + 4..<start + 6) else {
            return nil
        }
        let seconds = hours * 3600 + minutes * 60
        return rest[start] == UInt8(ascii: "-") ? -seconds : seconds
    }

    private var calendar: String {
        let seconds = Int(sinceEpoch.components.seconds)
        let (days, rest) = seconds.flooredDivision(by: 86_400)
        let (year, month, day) = Self.date(days)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        let head = String(repeating: "0", count: max(0, 4 - String(year).count)) + String(year)
        return "\(head)-\(two(month))-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
    }

    /// Days since 1970 of a date in the Gregorian calendar. Years are counted from March, so that a leap day is their last;
    /// 400 years have 146097 days.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = shifted.flooredDivision(by: 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}

extension Int {
    fileprivate func flooredDivision(by divisor: Int) -> (Int, Int) {
        let rest = ((self % divisor) + divisor) % divisor
        return ((self - rest) / divisor, rest)
    }
}
