import Synchronization

/// Lets tasks wait at a ``WatchBoard``.
final class WatchHub: Sendable {
    private struct State: Sendable {
        var board: WatchBoard
        var waiting: [WatchBoard.WatcherID: CheckedContinuation<Void, Never>] = [:]
        /// Watchers that are to say how far they are.
        var nudged: Set<WatchBoard.WatcherID> = []
        /// What is to be done when a watch comes to its end, also while its reader is busy elsewhere.
        var endings: [WatchBoard.WatcherID: @Sendable () -> Void] = [:]

        /// What is published up to here need not be waited for.
        mutating func take(_ ids: [WatchBoard.WatcherID]) -> [CheckedContinuation<Void, Never>] {
            ids.compactMap { waiting.removeValue(forKey: $0) }
        }

        mutating func takeEndings(of ids: [WatchBoard.WatcherID]) -> [@Sendable () -> Void] {
            ids.compactMap { endings.removeValue(forKey: $0) }
        }
    }

    private let state: Mutex<State>

    init(_ board: WatchBoard) { state = Mutex(State(board: board)) }

    func read<Value: Sendable>(_ body: (WatchBoard) -> Value) -> Value { state.withLock { body($0.board) } }

    func publish(_ changes: [Change]) {
        let (woken, endings) = state.withLock { state in
            (state.take(state.board.publish(changes)), state.takeEndings(of: state.board.takeOvertaken()))
        }
        for task in woken { task.resume() }
        for end in endings { end() }
    }

    func compact(_ resource: String, through revision: Revision) {
        let endings = state.withLock { state in
            state.board.compact(resource, through: revision)
            return state.takeEndings(of: state.board.takeOvertaken())
        }
        for end in endings { end() }
    }

    func watch(_ selection: Selection, after revision: Revision) throws(StoreError) -> Watch {
        let added = state.withLock { $0.board.add(selection, after: revision) }
        return Watch(id: try added.get(), hub: self)
    }

    func close() {
        let (woken, endings) = state.withLock { state in
            state.board.close()
            return (state.take(Array(state.waiting.keys)), state.takeEndings(of: Array(state.endings.keys)))
        }
        for task in woken { task.resume() }
        for end in endings { end() }
    }

    fileprivate func remove(_ id: WatchBoard.WatcherID) {
        let (woken, endings) = state.withLock { state in
            state.board.remove(id)
            state.nudged.remove(id)
            return (state.take([id]), state.takeEndings(of: [id]))
        }
        for task in woken { task.resume() }
        for end in endings { end() }
    }

    fileprivate func onEnd(_ id: WatchBoard.WatcherID, _ body: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            let isOver = !state.board.holds(id) || state.board.isOvertaken(id)
            if !isOver { state.endings[id] = body }
            return isOver
        }
        if isOver { body() }
    }

    fileprivate func nudge(_ id: WatchBoard.WatcherID) {
        let woken = state.withLock { state in
            state.nudged.insert(id)
            return state.take([id])
        }
        for task in woken { task.resume() }
    }

    /// The next changes, or, to one that was nudged and has read everything, up to which revision that is.
    fileprivate func step(_ id: WatchBoard.WatcherID, atMost limit: Int) async throws(StoreError) -> Watch.Step? {
        while true {
            let (step, mark) = state.withLock { state in
                let step = state.board.next(id, atMost: limit)
                let isMarked = step == .wait && state.nudged.remove(id) != nil
                return (step, isMarked ? state.board.published : nil)
            }
            if let mark { return .bookmark(mark) }
            switch step {
            case .changes(let changes): return .changes(changes)
            case .expired(let position, let oldest): throw .expired(position, oldest: oldest)
            case .ended: return nil
            case .wait: await wait(id)
            }
        }
    }

    fileprivate func next(_ id: WatchBoard.WatcherID, atMost limit: Int) async throws(StoreError) -> [Change]? {
        while true {
            switch state.withLock({ $0.board.next(id, atMost: limit) }) {
            case .changes(let changes): return changes
            case .expired(let position, let oldest): throw .expired(position, oldest: oldest)
            case .ended: return nil
            case .wait: await wait(id)
            }
        }
    }

    /// Returns when something may have changed for the watcher. Between the board's answer and this call something may have:
    /// so it is asked again under the lock that keeps the continuation.
    private func wait(_ id: WatchBoard.WatcherID) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    let waits = state.board.isWaiting(id) && !state.nudged.contains(id)
                    if waits { state.waiting[id] = continuation }
                    return waits
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            remove(id)
        }
    }
}

/// One reader of changes, exactly once each and in order, until it is cancelled, the store closes, or it reads too slowly.
///
/// Ends by itself when the last reference goes. One task reads it at a time.
public final class Watch: Sendable {
    private let id: WatchBoard.WatcherID
    private let hub: WatchHub

    fileprivate init(id: WatchBoard.WatcherID, hub: WatchHub) {
        self.id = id
        self.hub = hub
    }

    deinit { hub.remove(id) }

    /// The next changes, oldest first, never none; `nil` when the watch has ended. Cancelling the task ends it too.
    ///
    /// - Throws: ``StoreError/Code/expired`` when changes it has not read are forgotten: list again.
    public func next(atMost limit: Int = 256) async throws(StoreError) -> [Change]? {
        try await hub.next(id, atMost: limit)
    }

    /// What a watch comes to next.
    public enum Step: Hashable, Sendable {
        case changes([Change])
        /// Everything up to this revision was read: the answer to ``Watch/nudge()``.
        case bookmark(Revision)
    }

    /// As ``next(atMost:)``, for a watch that is nudged now and then.
    public func step(atMost limit: Int = 256) async throws(StoreError) -> Step? {
        try await hub.step(id, atMost: limit)
    }

    /// Asks for a ``Step/bookmark(_:)`` when the changes are read. May be called from anywhere, and often.
    public func nudge() { hub.nudge(id) }

    /// Calls the body once, as soon as the watch is over: cancelled, closed, or too slow for what is remembered. Its reader may
    /// be busy with what it read last, and learn of it much later.
    func onEnd(_ body: @escaping @Sendable () -> Void) { hub.onEnd(id, body) }

    /// Ends the watch; a task that waits in ``next(atMost:)`` gets `nil`. May be called from anywhere, and twice.
    public func cancel() { hub.remove(id) }
}
