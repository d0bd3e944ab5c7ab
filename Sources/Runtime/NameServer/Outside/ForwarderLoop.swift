internal import Addressing
internal import DNS
internal import Logging

/// What the forwarder's thread does: letters, messages and alarms in, questions and answers out.
final class ForwarderLoop {
    private var sockets: ForwarderSockets
    private let inbox: ForwarderInbox
    private let memory: AnswerMemory
    private let clock: @Sendable () -> Duration
    private let logger: Logger
    private let report: @Sendable (ForwardingTrouble) -> Void

    private var settings = ForwardingSettings()
    private var healths: Healths = [:]
    private var moment: Exchange.Moment
    private var inquiries: [Int: Inquiry] = [:]
    private var numbers: [OutsideWish: Int] = [:]
    private var nextNumber = 0
    /// Inquiries that are begun when another ends.
    private var waiting: [Int] = []
    private var isAdmitting = false
    private var alarms = Alarms<Alarm>()
    private var probes = LoopProbes()

    private enum Alarm {
        case exchange(Int)
        /// Whoever waits has waited long enough for something fresh.
        case impatience(Int)
        case probe
    }

    /// RFC 8767 §5: clients that wait are given a stale answer by then.
    private static let impatience: Duration = .milliseconds(1800)
    /// How many wishes wait for one that is under way, before others are turned away.
    private static let mostWaiting = 10
    private static let probeInterval: Duration = .seconds(60)

    init(
        _ sockets: consuming ForwarderSockets, _ inbox: ForwarderInbox, _ memory: AnswerMemory,
        now: @escaping @Sendable () -> Duration, dice: Dice, _ logger: Logger,
        _ report: @escaping @Sendable (ForwardingTrouble) -> Void
    ) {
        (self.inbox, self.memory, clock, self.logger, self.report) = (inbox, memory, now, logger, report)
        self.sockets = sockets
        moment = Exchange.Moment(now: now(), dice: dice, nextAttempt: 1)
    }

    func run() {
        withUnsafeTemporaryAllocation(byteCount: Int(UInt16.max) + 1, alignment: 8) { bytes in
            while round(bytes) {}
        }
        inbox.close()
        waiting = []
        for number in inquiries.keys.sorted() { finish(number, ForwarderInbox.ended, isKept: false) }
    }

    /// - Returns: false when it was told to stop.
    private func round(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
        moment.now = clock()
        let left = alarms.next.map { max(0, ($0 - moment.now).milliseconds + 1) }
        let events = sockets.wait(left.map { CInt(clamping: $0) } ?? -1, bytes)
        moment.now = clock()
        for event in events {
            switch event {
            case .wake:
                var isOver = false
                for letter in inbox.take() {
                    // Who asked after the end is answered too.
                    if isOver { ForwarderInbox.turnAway(letter) } else { isOver = !receive(letter) }
                }
                if isOver { return false }
            case .message(let message, let owner, let attempt):
                perform(on: owner) { $0.heard(message, attempt, &moment, &healths) }
            case .broke(let reason, let owner, let attempt):
                perform(on: owner) { $0.broke(attempt, reason, &moment, &healths) }
            }
        }
        for alarm in alarms.due(at: moment.now) { ring(alarm) }
        return true
    }

    private func ring(_ alarm: Alarm) {
        switch alarm {
        case .exchange(let number):
            guard let exchange = inquiries[number]?.exchange else { return overdue(number) }
            if exchange.nextTime > moment.now { return alarms.set(exchange.nextTime, alarm) }
            perform(on: number) { $0.timePassed(&moment, &healths) }
            if let next = inquiries[number]?.exchange?.nextTime { alarms.set(max(next, moment.now), alarm) }
        case .impatience(let number):
            guard let inquiry = inquiries[number], !inquiry.waiters.isEmpty,
                let stale = memory.stale(inquiry.wish, now: moment.now)
            else { return }
            inquiries[number]?.waiters = []
            for answered in inquiry.waiters { answered(stale) }
        case .probe: probe(only: { [healths] in healths[$0]?.isLoop ?? false })
        }
    }
}

// MARK: - Letters

extension ForwarderLoop {
    private func receive(_ letter: ForwarderInbox.Letter) -> Bool {
        switch letter {
        case .resolve(let wish, let answered): resolve(wish, answered)
        case .refresh(let wish): if numbers[wish] == nil { begin(Inquiry(wish, begun: moment.now)) }
        case .use(let settings): use(settings)
        case .stop: return false
        }
        return true
    }

