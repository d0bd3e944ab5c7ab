internal import DNS

/// One question to one group of upstreams, from the first attempt to an answer or to the end of patience. It holds no sockets and
/// no timers: events go in, actions come out.
///
/// ```
///            UDP, waited for as long as this upstream usually takes
///   begin ──► attempt ──► answer ─────────────────────────────────► finish
///               │  ├─ truncated, its case lost ──► the same over TCP
///               │  ├─ FORMERR, NOTIMP ──► the same without EDNS
///               │  └─ SERVFAIL, REFUSED, nonsense, nobody there ──► the next upstream
///               └─ late: the next upstream too; whoever answers first counts
/// ```
struct Exchange {
    let question: Question
    let wish: OutsideWish
    private let upstreams: [Upstream]
    private let mayTellOf: (DomainName) -> Bool
    private let randomizesCase: Bool
    /// Who is asked next, twice each.
    private var queue: [Int]
    private(set) var attempts: [Int: Attempt] = [:]
    private var failures: [Failure] = []
    private let deadline: Duration

    struct Attempt {
        let number: Int
        let upstream: Upstream
        fileprivate let index: Int
        let isTCP: Bool
        let usesEDNS: Bool
        let message: [UInt8]
        fileprivate let name: DomainName
        fileprivate let id: UInt16
        fileprivate let begun: Duration
        /// When another is asked too; `nil` when that has happened.
        fileprivate var patience: Duration?
    }

    /// Why an upstream was of no use.
    struct Failure {
        var upstream: Upstream
        var reason: Reason
        /// What it said of the reason itself.
        var error: ExtendedError?

        enum Reason: Hashable {
            case late
            /// An error number of the kernel.
            case network(Int32)
            case closed
            case nonsense
            case code(ResponseCode)
            case referral
        }
    }

    enum Action {
        case ask(Attempt)
        /// The attempt is over.
        case close(Int)
        /// An upstream answered, after this time.
        case heard(Upstream, ResponseCode, Duration)
        /// An upstream did not.
        case lost(Upstream)
        /// Something came in the place of an answer.
        case stranger(Upstream)
        case finish(HeardAnswer, isAuthentic: Bool)
        case fail([Failure])
    }

    /// What the loop tells of itself with each event.
    struct Moment {
        var now: Duration
        var dice: Dice
        /// Numbers that attempts take.
        var nextAttempt: Int
    }

    /// - Parameter order: of the upstreams, the first is asked first; those that are left out are not asked.
    init(
        _ question: Question, _ wish: OutsideWish, _ upstreams: [Upstream], order: [Int], randomizesCase: Bool,
        deadline: Duration,
        mayTellOf: @escaping (DomainName) -> Bool
    ) {
        (self.question, self.wish, self.upstreams, self.mayTellOf) = (question, wish, upstreams, mayTellOf)
        (self.randomizesCase, self.deadline) = (randomizesCase, deadline)
        queue = order + order
    }

    /// When ``time(_:_:)`` wants to be called, at the latest.
    var nextTime: Duration { attempts.values.compactMap(\.patience).min().map { min($0, deadline) } ?? deadline }
}

/// Chance that is passed in.
struct Dice: RandomNumberGenerator {
    let random: @Sendable () -> UInt64
    mutating func next() -> UInt64 { random() }
}

typealias Healths = [Upstream: UpstreamHealth]

// MARK: - Events

extension Exchange {
    mutating func begin(_ moment: inout Moment, _ healths: inout Healths) -> [Action] { askNext(&moment, &healths) }

