import GRDB
import Synchronization

/// Many writers, one transaction at a time: what is asked for while one commits goes into the next.
///
/// A lone writer waits for nobody; a hundred share the cost of a commit. Everybody is answered after the commit that holds
/// the change, and after it was published: who was told "written" finds it in a watch that begins before it.
///
/// ```
///   submit ──► pending ──► [ BEGIN · each write checks and changes · clock · COMMIT ] ──► publish ──► answer
///   submit ──► pending ───────────────── meanwhile ───────────────┘ next round
/// ```
final class CommitQueue: Sendable {
    private struct Request: Sendable {
        var write: Write
        var answer: CheckedContinuation<Result<Change, StoreError>, Never>
    }

    private struct State: Sendable {
        var pending: [Request] = []
        var isDraining = false
        var commits = 0
    }

    private let file: StoreFile
    private let hub: WatchHub
    /// So that no reader of the log waits long behind one transaction.
    private let largestBatch: Int
    private let state = Mutex(State())

    init(file: StoreFile, hub: WatchHub, largestBatch: Int = 512) {
        self.file = file
        self.hub = hub
        self.largestBatch = largestBatch
    }

    /// How many transactions there were.
    var commits: Int { state.withLock { $0.commits } }

    /// Returns when the change is committed and published. Is not cancelled: the change would happen all the same.
    func submit(_ write: Write) async throws(StoreError) -> Change {
        let result = await withCheckedContinuation { answer in
            let mustStart = state.withLock { state in
                state.pending.append(Request(write: write, answer: answer))
                defer { state.isDraining = true }
                return !state.isDraining
            }
            if mustStart { file.pool.asyncWriteWithoutTransaction { self.drain($0) } }
        }
        return try result.get()
    }

    /// Runs on GRDB's writing queue, never on a task's thread.
    private func drain(_ db: Database) {
        while let batch = nextBatch() {
            let answers = commit(batch, db)
            hub.publish(answers.compactMap { try? $0.get() })
            for (request, answer) in zip(batch, answers) { request.answer.resume(returning: answer) }
        }
    }

    private func nextBatch() -> [Request]? {
        state.withLock { state in
            guard !state.pending.isEmpty else {
                state.isDraining = false
                return nil
            }
            let batch = Array(state.pending.prefix(largestBatch))
            state.pending.removeFirst(batch.count)
            state.commits += 1
            return batch
        }
    }

    /// A write that is refused touches nothing, so the others of its batch go on; when the disk refuses, it refuses all.
    private func commit(_ batch: [Request], _ db: Database) -> [Result<Change, StoreError>] {
        var answers: [Result<Change, StoreError>] = []
        do {
            try db.inTransaction(.immediate) {
                var revision = try db.revision()
                for request in batch {
                    let next = Revision(rawValue: revision.rawValue + 1)
                    do {
                        answers.append(.success(try request.write.apply(to: db, at: next)))
                        revision = next
                    } catch let refusal as StoreError {
                        answers.append(.failure(refusal))
                    }
                }
                try db.set(revision)
                return .commit
            }
            return answers
        } catch {
            let failure = StoreError(.storage, "write to the store", cause: error)
            for request in batch { request.write.ledger?.undone() }
            return batch.map { _ in .failure(failure) }
        }
    }
}
