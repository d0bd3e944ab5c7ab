public import KubeAPI
import Reconcile

/// All controllers over one world: which key is due, without a clock, a task or a connection.
///
/// ```
///  learn/forget ──► world ──► keys ──► due ──► next ──► Work(writes) ──► finished
///                     ▲                 ▲                                   │
///                     └── the API's answers to the writes   again, backoff ─┘
/// ```
/// Each controller works on one key at a time, in the order in which they became due; different controllers work side by side.
/// Nothing may be asked of it before everything was listed: what is missing would be made a second time.
public struct ControlPlane: Sendable {
    public struct Job: Hashable, Sendable {
        var controller: Int
        public var key: ObjectKey
    }

    public struct Work: Sendable {
        public var job: Job
        /// The controller's name, for logs.
        public var controller: String
        public var writes: [Write]
        public var notices: [Notice]
        /// To be handed back when the writes are done.
        public var again: Duration?
    }

    public enum Step: Sendable {
        case work(Work)
        /// Nothing is due; something is at this time, if any is given. Work in hand may make more due.
        case rest(until: Moment?)
    }

    public private(set) var world = World()
    private let controllers: [any Controller]
    private var lanes: [Lane]
    private var delayed: [Job: Moment] = [:]
    /// None of them is due before.
    private var earliest: Moment?
    private var backoffs: [Job: Backoff] = [:]

    fileprivate struct Lane {
        var queue: [ObjectKey] = []
        var head = 0
        var waiting: Set<ObjectKey> = []
        var busy: ObjectKey?
    }

    public init(_ controllers: [any Controller]) {
        self.controllers = controllers
        lanes = controllers.map { _ in Lane() }
        for (position, controller) in controllers.enumerated() {
            for key in controller.standingKeys { lanes[position].add(key) }
        }
    }

    /// The kinds to watch: all of them have to be listed before ``next(at:random:)`` is called.
    public var kinds: [GroupVersionKind] { Set(controllers.flatMap(\.kinds)).sorted() }
}

extension ControlPlane {
    /// An object as the API tells it, by a list, a watch or the answer to a write.
    public mutating func learn(_ tree: JSONValue) {
        guard let item = Item(tree), let change = world.learn(item) else { return }
        mark(change)
    }

    public mutating func forget(_ key: ObjectKey) {
        guard let change = world.forget(key) else { return }
        mark(change)
    }

    /// The next key of a controller that is not at work, with what it wants. A key that wants nothing is done at once.
    public mutating func next(at now: Moment, random: inout Dice) -> Step {
        world.pass(to: now)
        wake(at: now)
        for position in lanes.indices where lanes[position].busy == nil {
            while let key = lanes[position].take() {
                let job = Job(controller: position, key: key)
                let controller = controllers[position]
                let outcome = controller.reconcile(key, in: world, at: now, random: &random)
                if outcome.writes.isEmpty, outcome.notices.isEmpty {
                    settle(job, again: outcome.again, at: now)
                    continue
                }
                lanes[position].busy = key
                return .work(
                    Work(
                        job: job, controller: type(of: controller).name, writes: outcome.writes, notices: outcome.notices,
                        again: outcome.again))
            }
        }
        return .rest(until: delayed.values.min())
    }

    /// The writes of some work were carried out, or one of them was refused.
    public mutating func finished(_ work: Work, succeeded: Bool, at now: Moment, random: inout Dice) {
        lanes[work.job.controller].busy = nil
        if succeeded {
            settle(work.job, again: work.again, at: now)
        } else {
            var backoff = backoffs[work.job] ?? Backoff(first: .milliseconds(5), limit: .seconds(60))
            delay(work.job, until: now + backoff.next(random: random.fraction()))
            backoffs[work.job] = backoff
        }
    }

    /// Everything is due, as at the start: what was lost on the way is found.
    public mutating func lookAtEverything() {
        for kind in kinds {
            for item in world.all(kind) { mark(Change(key: item.key, old: nil, new: item)) }
        }
        for (position, controller) in controllers.enumerated() {
            for key in controller.standingKeys { lanes[position].add(key) }
        }
    }

    private mutating func mark(_ change: Change) {
        for (position, controller) in controllers.enumerated() where controller.kinds.contains(where: change.key.isOf) {
            for key in controller.keys(for: change, in: world) { lanes[position].add(key) }
        }
    }

    private mutating func settle(_ job: Job, again: Duration?, at now: Moment) {
        backoffs[job] = nil
        delayed[job] = nil
        if let again { delay(job, until: now + again) }
    }

    private mutating func delay(_ job: Job, until moment: Moment) {
        delayed[job] = delayed[job].map { min($0, moment) } ?? moment
        earliest = min(earliest ?? moment, moment)
    }

    private mutating func wake(at now: Moment) {
        guard let earliest, earliest <= now else { return }
        defer { self.earliest = delayed.values.min() }
        let due = delayed.filter { $0.value <= now }
        for (job, _) in due.sorted(by: { ($0.value, $0.key.key) < ($1.value, $1.key.key) }) {
            delayed[job] = nil
            lanes[job.controller].add(job.key)
        }
    }
}

extension ControlPlane.Lane {
    fileprivate mutating func add(_ key: ObjectKey) {
        if waiting.insert(key).inserted { queue.append(key) }
    }

    fileprivate mutating func take() -> ObjectKey? {
        guard head < queue.count else { return nil }
        let key = queue[head]
        head += 1
        waiting.remove(key)
        if head > 64, head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
        return key
    }
}