    private func use(_ new: ForwardingSettings) {
        // What others said of names that are ours now is worth nothing.
        if Set(new.ownDomains) != Set(settings.ownDomains) { memory.forget() }
        settings = new
        var all = Set(new.upstreams)
        for stub in new.stubs { all.formUnion(stub.upstreams) }
        healths = healths.filter { all.contains($0.key) }
        for upstream in all where healths[upstream] == nil { healths[upstream] = UpstreamHealth() }
        for upstream in all.sorted(by: { $0.description < $1.description }) {
            healths[upstream]?.isSelf = new.isOwn(upstream.address)
            if healths[upstream]?.isSelf ?? false { report(.ownAddress(upstream)) }
        }
        if new.upstreams.isEmpty { report(.nobody(.root)) }
        for stub in new.stubs where stub.upstreams.isEmpty { report(.nobody(stub.domain)) }
        inbox.count { figures in
            figures.upstreams = all.map { upstream in
                figures.upstreams.first { $0.upstream == upstream } ?? ForwarderFigures.Peer(upstream)
            }
        }
        publish()
        if new.detectsLoops { probe(only: { _ in true }) }
    }

    private func resolve(_ wish: OutsideWish, _ answered: @escaping @Sendable (OutsideAnswer) -> Void) {
        if let upstream = probes.upstream(of: wish.question) {
            // Our own question, from outside: answered at once, so that it goes round no more.
            loops(upstream)
            return answered(.failure(.other, "the upstream \(upstream) asks us what we ask it"))
        }
        // It may have been heard between the look into the memory and now.
        if let known = memory.look(wish, now: moment.now), known.rest.map(isOurs) ?? true { return answered(known) }
        if let number = numbers[wish] {
            inquiries[number]?.waiters.append(answered)
            return inbox.count { $0.shared += 1 }
        }
        guard inquiries.count < settings.mostUnderWay * (1 + Self.mostWaiting) else {
            inbox.count { $0.rejected += 1 }
            return answered(.failure(.other, "too many questions wait for an answer"))
        }
        var inquiry = Inquiry(wish, begun: moment.now)
        inquiry.waiters = [answered]
        begin(inquiry)
    }
}

// MARK: - Inquiries

extension ForwarderLoop {
    private func begin(_ inquiry: Inquiry) {
        let number = nextNumber
        nextNumber += 1
        inquiries[number] = inquiry
        if inquiry.probed == nil { numbers[inquiry.wish] = number }
        if !inquiry.waiters.isEmpty, memory.stale(inquiry.wish, now: moment.now, isCounted: false) != nil {
            alarms.set(moment.now + Self.impatience, .impatience(number))
        }
        if inquiries.count - waiting.count > settings.mostUnderWay {
            waiting.append(number)
            alarms.set(inquiry.begun + settings.patience, .exchange(number))
        } else {
            ask(number)
        }
        publish()
    }

    /// Asks those who have the word on the inquiry's name.
    private func ask(_ number: Int) {
        guard let inquiry = inquiries[number] else { return }
        let settings = settings
        let isFirst = inquiry.name == inquiry.wish.question.name
        let route = settings.route(of: inquiry.name, isAsked: isFirst)
        let upstreams = inquiry.probed.map { [$0] } ?? settings.upstreams(route)
        let order =
            inquiry.probed != nil
            ? [0]
            : UpstreamHealth.order(
                upstreams.map { healths[$0] ?? UpstreamHealth() }, settings.order, now: moment.now, using: &moment.dice)
        if let first = order.first, healths[upstreams[first]]?.isResting(at: moment.now) ?? false, inquiry.probed == nil {
            inbox.count { $0.broken += 1 }
        }
        var exchange = Exchange(
            inquiry.question, inquiry.wish, upstreams, order: order, randomizesCase: settings.randomizesCase,
            deadline: inquiry.begun + settings.patience
        ) { settings.route(of: $0) == route }
        let actions = exchange.begin(&moment, &healths)
        inquiries[number]?.exchange = exchange
        perform(actions, number)
        if let next = inquiries[number]?.exchange?.nextTime { alarms.set(next, .exchange(number)) }
    }

    /// It never came to its turn.
    private func overdue(_ number: Int) {
        guard inquiries[number] != nil, waiting.contains(number) else { return }
        waiting.removeAll { $0 == number }
        finish(number, .failure(.other, "too many questions are under way"), isKept: false)
    }

    private func perform(on number: Int, _ event: (inout Exchange) -> [Exchange.Action]) {
        guard var exchange = inquiries[number]?.exchange else { return }
        let before = exchange.nextTime
        let actions = event(&exchange)
        inquiries[number]?.exchange = exchange
        if exchange.nextTime < before { alarms.set(exchange.nextTime, .exchange(number)) }
        perform(actions, number)
    }

