public import KubeAPI

/// Runs a ``ControlPlane``: tells it what happens, carries out what it wants.
///
/// Whoever owns it feeds ``learn(_:)`` and ``forget(_:uid:)`` from lists and watches, and calls ``run()`` when all of
/// ``kinds`` were listed. Time comes in from outside.
public actor ControllerDriver {
    private var plane: ControlPlane
    private let writer: any ObjectWriter
    private let clock: @Sendable () -> Moment
    private let sleep: @Sendable (Duration) async throws -> Void
    private var random: Dice
    private var alarm: Moment?
    private var departed = Departed()
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    /// The kinds to list and watch.
    public nonisolated let kinds: [GroupVersionKind]

    public init(
        _ controllers: [any Controller], writer: any ObjectWriter, seed: UInt64, clock: @escaping @Sendable () -> Moment,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        plane = ControlPlane(controllers)
        kinds = plane.kinds
        self.writer = writer
        self.clock = clock
        self.sleep = sleep
        random = Dice(seed: seed)
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }
}

extension ControllerDriver {
    public func learn(_ tree: JSONValue) { learn([tree]) }

    /// A whole list at once.
    public func learn(_ trees: [JSONValue]) {
        for tree in trees where !departed.contains(tree) { plane.learn(tree) }
        poke.yield()
    }

    /// An object is gone. Another of its name, of which the answer to a write told before, is not.
    public func forget(_ key: ObjectKey, uid: String) {
        departed.insert(uid)
        if plane.world[key]?.uid == uid { plane.forget(key) }
        poke.yield()
    }

    /// Everything is looked at again, as at the start.
    public func lookAtEverything() {
        plane.lookAtEverything()
        poke.yield()
    }

    /// What is known now, for those who want to look.
    public var world: World { plane.world }

    /// Works until its task is cancelled; what is in hand then is finished first. To be called once.
    public func run() async {
        poke.yield()
        await withDiscardingTaskGroup { group in
            for await _ in pokes {
                var step = plane.next(at: clock(), random: &random)
                while case .work(let work) = step {
                    group.addTask { await self.carryOut(work) }
                    step = plane.next(at: clock(), random: &random)
                }
                if case .rest(let until?) = step, let moment = newAlarm(at: until) {
                    let wait = max(.zero, moment - clock())
                    let sleep = sleep
                    group.addTask {
                        try? await sleep(wait)
                        await self.rang(moment)
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func carryOut(_ work: ControlPlane.Work) async {
        var done = 0
        for write in work.writes {
            do {
                if let tree = try await writer.carryOut(write) {
                    learn(tree)
                } else if case .delete(let key, let uid, _) = write {
                    forget(key, uid: uid)
                }
                done += 1
            } catch {
                break
            }
        }
        for notice in work.notices where notice.after <= done { await writer.tell(notice) }
        plane.finished(work, succeeded: done == work.writes.count, at: clock(), random: &random)
        poke.yield()
    }

    /// The time of the alarm to be set; `nil` when one rings early enough.
    private func newAlarm(at until: Moment) -> Moment? {
        if let alarm, alarm <= until { return nil }
        alarm = until
        return until
    }

    private func rang(_ moment: Moment) {
        if alarm == moment { alarm = nil }
        poke.yield()
    }
}

/// Objects that are gone, by uid. The answer to a write may come after the watch has told of the object's end, and a watch may tell
/// of a change after our own deletion was answered: without this the object would stay in the world for ever.
private struct Departed {
    private var uids: Set<String> = []
    private var order: [String] = []
    private var next = 0

    /// More than can be on their way at once.
    private static let limit = 8192

    mutating func insert(_ uid: String) {
        guard !uid.isEmpty, uids.insert(uid).inserted else { return }
        if order.count < Self.limit {
            order.append(uid)
        } else {
            uids.remove(order[next])
            order[next] = uid
            next = (next + 1) % Self.limit
        }
    }

    func contains(_ tree: JSONValue) -> Bool { tree["metadata"]?["uid"]?.string.map(uids.contains) ?? false }
}