    /// Bytes came in answer to an attempt.
    mutating func heard(_ bytes: [UInt8], _ number: Int, _ moment: inout Moment, _ healths: inout Healths) -> [Action] {
        guard let attempt = attempts[number] else { return [] }
        guard bytes.count >= Header.size, UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == attempt.id else {
            return stranger(attempt, &moment, &healths)
        }
        let message: Message
        do { message = try Message(bytes) } catch {
            // The id is right: it is a broken answer rather than a forged one.
            return failed(attempt, .nonsense, nil, &moment, &healths)
        }
        guard message.header.isResponse, message.header.opcode == .query, isAnswered(message, attempt) else {
            return stranger(attempt, &moment, &healths)
        }
        if randomizesCase, !attempt.isTCP, let name = message.questions.first?.name, name.wire != attempt.name.wire {
            return again(attempt, isTCP: true, usesEDNS: attempt.usesEDNS, &moment, &healths)
        }
        let time = moment.now - attempt.begun
        healths[attempt.upstream]?.answered(after: time)
        return [.heard(attempt.upstream, message.responseCode, time)] + judged(message, attempt, &moment, &healths)
    }

    /// The network says that an attempt comes to nothing.
    mutating func broke(
        _ number: Int, _ reason: Failure.Reason, _ moment: inout Moment, _ healths: inout Healths
    ) -> [Action] {
        guard let attempt = attempts[number] else { return [] }
        healths[attempt.upstream]?.failed(now: moment.now)
        return [.lost(attempt.upstream)] + failed(attempt, reason, nil, &moment, &healths)
    }

    /// Time has passed.
    mutating func time(_ moment: inout Moment, _ healths: inout Healths) -> [Action] {
        guard moment.now < deadline else {
            for attempt in attempts.values { failures.append(Failure(upstream: attempt.upstream, reason: .late)) }
            return end() + [.fail(failures)]
        }
        var actions: [Action] = []
        for attempt in attempts.values where attempt.patience.map({ $0 <= moment.now }) ?? false {
            attempts[attempt.number]?.patience = nil
            healths[attempt.upstream]?.failed(now: moment.now)
            actions += [.lost(attempt.upstream)] + askNext(&moment, &healths)
        }
        return actions
    }
}

// MARK: - Judging

extension Exchange {
    /// Whether a message answers what was asked; those that did not understand us may leave the question out.
    private func isAnswered(_ message: Message, _ attempt: Attempt) -> Bool {
        if message.questions.isEmpty { return attempt.usesEDNS && Self.saysNoEDNS(message) }
        return message.questions.count == 1
            && message.questions[0] == Question(attempt.name, question.type, recordClass: question.recordClass)
    }

    private static func saysNoEDNS(_ message: Message) -> Bool {
        [.formatError, .notImplemented, .badVersion].contains(message.responseCode)
    }

    /// Over UDP anybody can send us that: the true answer may come yet. Over TCP it is who we asked, and he makes no sense.
    private mutating func stranger(_ attempt: Attempt, _ moment: inout Moment, _ healths: inout Healths) -> [Action] {
        [.stranger(attempt.upstream)] + (attempt.isTCP ? failed(attempt, .nonsense, nil, &moment, &healths) : [])
    }

    private mutating func judged(
        _ message: Message, _ attempt: Attempt, _ moment: inout Moment, _ healths: inout Healths
    ) -> [Action] {
        if attempt.usesEDNS, Self.saysNoEDNS(message) {
            healths[attempt.upstream]?.understandsNoEDNS(now: moment.now)
            return again(attempt, isTCP: attempt.isTCP, usesEDNS: false, &moment, &healths)
        }
        if message.header.isTruncated {
            if attempt.isTCP { return failed(attempt, .nonsense, nil, &moment, &healths) }
            return again(attempt, isTCP: true, usesEDNS: attempt.usesEDNS, &moment, &healths)
        }
        guard message.responseCode == .noError || message.responseCode == .nameError else {
            let error = message.edns?.options.compactMap(\.extendedError).first
            return failed(attempt, .code(message.responseCode), error, &moment, &healths)
        }
        var step = wish
        step.question = question
        do {
            let heard = try HeardAnswer(message, to: step, mayTellOf: mayTellOf)
            return end() + [.finish(heard, isAuthentic: attempt.upstream.isTrusted && message.header.isAuthenticData)]
        } catch {
            return failed(attempt, error == .referral ? .referral : .nonsense, nil, &moment, &healths)
        }
    }

