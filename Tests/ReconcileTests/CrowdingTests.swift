import Reconcile
import Testing

@Suite("crowding")
struct CrowdingTests {
    @Test("the first comes at once, those that follow it soon keep a growing distance, and after a quiet while it is as at first")
    func distance() {
        var crowding = Crowding(first: .milliseconds(100), limit: .seconds(1))
        var now = Duration.seconds(10)
        #expect(crowding.notBefore <= now)
        for distance in [0, 100, 200, 400, 800, 1000, 1000] {
            crowding.note(at: now)
            #expect(crowding.notBefore == now + .milliseconds(distance))
            now = crowding.notBefore
        }
        now += .milliseconds(1001)
        crowding.note(at: now)
        #expect(crowding.notBefore == now)
    }

    /// Each change that somebody made on a node cost a look at everything, some hundred times a second when there were so many.
    @Test("a node that changes all the time is looked at a few times in ten seconds; keys do not wait with it")
    func rounds() {
        var rounds = Rounds<Int>(
            start: .zero, period: .seconds(60), pace: Pace(distance: .milliseconds(15)),
            debounce: Debounce(quiet: .milliseconds(5), limit: .milliseconds(50)))
        var (whole, ofKeys, waits) = (0, 0, Duration.zero)
        for millisecond in 0..<10_000 {
            let now = Duration.milliseconds(millisecond)
            rounds.markAll(at: now)
            if millisecond % 500 == 250 { rounds.mark([millisecond], at: now) }
            guard case .run(let scope) = rounds.next(at: now) else { continue }
            if case .keys(let keys) = scope {
                ofKeys += 1
                for key in keys { waits = max(waits, now - .milliseconds(key)) }
            } else {
                whole += 1
            }
            rounds.finished(scope, succeeded: true, at: now, random: 0)
        }
        #expect((5...15).contains(whole), "\(whole)")
        #expect(ofKeys >= 15, "\(ofKeys)")
        #expect(waits <= .milliseconds(50))
    }
}
