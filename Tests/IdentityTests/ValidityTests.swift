import FoundationEssentials
import Identity
import Testing

struct ValidityTests {
    private let span = Validity(from: start, to: start.addingTimeInterval(1000))

    static let standings: [(Double, Double, Validity.Standing)] = [
        (-1, 0, .notYet), (0, 0, .fresh),
        (699, 0, .fresh), (700, 0, .due),
        // A certificate drawn to be late.
        (700, 0.5, .fresh), (799, 0.5, .fresh), (800, 0.5, .due),
        // The last second still counts.
        (1000, 0.999, .due), (1001, 0, .expired),
    ]

    @Test("a certificate is fresh, then due, then expired; the draw moves the moment it is due", arguments: standings)
    func standing(_ seconds: Double, _ random: Double, _ expected: Validity.Standing) {
        #expect(span.standing(at: start.addingTimeInterval(seconds), random: random) == expected)
    }

    @Test("what is issued begins a little earlier, for slow clocks, and never outlives its authority")
    func issued() {
        let free = Validity.issued(at: start, lifetime: day)
        #expect(free.start == start.addingTimeInterval(-300))
        #expect(free.end == start.addingTimeInterval(86_400))
        let cut = Validity.issued(at: start, lifetime: day, within: span)
        #expect(cut == span)
        #expect(cut.lifetime == .seconds(1000))
    }

    @Test("fractions of a second are cut, as a certificate has none")
    func wholeSeconds() {
        #expect(Validity(from: start.addingTimeInterval(0.9), to: start.addingTimeInterval(9.9)).lifetime == .seconds(9))
    }
}
