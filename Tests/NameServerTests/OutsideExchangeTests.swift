import Addressing
import DNS
import Testing

@testable import NameServer

@Suite("one question to several upstreams, without a socket")
struct OutsideExchangeTests {
    private let question = Question(DomainName("www.example.org") ?? .root, .a)
    private let upstreams = (1...3).map { Upstream(SocketAddress(.v4(IPv4Address(192, 0, 2, $0)), 53)) }

    private func moment(_ now: Duration) -> Exchange.Moment {
        Exchange.Moment(now: now, dice: Dice(random: { 7 }), nextAttempt: Int(now.milliseconds) * 10)
    }

    private var healths: Healths { Dictionary(uniqueKeysWithValues: upstreams.map { ($0, UpstreamHealth()) }) }

    private func exchange(_ order: [Int]) -> Exchange {
        Exchange(question, OutsideWish(question), upstreams, order: order, randomizesCase: false, deadline: .seconds(4)) { _ in
            true
        }
    }

    /// Actions in a few words.
    private func told(_ actions: [Exchange.Action]) -> [String] {
        actions.map { action in
            switch action {
            case .ask(let attempt): "ask \(attempt.upstream)\(attempt.isTCP ? " tcp" : "")"
            case .close: "close"
            case .heard(let upstream, let code, _): "heard \(upstream) \(code)"
            case .lost(let upstream): "lost \(upstream)"
            case .stranger(let upstream): "stranger \(upstream)"
            case .finish(let heard, _): "finish \(heard.answers.map { "\($0.data)" }.joined(separator: " "))"
            case .fail(let failures): "fail " + failures.map { "\($0.upstream) \($0.reason)" }.joined(separator: ", ")
            }
        }
    }

    @Test("who is late is not given up: the next is asked too, and whoever answers first counts")
    func late() throws {
        var (exchange, healths, now) = (exchange([0, 1]), healths, moment(.zero))
        let first = exchange.begin(&now, &healths)
        #expect(told(first) == ["ask 192.0.2.1"] && exchange.nextTime == .seconds(1))
        now = moment(.milliseconds(999))
        #expect(exchange.timePassed(&now, &healths).isEmpty)
        now = moment(.seconds(1))
        #expect(told(exchange.timePassed(&now, &healths)) == ["lost 192.0.2.1", "ask 192.0.2.2"])
        guard case .ask(let attempt) = first[0] else { return }
        now = moment(.milliseconds(1200))
        let reply = try Message(attempt.message).reply(1).bytes()
        #expect(
            Set(told(exchange.heard(reply, attempt.number, &now, &healths)))
                == ["heard 192.0.2.1 NOERROR", "close", "finish 192.0.2.1"])
        #expect(exchange.attempts.isEmpty && healths[upstreams[0]]?.failures == 0)
        #expect(exchange.heard(reply, attempt.number, &now, &healths).isEmpty, "what comes later is nobody's")
    }

    @Test("each is asked twice at most; at the end all are told of")
    func patience() {
        var (exchange, healths, now) = (exchange([0, 1]), healths, moment(.zero))
        var asked = told(exchange.begin(&now, &healths))
        while exchange.nextTime < .seconds(4) {
            now = moment(exchange.nextTime)
            asked += told(exchange.timePassed(&now, &healths)).filter { $0.hasPrefix("ask") }
        }
        #expect(asked == ["ask 192.0.2.1", "ask 192.0.2.2", "ask 192.0.2.1", "ask 192.0.2.2"])
        now = moment(.seconds(4))
        let end = told(exchange.timePassed(&now, &healths))
        #expect(upstreams[..<2].map { healths[$0]?.failures } == [2, 2])
        #expect(end.filter { $0 == "close" }.count == 4)
        #expect(end.last?.hasPrefix("fail 192.0.2.") ?? false && end.last?.contains("no answer in time") ?? false)
    }

    @Test("nobody to ask is a failure at once")
    func nobody() {
        var (exchange, healths, now) = (exchange([]), healths, moment(.zero))
        #expect(told(exchange.begin(&now, &healths)) == ["fail "])
    }

    @Test("the fastest is asked, others now and then, those that rest last, and never those that lead back to us")
    func order() {
        var dice = RepeatableDice(seed: 3)
        var all = [UpstreamHealth(), UpstreamHealth(), UpstreamHealth(), UpstreamHealth()]
        all[0].answered(after: .milliseconds(20))
        all[1].answered(after: .milliseconds(5))
        all[2].failed(now: .zero)
        all[2].failed(now: .zero)
        all[3].isLoop = true
        var first: [Int: Int] = [:]
        for _ in 0..<1000 {
            let order = UpstreamHealth.order(all, .fastest, now: .milliseconds(1), using: &dice)
            #expect(order.count == 3 && order.last == 2 && !order.contains(3))
            first[order[0], default: 0] += 1
        }
        #expect((1...200).contains(first[0] ?? 0) && (first[1] ?? 0) >= 800)
        #expect(UpstreamHealth.order(all, .sequential, now: .milliseconds(1), using: &dice) == [0, 1, 2])
        #expect(UpstreamHealth.order(all, .sequential, now: .seconds(60), using: &dice) == [0, 1, 2], "it has rested")
        all[2].answered(after: .milliseconds(1))
        #expect(UpstreamHealth.order(all, .fastest, now: .milliseconds(1), using: &dice).count == 3)
    }

    @Test("an upstream rests longer each time that it fails, thirty seconds at most, and not at all once it answers")
    func rest() {
        var health = UpstreamHealth()
        var rests: [Duration] = []
        for _ in 0..<9 {
            health.failed(now: .zero)
            rests.append(health.restUntil)
        }
        #expect(rests == [0, 1, 2, 4, 8, 16, 30, 30, 30].map { .seconds($0) })
        health.answered(after: .milliseconds(1))
        #expect(!health.isResting(at: .zero) && health.failures == 0)
    }
}
