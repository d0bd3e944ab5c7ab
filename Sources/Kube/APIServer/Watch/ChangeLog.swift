/// The last changes of one resource, oldest first: the memory that every watch of it reads from.
///
/// Watches share one log and each has only a position in it. A reader can therefore be slow without costing anything, until
/// the log forgets what it has not read yet. Pure.
struct ChangeLog: Sendable {
    /// How much is remembered: whichever limit is reached first.
    struct Limits: Hashable, Sendable {
        var changes: Int
        var bytes: Int
    }

    let limits: Limits
    /// Everything after this revision is known, nothing up to it.
    private(set) var floor: Revision
    private var changes: [Change] = []
    /// Changes before this index are forgotten; the array is moved up when they are its larger half.
    private var start = 0
    private var bytes = 0

    init(floor: Revision, limits: Limits) {
        precondition(limits.changes > 0, "a log that remembers nothing")
        self.floor = floor
        self.limits = limits
    }

    var count: Int { changes.count - start }

    /// Revisions must grow.
    mutating func append(_ change: Change) {
        precondition(change.revision > (changes.last?.revision ?? floor), "a change from the past")
        changes.append(change)
        bytes += change.size
        while count > 1, count > limits.changes || bytes > limits.bytes { forgetOldest() }
    }

    /// Forgets everything up to and including this revision, as if the log were full.
    mutating func compact(through revision: Revision) {
        while count > 0, changes[start].revision <= revision { forgetOldest() }
        floor = max(floor, revision)
    }

    /// The changes after a revision, oldest first; `nil` when some of them are forgotten.
    func changes(after revision: Revision) -> ArraySlice<Change>? {
        guard revision >= floor else { return nil }
        var (low, high) = (start, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return changes[low...]
    }

    private mutating func forgetOldest() {
        floor = max(floor, changes[start].revision)
        bytes -= changes[start].size
        start += 1
        if start > 64, start > changes.count / 2 {
            changes.removeFirst(start)
            start = 0
        }
    }
}
