public import FoundationEssentials

/// When a certificate holds, and when it is time for its successor. Nothing here reads a clock.
public struct Validity: Hashable, Sendable {
    /// Both ends count (RFC 5280 §4.1.2.5); whole seconds, as certificates have no others.
    public let start: Date
    public let end: Date

    /// Whole seconds: fractions are cut.
    public init(from start: Date, to end: Date) {
        self.start = Self.wholeSeconds(start)
        self.end = Self.wholeSeconds(end)
    }

    public var lifetime: Duration { .seconds(end.timeIntervalSince(start)) }

    private static func wholeSeconds(_ date: Date) -> Date {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down))
    }
}

extension Validity {
    /// How far a certificate is backdated, so that a node whose clock is a little slow does not refuse it.
    public static let backdating = Duration.seconds(300)

    /// The span of a certificate that is made now and holds for `lifetime` from now, inside that of its authority.
    public static func issued(at now: Date, lifetime: Duration, within authority: Validity? = nil) -> Validity {
        let start = now.addingTimeInterval(-(backdating / .seconds(1)))
        let end = now.addingTimeInterval(lifetime / .seconds(1))
        guard let authority else { return Validity(from: start, to: end) }
        return Validity(from: max(start, authority.start), to: min(end, authority.end))
    }

    /// When to ask for the successor: somewhere between 70 % and 90 % of the span, as kubelets do, so that a thousand
    /// certificates made together are not renewed together, and a tenth is left for an authority that is away.
    ///
    /// - Parameter random: 0 ..< 1.
    public func renewal(random: Double) -> Date {
        Validity(from: start.addingTimeInterval(end.timeIntervalSince(start) * (0.7 + 0.2 * random)), to: end).start
    }

    public enum Standing: Hashable, Sendable {
        case notYet
        /// Nothing to do.
        case fresh
        /// Still good, and to be replaced.
        case due
        case expired
    }

    /// How it stands now.
    ///
    /// - Parameter random: 0 ..< 1, chosen once for a certificate: it fixes the moment of its renewal.
    public func standing(at now: Date, random: Double) -> Standing {
        if now < start { return .notYet }
        if now > end { return .expired }
        return now < renewal(random: random) ? .fresh : .due
    }
}
