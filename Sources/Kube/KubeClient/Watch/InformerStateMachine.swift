public import KubeAPI
public import Reconcile

/// The protocol of following one collection of an API server, without a socket, a task or a clock.
///
/// ```
///   start ──► listing ──page, continue──► listing ──last page──► watching ──event, bookmark──► watching
///                ▲ │ failed                    │ 410 Gone           │ │ ended, failed
///                │ ▼                           ▼                    │ ▼
///                waiting (backoff)      listing, unpaged            │ waiting (backoff; none after a useful watch)
///                ▲                                                  │
///                └────────────────── 410 Gone, or ERROR 410 ◄───────┘
/// ```
/// A kind that the server need not serve is empty as long as it does not, and looked for again now and then. Were some of it known,
/// the server is not believed at once: one that starts may not have learnt yet what it serves.
///
/// A relist is compared with what is known, so the consumer hears of the differences only, and differences are those of the objects'
/// projections; resource versions are opaque and only sent back.
public struct InformerStateMachine: Sendable {
    /// What the caller does next. Exactly one of the event methods follows, named beside each.
    public enum Action: Hashable, Sendable {
        /// Ask for a page: ``listed(_:continuing:resourceVersion:)`` or ``listFailed(_:random:)``.
        case list(continuing: String?, limit: Int?)
        /// Watch from here: ``watched(_:random:)`` for each event, at last ``watchEnded(_:after:random:)``.
        case watch(resourceVersion: String)
        /// Wait, then call ``waited()``.
        case wait(Duration)
        /// Go on reading the watch.
        case read
    }

    /// The next action, and what the consumer has to hear first.
    public struct Step: Sendable {
        public var events: [ObjectEvent]
        public var action: Action
    }

    /// Why a request came to nothing.
    public struct Failure: Hashable, Sendable {
        /// The HTTP status, or the `code` of a `Status`; `nil` when there was no answer.
        public var status: Int?
        public var message: String

        public init(status: Int?, message: String) {
            self.status = status
            self.message = message
        }
    }

    private enum State: Sendable {
        case idle
        case listing([Registry.Reading], isPaged: Bool)
        case watching(resourceVersion: String, wasUseful: Bool)
        case waiting(then: Next)
    }

    private enum Next: Sendable {
        case list
        case watch(resourceVersion: String)
    }

    /// What is followed, for faults: `/api/v1/pods`.
    public let origin: String
    private let pageSize: Int
    private let isOptional: Bool
    private let mayBeForbidden: Bool
    /// How often in a row the server did not know the kind, or forbade to read it.
    private var absences = 0
    private var state = State.idle
    private var backoff: Backoff
    private var known = ObjectMarks()
    private var isListed = false
    private var objectFaults: [ObjectKey: [SourceFault]] = [:]
    private var namelessFaults: [SourceFault] = []
    private var failure: SourceFault?
    private var toldFaults: [SourceFault] = []

    /// - Parameters:
    ///   - isOptional: whether the server need not serve the kind.
    ///   - mayBeForbidden: whether the server may forbid to read it.
    public init(
        origin: String, pageSize: Int = 500, backoff: Backoff = Backoff(), isOptional: Bool = false, mayBeForbidden: Bool = false
    ) {
        self.origin = origin
        (self.isOptional, self.mayBeForbidden) = (isOptional, mayBeForbidden)
        self.pageSize = pageSize
        self.backoff = backoff
    }
}

// MARK: - Listing

extension InformerStateMachine {
    public mutating func start() -> Action { list(isPaged: true) }

    /// A page came.
    ///
    /// - Parameter token: where the next page begins; `nil` or empty on the last.
    public mutating func listed(_ page: [Registry.Reading], continuing token: String?, resourceVersion: String) -> Step {
        guard case .listing(let before, let isPaged) = state else { return misplaced() }
        let readings = before + page
        if let token, !token.isEmpty {
            state = .listing(readings, isPaged: isPaged)
            return Step(events: [], action: .list(continuing: token, limit: pageSize))
        }
        // The backoff is not reset: a server that lists well and refuses every watch must not be asked without pause.
        failure = nil
        absences = 0
        objectFaults = [:]
        namelessFaults = []
        for reading in readings { note(reading) }
        let objects = readings.compactMap(\.object)
        var events = known.replace(with: objects)
        if !isListed { events = [.listed(objects)] }
        isListed = true
        state = .watching(resourceVersion: resourceVersion, wasUseful: false)
        return Step(events: faultEvents() + events, action: .watch(resourceVersion: resourceVersion))
    }

    /// - Parameter random: 0 ..< 1, spreads retries.
    public mutating func listFailed(_ failure: Failure, random: Double) -> Step {
        guard case .listing(_, let isPaged) = state else { return misplaced() }
        // The token of a page has expired: the list is longer than the server's memory, so ask for it in one piece.
        if failure.status == 410, isPaged { return Step(events: [], action: list(isPaged: false)) }
        let isForbidden = failure.status == 403 && mayBeForbidden
        if isForbidden || failure.status == 404 && isOptional {
            absences += 1
            if known.isEmpty || absences >= Self.disbelief {
                return unserved(isForbidden ? fault("listing", failure) : nil, random: random)
            }
        }
        return wait(.list, after: failure, "listing", random: random)
    }

    /// How often a server has to say that it does not know a kind of which something is known.
    private static var disbelief: Int { 5 }
    /// When a kind that is not served is looked for again, before the spread.
    private static var absence: Duration { .seconds(20) }

