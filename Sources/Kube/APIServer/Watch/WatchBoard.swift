/// Who watches what, and how far each has read. Pure: ``WatchHub`` says it to the tasks that wait.
///
/// ```
///   publish ──► log of the resource ──► waiting watchers that the change concerns: wake
///                       ▲               waiting watchers that it does not: position moves on
///                       └── next(watcher) reads from its position; behind the floor: expired
/// ```
struct WatchBoard: Sendable {
    typealias WatcherID = UInt64

    enum Step: Hashable, Sendable {
        case changes([Change])
        /// Nothing new: the next change that concerns the watcher wakes it.
        case wait
        /// It read too slowly, and is off the board.
        case expired(position: Revision, oldest: Revision)
        /// It is not on the board: cancelled, or the board is closed.
        case ended
    }

    fileprivate struct Watcher {
        var selection: Selection
        /// It has seen, or need not see, everything up to here.
        var position: Revision
        var waits = false
        var isOvertaken = false
    }

    private struct Topic {
        var log: ChangeLog
        var watchers: [WatcherID: Watcher] = [:]
    }

    let opening: Revision
    let limits: ChangeLog.Limits
    /// The newest change published.
    private(set) var published: Revision
    private(set) var isClosed = false
    private var topics: [String: Topic] = [:]
    private var resources: [WatcherID: String] = [:]
    private var nextID: WatcherID = 0
    /// Watchers that changes were forgotten for before they read them, and that nobody was told of yet.
    private var overtaken: [WatcherID] = []

    /// - Parameter opening: the store's revision at its start. What came before is not remembered.
    init(opening: Revision, limits: ChangeLog.Limits) {
        self.opening = opening
        self.published = opening
        self.limits = limits
    }

    var watcherCount: Int { resources.count }

    /// Adds changes, oldest first, and says who must be woken.
    mutating func publish(_ changes: [Change]) -> [WatcherID] {
        var woken: [WatcherID] = []
        let empty = emptyTopic
        for change in changes {
            published = max(published, change.revision)
            // The log of everything shares the bodies with the others.
            for topic in [change.key.resource, Selection.everything.resource] {
                topics[topic, default: empty].log.append(change)
                topics[topic, default: empty].watchers.wake(for: change, into: &woken)
                let floor = topics[topic, default: empty].log.floor
                topics[topic, default: empty].watchers.overtake(through: floor, into: &overtaken)
            }
        }
        return woken
    }

    /// Who reads too slowly since the last call, each once: its next step is ``Step/expired(position:oldest:)``, whenever it comes
    /// to take it.
    mutating func takeOvertaken() -> [WatcherID] {
        defer { overtaken = [] }
        return overtaken
    }

    func isOvertaken(_ id: WatcherID) -> Bool {
        resources[id].flatMap { topics[$0]?.watchers[id]?.isOvertaken } ?? false
    }

    /// Whether it is on the board.
    func holds(_ id: WatcherID) -> Bool { resources[id] != nil }

    /// Puts a watcher on the board, or says which revision is the oldest it can begin from.
    ///
    /// - Parameter revision: the last one it knows. One that is not published yet is fine: it has seen it already.
    mutating func add(_ selection: Selection, after revision: Revision) -> Result<WatcherID, StoreError> {
        let topic = topics[selection.resource] ?? emptyTopic
        guard revision >= topic.log.floor else { return .failure(.expired(revision, oldest: topic.log.floor)) }
        nextID += 1
        if !isClosed {
            topics[selection.resource, default: topic].watchers[nextID] = Watcher(selection: selection, position: revision)
            resources[nextID] = selection.resource
        }
        return .success(nextID)
    }

    /// The next changes for a watcher, or what happens instead. A watcher that must wait is marked as waiting.
    mutating func next(_ id: WatcherID, atMost limit: Int) -> Step {
        guard let resource = resources[id], let topic = topics[resource], var watcher = topic.watchers[id] else { return .ended }
        guard let unread = topic.log.changes(after: watcher.position) else {
            remove(id)
            return .expired(position: watcher.position, oldest: topic.log.floor)
        }
        var found: [Change] = []
        for change in unread {
            watcher.position = change.revision
            if watcher.selection.contains(change.key) { found.append(change) }
            if found.count == limit { break }
        }
        watcher.waits = found.isEmpty
        topics[resource]?.watchers[id] = watcher
        return found.isEmpty ? .wait : .changes(found)
    }

    /// Whether the watcher's last ``next(_:atMost:)`` said to wait and nothing for it has come since.
    func isWaiting(_ id: WatcherID) -> Bool {
        resources[id].flatMap { topics[$0]?.watchers[id]?.waits } ?? false
    }

    /// Takes a watcher off the board. Twice is as good as once.
    mutating func remove(_ id: WatcherID) {
        guard let resource = resources.removeValue(forKey: id) else { return }
        topics[resource]?.watchers[id] = nil
    }

    /// Ends every watch, now and later; the store itself goes on.
    mutating func close() {
        isClosed = true
        resources = [:]
        for resource in topics.keys { topics[resource]?.watchers = [:] }
    }

    /// Forgets the changes of a resource up to this revision.
    mutating func compact(_ resource: String, through revision: Revision) {
        let empty = emptyTopic
        topics[resource, default: empty].log.compact(through: revision)
        let floor = topics[resource, default: empty].log.floor
        topics[resource, default: empty].watchers.overtake(through: floor, into: &overtaken)
    }

    /// The known changes of a selection after a revision; `nil` when some are forgotten.
    func changes(in selection: Selection, after revision: Revision) -> [Change]? {
        (topics[selection.resource] ?? emptyTopic).log.changes(after: revision)?.filter { selection.contains($0.key) }
    }

    func oldest(_ resource: String) -> Revision { (topics[resource] ?? emptyTopic).log.floor }

    private var emptyTopic: Topic { Topic(log: ChangeLog(floor: opening, limits: limits)) }
}

extension [WatchBoard.WatcherID: WatchBoard.Watcher] {
    /// A watcher that waits has read everything, so a change that does not concern it just moves it on: it never expires
    /// because of others' noise.
    fileprivate mutating func wake(for change: Change, into woken: inout [WatchBoard.WatcherID]) {
        // By index, in place: iterating over pairs would copy the dictionary at the first change.
        for index in indices {
            let watcher = values[index]
            guard watcher.waits, change.revision > watcher.position else { continue }
            if watcher.selection.contains(change.key) {
                values[index].waits = false
                woken.append(keys[index])
            } else {
                values[index].position = change.revision
            }
        }
    }

    /// Notes, once each, who has not read what is forgotten now. Who waits has read everything.
    fileprivate mutating func overtake(through floor: Revision, into overtaken: inout [WatchBoard.WatcherID]) {
        for index in indices {
            let watcher = values[index]
            guard watcher.position < floor, !watcher.waits, !watcher.isOvertaken else { continue }
            values[index].isOvertaken = true
            overtaken.append(keys[index])
        }
    }
}
