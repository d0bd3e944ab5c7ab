/// How an upstream has answered lately, and by that which of several is asked next. Time is passed in, since some moment.
struct UpstreamHealth {
    /// Smoothed, as TCP does it (RFC 6298 §2); `nil` until it has answered.
    private(set) var latency: Duration?
    private var variation: Duration = .zero
    /// Attempts in a row that nobody answered.
    private(set) var failures = 0
    /// It is left alone until then.
    private(set) var restUntil: Duration = .zero
    /// It does not understand EDNS (RFC 6891 §6.2.2); asked again with it from then on.
    private var plainUntil: Duration = .zero
    /// What we send it comes back to us.
    var isLoop = false
    /// It is ourselves.
    var isSelf = false
    var mayBeAsked: Bool { !isLoop && !isSelf }

    private static let mostFailures = 2
    private static let leastRest: Duration = .seconds(1)
    private static let longestRest: Duration = .seconds(30)

    mutating func answered(after time: Duration) {
        (failures, restUntil) = (0, .zero)
        guard let old = latency else {
            (latency, variation) = (time, time / 2)
            return
        }
        let difference = old > time ? old - time : time - old
        variation = (variation * 3 + difference) / 4
        latency = (old * 7 + time) / 8
    }

    /// - Returns: true when it counts as down from now on.
    @discardableResult
    mutating func failed(now: Duration) -> Bool {
        failures += 1
        guard failures >= Self.mostFailures else { return false }
        let doublings = min(failures - Self.mostFailures, 5)
        restUntil = now + min(Self.leastRest * (1 << doublings), Self.longestRest)
        return failures == Self.mostFailures
    }

    func isResting(at now: Duration) -> Bool { now < restUntil }

    mutating func understandsNoEDNS(now: Duration) { plainUntil = now + .seconds(900) }
    func speaksEDNS(at now: Duration) -> Bool { now >= plainUntil }

    /// How long an answer is waited for before another is asked too.
    var timeout: Duration {
        guard let latency else { return .seconds(1) }
        return min(max(latency + variation * 4, .milliseconds(250)), .milliseconds(1500))
    }
}

extension UpstreamHealth {
    /// One attempt in so many goes to another than the fastest.
    private static let tryOthers = 20

    /// The order in which upstreams are asked: the first now, the next ones when it does not answer. Those that rest stand at the
    /// end, as asking them is better than asking nobody; those that lead back to us are left out.
    static func order(
        _ all: [UpstreamHealth], _ order: ForwardingSettings.Order, now: Duration, using dice: inout some RandomNumberGenerator
    ) -> [Int] {
        var good = all.indices.filter { all[$0].mayBeAsked && !all[$0].isResting(at: now) }
        let resting = all.indices.filter { all[$0].mayBeAsked && all[$0].isResting(at: now) }
            .sorted { (all[$0].restUntil, $0) < (all[$1].restUntil, $1) }
        switch order {
        case .sequential: break
        case .random: good.shuffle(using: &dice)
        case .fastest:
            // Who has never been asked comes first, so that everybody's time is known soon.
            good.shuffle(using: &dice)
            good.sort { (all[$0].latency ?? .zero) < (all[$1].latency ?? .zero) }
            if good.count > 1, Int.random(in: 0..<tryOthers, using: &dice) == 0 {
                good.swapAt(0, Int.random(in: 1..<good.count, using: &dice))
            }
        }
        return good + resting
    }
}