    private mutating func unserved(_ fault: SourceFault?, random: Double) -> Step {
        (failure, objectFaults, namelessFaults) = (fault, [:], [])
        let events = isListed ? known.replace(with: []) : [.listed([])]
        isListed = true
        state = .waiting(then: .list)
        return Step(events: faultEvents() + events, action: .wait(Self.absence * (1 + random)))
    }

    private mutating func list(isPaged: Bool) -> Action {
        state = .listing([], isPaged: isPaged)
        return .list(continuing: nil, limit: isPaged ? pageSize : nil)
    }
}

// MARK: - Watching

extension InformerStateMachine {
    /// An event of a watch, as the server names them.
    public enum WatchEvent: Sendable {
        case added(Registry.Reading, resourceVersion: String)
        case modified(Registry.Reading, resourceVersion: String)
        case deleted(ObjectKey, resourceVersion: String)
        case bookmark(resourceVersion: String)
        case error(Failure)
    }

    /// The server took the watch: what was wrong before is over, although it may have nothing to tell for minutes.
    public mutating func watchOpened() -> [ObjectEvent] {
        failure = nil
        return faultEvents()
    }

    /// - Parameter random: 0 ..< 1, spreads retries; asked for when there is to be one.
    public mutating func watched(_ event: WatchEvent, random: @autoclosure () -> Double) -> Step {
        guard case .watching(let before, _) = state else { return misplaced() }
        switch event {
        case .added(let reading, let version), .modified(let reading, let version):
            let key = reading.object?.key
            if let key { objectFaults[key] = nil }
            note(reading)
            let change = reading.object.flatMap { known.put($0) }
            return went(on: version, before, [change].compactMap(\.self))
        case .deleted(let key, let version):
            objectFaults[key] = nil
            return went(on: version, before, [known.remove(key)].compactMap(\.self))
        case .bookmark(let version):
            return went(on: version, before, [])
        case .error(let failure):
            return watchEnded(failure, after: .zero, random: random())
        }
    }

    private mutating func went(on version: String, _ before: String, _ changes: [ObjectEvent]) -> Step {
        backoff.reset()
        failure = nil
        state = .watching(resourceVersion: version.isEmpty ? before : version, wasUseful: true)
        return Step(events: changes + faultEvents(), action: .read)
    }

    /// The watch is over. Servers end every watch after some minutes, which is no failure.
    ///
    /// - Parameter failure: `nil` when the server ended it in order.
    /// - Parameter duration: how long it lasted.
    /// - Parameter random: 0 ..< 1, spreads retries.
    public mutating func watchEnded(_ failure: Failure?, after duration: Duration, random: Double) -> Step {
        guard case .watching(let version, let wasUseful) = state else { return misplaced() }
        // Our place in the history is forgotten: everything has to be asked for again.
        if failure?.status == 410 {
            return wasUseful || !isListed
                ? Step(events: [], action: list(isPaged: true))
                : pause(.list, random: random)
        }
        if let failure {
            return wait(next(after: failure, at: version), after: failure, "watching", random: random)
        }
        guard wasUseful || duration >= .seconds(1) else {
            // Ended at once with nothing said: asking again at once would be a busy loop.
            return pause(.watch(resourceVersion: version), random: random)
        }
        state = .watching(resourceVersion: version, wasUseful: false)
        return Step(events: [], action: .watch(resourceVersion: version))
    }

    /// A server that has too much to do, or does not answer, may know our place when it does; one that refuses for any other
    /// reason may refuse this place for ever, as one does that was set up anew and has not come so far.
    private func next(after failure: Failure, at version: String) -> Next {
        switch failure.status {
        case nil, 429, 503: .watch(resourceVersion: version)
        default: .list
        }
    }
}

// MARK: - Waiting

extension InformerStateMachine {
    public mutating func waited() -> Action {
        guard case .waiting(let next) = state else { return misplaced().action }
        switch next {
        case .list: return list(isPaged: true)
        case .watch(let version):
            state = .watching(resourceVersion: version, wasUseful: false)
            return .watch(resourceVersion: version)
        }
    }

    private mutating func wait(_ next: Next, after failure: Failure, _ doing: String, random: Double) -> Step {
        self.failure = fault(doing, failure)
        return pause(next, random: random)
    }

    private func fault(_ doing: String, _ failure: Failure) -> SourceFault {
        let answer = failure.status.map { "status \($0): \(failure.message)" } ?? failure.message
        var fault = SourceFault(origin: origin, message: "\(doing): \(answer)")
        fault.status = failure.status
        return fault
    }

    private mutating func pause(_ next: Next, random: Double) -> Step {
        state = .waiting(then: next)
        return Step(events: faultEvents(), action: .wait(backoff.next(random: random)))
    }

    private func misplaced() -> Step {
        preconditionFailure("the informer of \(origin) was told of something it did not ask for, in state \(state)")
    }
}

// MARK: - Faults

extension InformerStateMachine {
    private mutating func note(_ reading: Registry.Reading) {
        guard !reading.faults.isEmpty else { return }
        let key = reading.object?.key
        let faults = reading.faults.map { SourceFault(origin: origin, key: key, message: $0.description, isAboutObject: true) }
        if let key { objectFaults[key] = faults } else { namelessFaults = faults }
    }

    /// Tells everything that is wrong, when that is something else than before.
    private mutating func faultEvents() -> [ObjectEvent] {
        let objects = objectFaults.isEmpty ? [] : objectFaults.sorted { $0.key < $1.key }.flatMap(\.value)
        let faults = [failure].compactMap(\.self) + namelessFaults + objects
        guard faults != toldFaults else { return [] }
        toldFaults = faults
        return [.faults(faults)]
    }
}