    /// Nothing can come of this attempt, nor of asking this upstream once more.
    private mutating func failed(
        _ attempt: Attempt, _ reason: Failure.Reason, _ error: ExtendedError?, _ moment: inout Moment, _ healths: inout Healths
    ) -> [Action] {
        attempts[attempt.number] = nil
        failures.append(Failure(upstream: attempt.upstream, reason: reason, error: error))
        queue.removeAll { $0 == attempt.index }
        return [.close(attempt.number)] + askNext(&moment, &healths)
    }

    /// Closes what is open; nothing more is asked.
    private mutating func end() -> [Action] {
        defer { (attempts, queue) = ([:], []) }
        return attempts.keys.map(Action.close)
    }
}

// MARK: - Asking

extension Exchange {
    private mutating func askNext(_ moment: inout Moment, _ healths: inout Healths) -> [Action] {
        guard !queue.isEmpty else { return attempts.isEmpty ? [.fail(failures)] : [] }
        let index = queue.removeFirst()
        let upstream = upstreams[index]
        let speaksEDNS = healths[upstream]?.speaksEDNS(at: moment.now) ?? true
        return ask(index, isTCP: upstream.isTCPOnly, usesEDNS: speaksEDNS, &moment, healths)
    }

    /// The same upstream in another manner, in the place of an attempt.
    private mutating func again(
        _ attempt: Attempt, isTCP: Bool, usesEDNS: Bool, _ moment: inout Moment, _ healths: inout Healths
    ) -> [Action] {
        attempts[attempt.number] = nil
        return [.close(attempt.number)] + ask(attempt.index, isTCP: isTCP, usesEDNS: usesEDNS, &moment, healths)
    }

    private mutating func ask(
        _ index: Int, isTCP: Bool, usesEDNS: Bool, _ moment: inout Moment, _ healths: Healths
    ) -> [Action] {
        let id = UInt16.random(in: 0...UInt16.max, using: &moment.dice)
        let name = randomizesCase && !isTCP ? question.name.randomCase(using: &moment.dice) : question.name
        let edns = usesEDNS ? EDNS(udpSize: 1232, isDNSSECWanted: wish.isDNSSECWanted) : nil
        var message = Message.query(Question(name, question.type, recordClass: question.recordClass), id: id, edns: edns)
        message.header.isCheckingDisabled = wish.isCheckingDisabled
        // RFC 6840 §5.7: without DO it is AD that asks for AD.
        message.header.isAuthenticData = upstreams[index].isTrusted
        let timeout = healths[upstreams[index]]?.timeout ?? UpstreamHealth().timeout
        let attempt = Attempt(
            number: moment.nextAttempt, upstream: upstreams[index], index: index, isTCP: isTCP, usesEDNS: usesEDNS,
            message: message.bytes(), name: name, id: id, begun: moment.now,
            patience: moment.now + (isTCP ? timeout * 2 : timeout))
        moment.nextAttempt += 1
        attempts[attempt.number] = attempt
        return [.ask(attempt)]
    }
}

extension DomainName {
    /// Each ASCII letter in upper or lower case.
    func randomCase(using dice: inout some RandomNumberGenerator) -> DomainName {
        var (bits, left): (UInt64, Int) = (0, 0)
        let turned = labels.map { label in
            label.map { byte -> UInt8 in
                let low = lowercased(byte)
                guard (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(low) else { return byte }
                if left == 0 { (bits, left) = (dice.next(), 64) }
                defer { (bits, left) = (bits >> 1, left - 1) }
                return bits & 1 == 0 ? low : low & ~0x20
            }
        }
        return DomainName(labels: turned) ?? self
    }
}
