import GRDB

/// Objects by key, each change with its own revision, kept in one SQLite file; and the changes as they happen.
///
/// What was acknowledged is there after `kill -9`. After a power loss the last commits may be missing, none out of order.
/// Changes are remembered in memory, within ``Memory``: after a restart a watch begins at the revision the store opened with,
/// and older ones get ``StoreError/Code/expired``, as with any API server.
public final class Store: Sendable {
    /// How many changes are remembered for each resource: whichever limit is reached first.
    public struct Memory: Hashable, Sendable {
        public var changes: Int
        public var bytes: Int

        public init(changes: Int = 10_000, bytes: Int = 64 << 20) {
            self.changes = changes
            self.bytes = bytes
        }
    }

    let file: StoreFile
    let hub: WatchHub
    let queue: CommitQueue

    /// Opens the store, or makes it when the file is not there. Its directory must be.
    ///
    /// - Throws: ``StoreError/Code/busy`` while somebody else has it open.
    public init(path: String, memory: Memory = Memory()) throws(StoreError) {
        file = try StoreFile(path: path)
        let opening = try Self.answering("read the store's clock") { [file] in try file.pool.read { try $0.revision() } }
        hub = WatchHub(
            WatchBoard(opening: opening, limits: ChangeLog.Limits(changes: memory.changes, bytes: memory.bytes)))
        queue = CommitQueue(file: file, hub: hub)
    }

    /// Ends the watches, waits for what is being written, and lets go of the file, so that it can be opened again at once.
    /// Nothing can be read or written afterwards. A store that is just let go of closes too, a moment later.
    public func close() throws(StoreError) {
        hub.close()
        try Self.answering("close the store") { try file.close() }
    }

    // MARK: Writing

    /// - Throws: ``StoreError/Code/alreadyExists``, ``StoreError/Code/refused``.
    public func create(
        _ key: ObjectKey, _ body: Body, if condition: WriteCondition? = nil
    ) async throws(StoreError) -> StoredObject {
        try await write(Write(key: key, action: .create(body), condition: condition))
    }

    /// - Parameter expected: the revision the new body was made from; `nil` overwrites whatever is there.
    /// - Throws: ``StoreError/Code/notFound``, ``StoreError/Code/conflict``.
    public func update(
        _ key: ObjectKey, _ body: Body, expected: Revision? = nil
    ) async throws(StoreError) -> StoredObject {
        try await queue.submit(Write(key: key, action: .update(body, expected: expected))).object
    }

    /// - Parameters:
    ///   - expected: the revision that is to be deleted; `nil` deletes whatever is there.
    ///   - last: the body that watches see with the deletion, from the object as it was and the deletion's own revision.
    /// - Returns: the object with the body and the revision of its deletion.
    /// - Throws: ``StoreError/Code/notFound``, ``StoreError/Code/conflict``, ``StoreError/Code/refused``.
    public func delete(
        _ key: ObjectKey, expected: Revision? = nil, if condition: WriteCondition? = nil,
        last: @escaping @Sendable (StoredObject, Revision) -> [UInt8] = { object, _ in object.body }
    ) async throws(StoreError) -> StoredObject {
        try await queue.submit(Write(key: key, action: .delete(expected: expected, last: last), condition: condition)).object
    }

    /// - Throws: what the write's action, condition and ledger say.
    func write(_ write: Write) async throws(StoreError) -> StoredObject { try await queue.submit(write).object }

    // MARK: Reading

    /// The newest revision.
    public func revision() async throws(StoreError) -> Revision {
        try await read("read the store's clock") { try $0.revision() }
    }

    /// `nil` when it is not there.
    public func object(_ key: ObjectKey) async throws(StoreError) -> StoredObject? {
        try await read("read \(key)") { try $0.object(key) }
    }

    // MARK: Watching

    /// Every change after a revision: no gap and no repetition behind a list of that revision.
    ///
    /// - Throws: ``StoreError/Code/expired`` when some of them are forgotten, ``StoreError/Code/future`` for a revision the
    ///   store has not reached.
    public func watch(_ selection: Selection, after revision: Revision) async throws(StoreError) -> Watch {
        // A list may have seen a commit in the moment before it is published.
        if revision > hub.read({ $0.published }) {
            let reached = try await self.revision()
            guard revision <= reached else { throw .future(revision, reached: reached) }
        }
        return try hub.watch(selection, after: revision)
    }

    /// Ends every watch, now and later. Reading and writing go on.
    public func endWatches() { hub.close() }

    /// Forgets the changes of a resource up to a revision, as if its memory were full.
    public func compact(_ resource: String, through revision: Revision) { hub.compact(resource, through: revision) }
}

extension Store {
    func read<Value: Sendable>(
        _ operation: @autoclosure () -> String, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await file.pool.read(body)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.storage, operation(), cause: error)
        }
    }

    private static func answering<Value>(_ operation: String, _ body: () throws -> Value) throws(StoreError) -> Value {
        do {
            return try body()
        } catch {
            throw StoreError(.storage, operation, cause: error)
        }
    }
}
