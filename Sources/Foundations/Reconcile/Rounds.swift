/// When a round runs and on what: the protocol of every reconciling loop, without a clock, a task or a timer.
///
/// ```
///             mark(keys) ┌─────────┐ due       finished(ok)
///   asleep ─────────────►│ waiting │──────► running ───────► asleep (or waiting, when marked meanwhile)
///                        └─────────┘           │ finished(failed)
///                             ▲                ▼
///                             └────────── waiting (backoff; the keys stay marked)
/// ```
/// At start and every `period` all keys are due, because events can be lost and the kernel can be changed by others.
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
    private var debounce: Debounce
    private var backoff: Backoff
    private var marked: Scope = .all
    private var isRunning = false
    private var notBefore: Duration
    private var nextFull: Duration

    /// - Parameter period: how often everything is looked at although nothing was marked.
    public init(start: Duration, period: Duration, debounce: Debounce, backoff: Backoff = Backoff()) {
        self.period = period
        self.debounce = debounce
        self.backoff = backoff
        notBefore = start
        nextFull = start
    }

    /// These keys have to be looked at.
    public mutating func mark(_ keys: some Sequence<Key>, at now: Duration) {
        merge(.keys(Set(keys)))
        debounce.event(at: now)
    }

    /// Everything has to be looked at.
    public mutating func markAll(at now: Duration) {
        marked = .all
        debounce.event(at: now)
    }

    public mutating func next(at now: Duration) -> Action {
        if isRunning { return .busy }
        let wanted = min(nextFull, debounce.due ?? nextFull)
        let start = max(wanted, notBefore)
        guard now >= start else { return .sleep(until: start) }
        if now >= nextFull { marked = .all }
        let scope = marked
        marked = .keys([])
        debounce.clear()
        isRunning = true
        return .run(scope)
    }

    /// - Parameter random: 0 ..< 1, spreads retries.
    public mutating func finished(_ scope: Scope, succeeded: Bool, at now: Duration, random: Double) {
        isRunning = false
        if succeeded {
            backoff.reset()
            notBefore = now
            if scope == .all { nextFull = now + period }
        } else {
            merge(scope)
            debounce.event(at: now)
            notBefore = now + backoff.next(random: random)
        }
    }

    private mutating func merge(_ scope: Scope) {
        switch (marked, scope) {
        case (.keys(let a), .keys(let b)): marked = .keys(a.union(b))
        case (.all, _), (_, .all): marked = .all
        }
    }
}
