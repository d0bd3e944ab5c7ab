import FoundationEssentials
import GRDB

/// What must hold for a write, judged inside its transaction: nothing can change between the judgement and the write.
public struct WriteCondition: Sendable {
    let check: @Sendable (StoreView) throws(StoreError) -> Void

    /// - Parameter check: throws ``StoreError/Code/refused`` when it does not hold. Called on the store's writing queue: it must
    ///   be quick and must not call the store.
    public init(_ check: @escaping @Sendable (StoreView) throws(StoreError) -> Void) { self.check = check }
}

/// The store as a transaction sees it.
public struct StoreView {
    let db: Database

    public func object(_ key: ObjectKey) throws(StoreError) -> StoredObject? {
        do { return try db.object(key) } catch { throw StoreError(.storage, "read \(key)", cause: error) }
    }

    /// Everything of a resource.
    func objects(_ resource: String) throws(StoreError) -> [StoredObject] {
        do { return try Scan(Selection(resource: resource), after: nil, limit: nil, db).objects } catch {
            throw StoreError(.storage, "read the \(resource)", cause: error)
        }
    }

    /// Whether there is nothing of a resource in a namespace.
    public func isEmpty(_ resource: String, in namespace: String) throws(StoreError) -> Bool {
        do {
            let statement = try db.cachedStatement(sql: "SELECT 1 FROM objects WHERE resource = ? AND namespace = ? LIMIT 1")
            return try Row.fetchOne(statement, arguments: [resource, namespace]) == nil
        } catch {
            throw StoreError(.storage, "look for \(resource) in \(namespace)", cause: error)
        }
    }
}

/// Something that is kept beside the objects and changes with them, inside the transaction that writes one.
struct WriteLedger: Sendable {
    /// Called when nothing but the disk can refuse the write any more: enters it, and says what is to be written instead of the
    /// body that was brought; `nil` for that one. What it throws refuses the write.
    let completed: @Sendable (StoreView) throws(StoreError) -> Body?
    /// The transaction came to nothing after all.
    let undone: @Sendable () -> Void
}

/// One change that somebody asks for.
struct Write: Sendable {
    enum Action: Sendable {
        case create(Body)
        /// `nil` as expected revision: whatever it is at.
        case update(Body, expected: Revision?)
        case delete(expected: Revision?, last: @Sendable (StoredObject, Revision) -> [UInt8])
    }

    var key: ObjectKey
    var action: Action
    /// What must hold when the change is made; `nil` for nothing.
    var condition: WriteCondition?
    var ledger: WriteLedger?

    /// Makes the change as part of a transaction, or throws a ``StoreError`` having touched nothing.
    func apply(to db: Database, at revision: Revision) throws -> Change {
        try condition?.check(StoreView(db: db))
        return switch action {
        case .create(let body): try create(body, db, revision)
        case .update(let body, let expected): try update(body, expected, db, revision)
        case .delete(let expected, let last): try delete(expected, last, db, revision)
        }
    }

    private func create(_ body: Body, _ db: Database, _ revision: Revision) throws -> Change {
        if ledger != nil, try db.object(key) != nil { throw StoreError(.alreadyExists, "\(key) already exists") }
        let body = try ledger?.completed(StoreView(db: db)) ?? body
        let object = StoredObject(key: key, revision: revision, body: body.render(revision))
        let statement = try db.cachedStatement(sql: "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?)")
        try statement.execute(
            arguments: [key.resource, key.namespace, key.name, revision.rawValue, object.body.databaseValue])
        guard db.changesCount == 1 else { throw StoreError(.alreadyExists, "\(key) already exists") }
        return Change(.added, object)
    }

    private func update(_ body: Body, _ expected: Revision?, _ db: Database, _ revision: Revision) throws -> Change {
        let previous = try current(db, expected)
        let body = try ledger?.completed(StoreView(db: db)) ?? body
        let object = StoredObject(key: key, revision: revision, body: body.render(revision))
        let statement = try db.cachedStatement(
            sql: "UPDATE objects SET revision = ?, body = ? WHERE resource = ? AND namespace = ? AND name = ?")
        try statement.execute(
            arguments: [revision.rawValue, object.body.databaseValue, key.resource, key.namespace, key.name])
        return Change(.modified, object, previous: previous)
    }

    private func delete(
        _ expected: Revision?, _ last: (StoredObject, Revision) -> [UInt8], _ db: Database, _ revision: Revision
    ) throws -> Change {
        let previous = try current(db, expected)
        _ = try ledger?.completed(StoreView(db: db))
        let statement = try db.cachedStatement(sql: "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?")
        try statement.execute(arguments: [key.resource, key.namespace, key.name])
        let object = StoredObject(key: key, revision: revision, body: last(previous, revision))
        return Change(.deleted, object, previous: previous)
    }

    private func current(_ db: Database, _ expected: Revision?) throws -> StoredObject {
        guard let found = try db.object(key) else { throw StoreError.notFound(key) }
        if let expected, expected != found.revision {
            throw StoreError.conflict(key, expected: expected, found: found.revision)
        }
        return found
    }
}

extension [UInt8] {
    fileprivate var databaseValue: DatabaseValue { Data(self).databaseValue }
}
