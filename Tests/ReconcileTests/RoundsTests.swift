import Reconcile
import Testing

@Suite("rounds")
struct RoundsTests {
    private func rounds() -> Rounds<Int> {
        Rounds(
            start: .zero, period: .seconds(60), pace: Pace(distance: .milliseconds(15)),
            debounce: Debounce(quiet: .milliseconds(5), limit: .milliseconds(50)),
            backoff: Backoff(first: .seconds(2), limit: .seconds(30)))
    }

    /// Rounds behind the first one, which ended at zero.
    private func asleep() -> Rounds<Int> {
        var rounds = rounds()
        _ = rounds.next(at: .zero)
        rounds.finished(.all, succeeded: true, at: .zero, random: 0)
        return rounds
    }

    @Test("the first round looks at everything, and while it runs there is no other")
    func first() {
        var rounds = rounds()
        same(rounds.next(at: .zero), .run(.all))
        same(rounds.next(at: .zero), .busy)
        same(rounds.next(at: .seconds(1000)), .busy)
        rounds.finished(.all, succeeded: true, at: .seconds(1), random: 0)
        same(rounds.next(at: .seconds(1)), .sleep(until: .seconds(61)))
        same(rounds.next(at: .seconds(61)), .run(.all))
    }

    @Test("a start that lies ahead is waited for")
    func start() {
        var rounds = Rounds<Int>(
            start: .seconds(5), period: .seconds(60), pace: Pace(distance: .zero), debounce: Debounce(quiet: .zero, limit: .zero))
        same(rounds.next(at: .seconds(4)), .sleep(until: .seconds(5)))
        same(rounds.next(at: .seconds(5)), .run(.all))
    }

    @Test("the first mark is a round at once, those that follow it are gathered, and a round is of its keys only")
    func burst() {
        var rounds = asleep()
        rounds.mark([1], at: .milliseconds(1000))
        same(rounds.next(at: .milliseconds(1000)), .run(.keys([1])))
        rounds.mark([2], at: .milliseconds(1001))
        rounds.finished(.keys([1]), succeeded: true, at: .milliseconds(1002), random: 0)
        rounds.mark([3, 2], at: .milliseconds(1004))
        same(rounds.next(at: .milliseconds(1005)), .sleep(until: .milliseconds(1017)))
        same(rounds.next(at: .milliseconds(1017)), .run(.keys([2, 3])))
        rounds.finished(.keys([2, 3]), succeeded: true, at: .milliseconds(1018), random: 0)
        same(rounds.next(at: .milliseconds(1018)), .sleep(until: .seconds(60)))
        rounds.mark([4], at: .milliseconds(1040))
        same(rounds.next(at: .milliseconds(1040)), .run(.keys([4])))
    }

    @Test("marking nothing wakes nobody")
    func nothing() {
        var rounds = asleep()
        rounds.mark([], at: .seconds(1))
        same(rounds.next(at: .seconds(2)), .sleep(until: .seconds(60)))
    }

    @Test("a mark of everything takes the keys along")
    func everything() {
        var rounds = asleep()
        rounds.mark([1], at: .seconds(1))
        rounds.markAll(at: .milliseconds(1003))
        same(rounds.next(at: .milliseconds(1004)), .sleep(until: .milliseconds(1008)))
        same(rounds.next(at: .milliseconds(1008)), .run(.all))
        rounds.finished(.all, succeeded: true, at: .seconds(2), random: 0)
        same(rounds.next(at: .seconds(2)), .sleep(until: .seconds(62)))
    }

    @Test("what is marked while a round runs is looked at afterwards, although the round had it")
    func meanwhile() {
        var rounds = asleep()
        rounds.mark([1], at: .seconds(1))
        same(rounds.next(at: .seconds(2)), .run(.keys([1])))
        rounds.mark([1], at: .seconds(3))
        rounds.finished(.keys([1]), succeeded: true, at: .seconds(4), random: 0)
        same(rounds.next(at: .seconds(4)), .sleep(until: .milliseconds(4015)))
        same(rounds.notBefore, .milliseconds(4015))
        same(rounds.next(at: .milliseconds(4015)), .run(.keys([1])))
        rounds.markAll(at: .seconds(5))
        rounds.finished(.keys([1]), succeeded: true, at: .seconds(6), random: 0)
        same(rounds.next(at: .seconds(6)), .run(.all))
    }

    @Test("what failed is tried again, later every time, and soon again after a success")
    func failure() {
        var rounds = asleep()
        rounds.mark([1], at: .seconds(1))
        same(rounds.next(at: .seconds(2)), .run(.keys([1])))
        rounds.finished(.keys([1]), succeeded: false, at: .seconds(2), random: 0)
        same(rounds.next(at: .seconds(2)), .sleep(until: .seconds(3)))
        same(rounds.next(at: .seconds(3)), .run(.keys([1])))
        rounds.finished(.keys([1]), succeeded: false, at: .seconds(3), random: 0)
        same(rounds.next(at: .seconds(3)), .sleep(until: .seconds(5)))
        same(rounds.next(at: .seconds(5)), .run(.keys([1])))
        rounds.finished(.keys([1]), succeeded: true, at: .seconds(5), random: 0)
        same(rounds.next(at: .seconds(5)), .sleep(until: .seconds(60)))
        rounds.mark([2], at: .seconds(6))
        same(rounds.next(at: .seconds(7)), .run(.keys([2])))
        rounds.finished(.keys([2]), succeeded: false, at: .seconds(7), random: 0)
        same(rounds.next(at: .seconds(7)), .sleep(until: .seconds(8)))
    }