    private func perform(_ actions: [Exchange.Action], _ number: Int) {
        for action in actions {
            switch action {
            case .ask(let attempt):
                count(attempt.upstream) { $0.questions += 1 }
                if let error = sockets.ask(attempt, owner: number) {
                    perform(on: number) { $0.broke(attempt.number, .network(error), &moment, &healths) }
                }
            case .close(let attempt): sockets.close(attempt)
            case .heard(let upstream, let code, let time): count(upstream) { $0.answers[code, default: .init()].add(time) }
            case .stranger(let upstream): count(upstream) { $0.strangers += 1 }
            case .lost(let upstream): count(upstream) { $0.failures += 1 }
            case .finish(let heard, let isAuthentic): add(heard, isAuthentic, number)
            case .fail(let failures): finish(number, .failure(failures))
            }
        }
    }

    private func add(_ heard: HeardAnswer, _ isAuthentic: Bool, _ number: Int) {
        guard var inquiry = inquiries[number] else { return }
        let progress = inquiry.add(heard, isAuthentic: isAuthentic, isOurs: isOurs)
        inquiry.exchange = nil
        inquiries[number] = inquiry
        switch progress {
        case .answered(let answer): finish(number, answer)
        case .unfinished: ask(number)
        }
    }

    private func isOurs(_ name: DomainName) -> Bool { if case .ours = settings.route(of: name) { true } else { false } }

    /// - Parameter isKept: false for what says nothing of the name.
    private func finish(_ number: Int, _ answer: OutsideAnswer, isKept: Bool = true) {
        guard let inquiry = inquiries.removeValue(forKey: number) else { return }
        for attempt in inquiry.exchange?.attempts.keys.map(\.self) ?? [] { sockets.close(attempt) }
        if let probed = inquiry.probed {
            ended(probed, inquiry.wish.question, isAnswered: !answer.isFailure)
        } else {
            numbers[inquiry.wish] = nil
            var told = isKept ? memory.keep(answer, to: inquiry.wish, now: moment.now) : answer
            if answer.isFailure {
                logger.debug(
                    "nobody told what a name is",
                    metadata: ["question": "\(inquiry.wish.question)", "why": "\(answer.error?.text ?? "")"])
                if !inquiry.waiters.isEmpty, let stale = memory.stale(inquiry.wish, now: moment.now) { told = stale }
            }
            for answered in inquiry.waiters { answered(told) }
        }
        admit()
        publish()
    }

    /// Begins with those that wait, as many as there is room for.
    private func admit() {
        // One that ends at once, as all do where there is no network, would otherwise begin the next within its own end.
        guard !isAdmitting else { return }
        isAdmitting = true
        defer { isAdmitting = false }
        while !waiting.isEmpty, inquiries.count - waiting.count < settings.mostUnderWay { ask(waiting.removeFirst()) }
    }
}

// MARK: - Loops

extension ForwarderLoop {
    /// Sends to upstreams a question that nobody else asks: if it comes to us, we ask ourselves.
    private func probe(only isWanted: (Upstream) -> Bool) {
        var groups: [(DomainName, [Upstream])] = [(.root, settings.upstreams)]
        groups += settings.stubs.map { ($0.domain, $0.upstreams) }
        for (domain, upstreams) in groups {
            for upstream in upstreams where isWanted(upstream) && !(healths[upstream]?.isSelf ?? false) {
                guard let question = probes.question(for: upstream, in: domain, using: &moment.dice) else { continue }
                begin(Inquiry(OutsideWish(question), begun: moment.now, probed: upstream))
            }
        }
    }

    private func loops(_ upstream: Upstream) {
        guard var health = healths[upstream] else { return }
        let isNew = !health.isLoop
        health.isLoop = true
        healths[upstream] = health
        guard isNew else { return }
        report(.loop(upstream))
        alarms.set(moment.now + Self.probeInterval, .probe)
        publish()
    }

    private func ended(_ upstream: Upstream, _ question: Question, isAnswered: Bool) {
        let cameBack = probes.end(question)
        guard healths[upstream]?.isLoop ?? false else { return }
        if isAnswered, !cameBack {
            healths[upstream]?.isLoop = false
            report(.loopEnded(upstream))
        } else {
            alarms.set(moment.now + Self.probeInterval, .probe)
        }
    }
}

// MARK: - Figures

extension ForwarderLoop {
    private func count(_ upstream: Upstream, _ body: (inout ForwarderFigures.Peer) -> Void) {
        let health = healths[upstream]
        inbox.count { figures in
            guard let index = figures.upstreams.firstIndex(where: { $0.upstream == upstream }) else { return }
            body(&figures.upstreams[index])
            figures.upstreams[index].latency = health?.latency
        }
    }

    private func publish() {
        inbox.count { figures in
            figures.underWay = inquiries.count
            for index in figures.upstreams.indices {
                let health = healths[figures.upstreams[index].upstream]
                figures.upstreams[index].isLoop = health?.isLoop ?? false
                figures.upstreams[index].isResting = health?.isResting(at: moment.now) ?? false
            }
        }
    }
}
