import GRDB

/// A part of a list, all of it as it was at one revision.
public struct Page: Sendable {
    /// The list's revision: the same on every page, and where a watch goes on.
    public var revision: Revision
    public var objects: [StoredObject]
    /// Where the next page begins; `nil` on the last one.
    public var rest: Continuation?

    /// Where a page ended. A page may hold fewer objects than asked for, even none, and still have a rest.
    public struct Continuation: Hashable, Sendable {
        public var revision: Revision
        /// The last key of the page.
        public var after: ObjectKey

        public init(revision: Revision, after: ObjectKey) {
            self.revision = revision
            self.after = after
        }
    }
}

extension Store {
    /// Lists a selection in the order of its keys.
    ///
    /// All pages show the revision of the first. The file knows only the present, so what changed since is undone with the
    /// remembered changes, which carry the objects as they were.
    ///
    /// - Throws: ``StoreError/Code/expired`` when the changes since the first page are forgotten: begin again.
    public func list(
        _ selection: Selection, limit: Int? = nil, from continuation: Page.Continuation? = nil
    ) async throws(StoreError) -> Page {
        let scan = try await read("list \(selection.resource)") { db in
            try Scan(selection, after: continuation?.after, limit: limit, db)
        }
        guard let continuation, continuation.revision != scan.revision else { return scan.page(limit: limit) }
        guard continuation.revision < scan.revision else {
            throw .future(continuation.revision, reached: scan.revision)
        }
        if hub.read({ $0.published }) < scan.revision {
            // The scan saw a commit that is just being published: an empty job on the writing queue comes after it.
            do { try await file.pool.writeWithoutTransaction { _ in } } catch {
                throw StoreError(.storage, "list \(selection.resource)", cause: error)
            }
        }
        let (changes, oldest) = hub.read {
            ($0.changes(in: selection, after: continuation.revision), $0.oldest(selection.resource))
        }
        guard let changes else { throw .expired(continuation.revision, oldest: oldest) }
        return scan.undoing(changes, to: continuation.revision).page(limit: limit)
    }
}

/// Objects in a range of keys, as they are at one revision.
struct Scan: Sendable {
    var revision: Revision
    /// Ascending by key.
    var objects: [StoredObject]
    /// The range begins behind this key.
    var after: ObjectKey?
    /// The last key of the range; `nil` when it reaches the end of the selection.
    var through: ObjectKey?

    /// The page that shows this range, cut to the limit.
    func page(limit: Int?) -> Page {
        let shown = Array(objects.prefix(limit ?? .max))
        let end = shown.count < objects.count ? shown.last?.key : through
        return Page(revision: revision, objects: shown, rest: end.map { Page.Continuation(revision: revision, after: $0) })
    }

    /// The same range at an earlier revision.
    ///
    /// - Parameter changes: all of the selection's after that revision, ascending; later ones than the scan's are skipped.
    func undoing(_ changes: [Change], to earlier: Revision) -> Scan {
        var before: [ObjectKey: StoredObject?] = [:]
        for change in changes where change.revision <= revision && contains(change.key) && before[change.key] == nil {
            before[change.key] = .some(change.previous)
        }
        var result = self
        result.revision = earlier
        guard !before.isEmpty else { return result }
        result.objects = objects.filter { before[$0.key] == nil } + before.values.compactMap { $0 }
        result.objects.sort { $0.key < $1.key }
        return result
    }

    private func contains(_ key: ObjectKey) -> Bool {
        (after.map { $0 < key } ?? true) && (through.map { key <= $0 } ?? true)
    }
}

extension Scan {
    init(_ selection: Selection, after: ObjectKey?, limit: Int?, _ db: Database) throws {
        var sql = "SELECT namespace, name, revision, body FROM objects WHERE resource = ?"
        var arguments: StatementArguments = [selection.resource]
        if let namespace = selection.namespace {
            sql += " AND namespace = ?"
            arguments += [namespace]
        }
        if let after {
            sql += " AND (namespace, name) > (?, ?)"
            arguments += [after.namespace, after.name]
        }
        sql += " ORDER BY namespace, name"
        if let limit {
            // One more than is shown says whether there is a rest.
            sql += " LIMIT ?"
            arguments += [limit + 1]
        }
        revision = try db.revision()
        self.after = after
        objects = []
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: arguments)
        while let row = try rows.next() {
            let key = ObjectKey(resource: selection.resource, namespace: row[0], name: row[1])
            objects.append(StoredObject(key: key, revision: Revision(rawValue: row[2]), body: try db.body(row, at: 3)))
        }
        if let limit, objects.count > limit {
            objects.removeLast()
            through = objects.last?.key
        }
    }
}