    @Test("a failure of everything is everything again")
    func fullFailure() {
        var rounds = rounds()
        same(rounds.next(at: .zero), .run(.all))
        rounds.finished(.all, succeeded: false, at: .zero, random: 0)
        same(rounds.next(at: .zero), .sleep(until: .seconds(1)))
        rounds.markAll(at: .zero)
        same(rounds.next(at: .milliseconds(999)), .sleep(until: .seconds(1)))
        same(rounds.next(at: .seconds(1)), .run(.all))
        rounds.finished(.all, succeeded: true, at: .seconds(1), random: 0)
        same(rounds.next(at: .seconds(1)), .sleep(until: .seconds(61)))
    }

    // One route that the kernel refused for good made every other change on the node up to thirty seconds late.
    @Test("a key that was marked does not wait for one that failed", arguments: [true, false])
    func independence(_ everythingFailed: Bool) {
        var rounds = asleep()
        rounds.mark([1], at: .seconds(1))
        same(rounds.next(at: .seconds(2)), .run(.keys([1])))
        rounds.finished(everythingFailed ? .all : .keys([1]), succeeded: false, at: .seconds(2), random: 0)
        rounds.mark([2], at: .seconds(2))
        same(rounds.next(at: .milliseconds(2015)), .run(.keys([2])))
        rounds.finished(.keys([2]), succeeded: true, at: .milliseconds(2016), random: 0)
        same(rounds.next(at: .milliseconds(2016)), .sleep(until: .seconds(3)))
        same(rounds.next(at: .seconds(3)), .run(everythingFailed ? .all : .keys([1])))
    }

    @Test(
        "nothing that was marked is lost, and everything is looked at within a period and the longest wait",
        arguments: Seed.fresh(24))
    func histories(_ seed: Seed) {
        var seed = seed
        var rounds = rounds()
        var now = Duration.zero
        /// What has to be looked at, and since when.
        var open: [Int: Duration] = [:]
        var lastFull = Duration.zero
        var running: Rounds<Int>.Scope?
        var failures = 0
        for _ in 0..<1500 {
            now += .milliseconds([0, 1, 3, 20, 500, 4000][seed.number(below: 6)])
            switch seed.number(below: 8) {
            case 0..<3:
                let keys = (0..<seed.number(below: 3)).map { _ in seed.number(below: 6) }
                rounds.mark(keys, at: now)
                for key in keys where open[key] == nil { open[key] = now }
            case 3 where seed.chance(1, in: 4):
                rounds.markAll(at: now)
                for key in 0..<6 where open[key] == nil { open[key] = now }
            default: break
            }
            if let scope = running, seed.chance(1, in: 2) {
                let succeeded = !seed.chance(2, in: 5)
                if !succeeded { failures += 1 }
                rounds.finished(scope, succeeded: succeeded, at: now, random: Double(seed.number(below: 1000)) / 1000)
                running = nil
                let keys = keys(scope)
                for key in keys where !succeeded && open[key] == nil { open[key] = now }
                if succeeded, scope == .all { lastFull = now }
            }
            switch rounds.next(at: now) {
            case .busy: #expect(running != nil)
            case .sleep(let until):
                #expect(running == nil && until > now)
                #expect(until <= max(lastFull + .seconds(60), now + .seconds(30)))
                if !open.isEmpty { #expect(until <= now + .seconds(30)) }
            case .run(let scope):
                #expect(running == nil)
                #expect(scope != .keys([]))
                running = scope
                for key in keys(scope) { open[key] = nil }
            }
        }
        #expect(failures > 0)
        // Then no more is marked and everything works: what is open is looked at, and nothing else before the period is over.
        if let scope = running { rounds.finished(scope, succeeded: true, at: now, random: 0) }
        var count = 0
        while !open.isEmpty {
            count += 1
            guard count < 20 else { break }
            switch rounds.next(at: now) {
            case .busy: Issue.record("busy without a round")
            case .sleep(let until): now = until
            case .run(let scope):
                for key in keys(scope) { open[key] = nil }
                rounds.finished(scope, succeeded: true, at: now, random: 0)
            }
        }
        #expect(open.isEmpty)
    }

    private func keys(_ scope: Rounds<Int>.Scope) -> Set<Int> {
        switch scope {
        case .all: Set(0..<6)
        case .keys(let keys): keys
        }
    }

    /// `#expect` cannot look into a call that changes its object.
    private func same<Value: Equatable>(_ actual: Value, _ wanted: Value, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(actual == wanted, sourceLocation: sourceLocation)
    }
}
