import Reconcile
import Testing

@Suite("the backoff")
struct BackoffTests {
    @Test("waits double from the first up to the limit, in the upper half of each window")
    func doubles() {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(1))
        var low = backoff
        for window in [100, 200, 400, 800, 1000, 1000] {
            #expect(low.next(random: 0) == .milliseconds(window) / 2)
            let high = backoff.next(random: 0.999_999)
            #expect(high < .milliseconds(window) && high > .milliseconds(window) * 0.99)
        }
        backoff.reset()
        #expect(backoff.next(random: 0) == .milliseconds(50))
    }

    @Test("a limit below the first wait holds from the start")
    func smallLimit() {
        var backoff = Backoff(first: .seconds(10), limit: .seconds(1))
        #expect(backoff.next(random: 0) == .milliseconds(500))
    }

    // A node whose kernel refused something for a day came to its sixtieth failure, where the doubled wait was a number that no
    // duration holds.
    @Test(
        "no number of failures makes it wait longer than the limit, or stop the program",
        arguments: [Duration.zero, .nanoseconds(1), .milliseconds(100), .seconds(100), .seconds(1 << 40)])
    func bounds(_ first: Duration) {
        let limit = Duration.seconds(3600)
        var backoff = Backoff(first: first, limit: limit)
        var last = Duration.zero
        for _ in 0..<200 {
            let wait = backoff.next(random: 0.5)
            #expect(wait >= last && wait <= limit)
            last = wait
        }
        if first > .zero { #expect(last == limit * 0.75) }
    }
}

@Suite("the debounce")
struct DebounceTests {
    private let start = Debounce(quiet: .milliseconds(5), limit: .milliseconds(50))

    @Test("without an event nothing is due, also after it was acted upon")
    func idle() {
        var debounce = start
        #expect(debounce.due == nil)
        debounce.event(at: .seconds(1))
        debounce.clear()
        #expect(debounce.due == nil)
    }

    @Test("one event is due when it was quiet, and another event puts it off")
    func quiet() {
        var debounce = start
        debounce.event(at: .seconds(1))
        #expect(debounce.due == .milliseconds(1005))
        debounce.event(at: .milliseconds(1004))
        #expect(debounce.due == .milliseconds(1009))
    }

    @Test("a stream of events puts it off no longer than the limit behind the first")
    func stream() {
        var debounce = start
        for millisecond in 0...200 {
            debounce.event(at: .milliseconds(millisecond))
            #expect(debounce.due == min(.milliseconds(millisecond + 5), .milliseconds(50)))
        }
        debounce.clear()
        debounce.event(at: .milliseconds(300))
        #expect(debounce.due == .milliseconds(305))
    }

    @Test("a limit shorter than the quiet time wins")
    func shortLimit() {
        var debounce = Debounce(quiet: .seconds(5), limit: .seconds(1))
        debounce.event(at: .zero)
        #expect(debounce.due == .seconds(1))
    }
}

@Suite("the pace")
struct PaceTests {
    @Test("the first is due at once; what follows waits for the distance, counted from the end; after a rest it is at once again")
    func pace() {
        var pace = Pace(distance: .milliseconds(10))
        #expect(pace.due == nil)
        pace.event(at: .seconds(1))
        #expect(pace.due == .seconds(1))
        pace.begin()
        #expect(pace.due == nil)
        pace.event(at: .milliseconds(1001))
        pace.event(at: .milliseconds(1002))
        pace.end(at: .milliseconds(1003))
        #expect(pace.due == .milliseconds(1013))
        pace.begin()
        pace.end(at: .milliseconds(1014))
        #expect(pace.due == nil)
        pace.event(at: .milliseconds(1100))
        #expect(pace.due == .milliseconds(1100))
    }
}
