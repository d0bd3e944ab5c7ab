/// When a round runs and on what: the protocol of every reconciling loop, without a clock, a task or a timer.
///
/// ```
///             mark(keys) ┌─────────┐ due       finished(ok)
///   asleep ─────────────►│ waiting │──────► running ───────► asleep (or waiting, when marked meanwhile)
///                        └─────────┘           │ finished(failed)
///                             ▲                ▼
///                             └────────── waiting (backoff; what failed stays marked)
/// ```
/// At start and every `period` all keys are due, because events can be lost and the kernel can be changed by others.
///
/// Rounds of everything that marks ask for keep a distance when they follow each other (``Crowding``): a node whose network changes
/// all the time is not looked at all the time.
///
/// What failed waits for its next try; keys that are marked meanwhile do not wait with it. So one thing that the kernel refuses for
/// good does not make everything else late.
public struct Rounds<Key: Hashable & Sendable>: Sendable {
    /// What a round has to look at.
    public enum Scope: Hashable, Sendable {
        case all
        case keys(Set<Key>)
    }

    /// What the caller does next.
    public enum Action: Hashable, Sendable {
        /// Run a round now and report with ``finished(_:succeeded:at:random:)``.
        case run(Scope)
        /// Ask again at this time, or earlier after a mark.
        case sleep(until: Duration)
        /// A round runs; its end will be reported.
        case busy
    }

    private let period: Duration
    private var pace: Pace
    private var debounce: Debounce
    private var crowding: Crowding
    private var backoff: Backoff
    private var marked: Set<Key> = []
    private var isAllMarked = false
    private var failed: Set<Key> = []
    private var retryFailed: Duration = .zero
    private var nextFull: Duration
    private var isFullFailing = false
    private var isRunning = false

    /// - Parameters:
    ///   - period: how often everything is looked at although nothing was marked.
    ///   - pace: of rounds of some keys.
    ///   - debounce: gathers what makes everything due.
    public init(
        start: Duration, period: Duration, pace: Pace, debounce: Debounce, backoff: Backoff = Backoff(),
        crowding: Crowding = Crowding()
    ) {
        self.period = period
        self.pace = pace
        self.debounce = debounce
        self.crowding = crowding
        self.backoff = backoff
        nextFull = start
    }

    /// These keys have to be looked at. Marking none changes nothing.
    public mutating func mark(_ keys: some Sequence<Key>, at now: Duration) {
        let keys = Set(keys)
        guard !keys.isEmpty else { return }
        marked.formUnion(keys)
        pace.event(at: now)
    }

    /// Everything has to be looked at; after a failure of everything, when its next try is due.
    public mutating func markAll(at now: Duration) {
        isAllMarked = true
        debounce.event(at: now)
    }

    /// What is marked now is not looked at before, but for everything.
    public var notBefore: Duration { pace.notBefore }

    public mutating func next(at now: Duration) -> Action {
        if isRunning { return .busy }
        let full = fullDue
        if now >= full { return runAll(at: now) }
        let isRetryDue = !failed.isEmpty && now >= retryFailed
        // Keys go along with a round of everything that is about to begin.
        let marksDue = isAllMarked && full - now <= debounce.limit ? nil : pace.due
        let isMarkDue = marksDue.map { now >= $0 } ?? false
        if isRetryDue || isMarkDue { return runKeys(retries: isRetryDue) }
        let others = [marksDue, failed.isEmpty ? nil : retryFailed]
        return .sleep(until: others.compactMap(\.self).reduce(full, min))
    }

    /// - Parameters:
    ///   - scope: what was run, or more, when the round's outcome puts more in doubt.
    ///   - random: 0 ..< 1, spreads retries; asked for when there is to be one.
    public mutating func finished(_ scope: Scope, succeeded: Bool, at now: Duration, random: @autoclosure () -> Double) {
        isRunning = false
        pace.end(at: now)
        switch (scope, succeeded) {
        case (.all, true):
            (isFullFailing, nextFull) = (false, now + period)
        case (.all, false):
            // What fails meanwhile must not put off the next try of everything.
            let retry = now + backoff.next(random: random())
            (isFullFailing, nextFull) = (true, isFullFailing && nextFull > now ? min(nextFull, retry) : retry)
        case (.keys(let keys), true):
            failed.subtract(keys)
        case (.keys(let keys), false):
            failed.formUnion(keys)
            retryFailed = now + backoff.next(random: random())
        }
        if failed.isEmpty, !isFullFailing { backoff.reset() }
    }
}

extension Rounds {
    private var fullDue: Duration {
        guard isAllMarked, !isFullFailing, let due = debounce.due else { return nextFull }
        return min(nextFull, max(due, crowding.notBefore))
    }

    private mutating func runAll(at now: Duration) -> Action {
        crowding.note(at: now)
        marked = []
        failed = []
        isAllMarked = false
        pace.begin()
        debounce.clear()
        isRunning = true
        return .run(.all)
    }

    private mutating func runKeys(retries: Bool) -> Action {
        let keys = retries ? marked.union(failed) : marked
        marked = []
        if retries { failed = [] }
        pace.begin()
        isRunning = true
        return .run(.keys(keys))
    }
}
