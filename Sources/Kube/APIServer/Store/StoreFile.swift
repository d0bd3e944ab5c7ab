import GRDB
import Glibc
import Synchronization

/// The SQLite file of a store, open in this process alone.
///
/// Two processes on one file would give the same revision twice, and neither would hear of the other's changes; SQLite itself
/// would not mind. So a lock file beside it is held as long as this value lives; the kernel lets go of it when the process
/// dies, however it dies.
final class StoreFile: Sendable {
    let pool: DatabasePool
    /// `nil` once it is closed.
    private let lock: Mutex<CInt?>

    init(path: String) throws(StoreError) {
        let descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StoreError(.storage, "open \(path).lock: errno \(errno)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw StoreError(.busy, "\(path) is open in another process, or a second time in this one")
        }
        do {
            pool = try DatabasePool(path: path, configuration: Self.configuration)
            try Self.migrate(pool)
        } catch {
            Glibc.close(descriptor)
            throw StoreError(.storage, "open store \(path)", cause: error)
        }
        lock = Mutex(descriptor)
    }

    deinit { unlock() }

    /// Waits for what is being written, then lets go of the file. Twice is as good as once.
    func close() throws {
        defer { unlock() }
        try pool.close()
    }

    private func unlock() {
        guard let descriptor = lock.withLock({ $0.take() }) else { return }
        // Said, not left to the closing: a process that is being started elsewhere has the descriptor too, until it is another
        // program, and would hold the lock as long.
        flock(descriptor, LOCK_UN)
        Glibc.close(descriptor)
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "store"
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { db in
            // In WAL mode NORMAL loses nothing when the process is killed: the pages of a commit are in the kernel's page cache
            // before it returns. Only a power loss can take the last commits, and it takes them whole and in order.
            try db.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        return configuration
    }

    private static func migrate(_ pool: DatabasePool) throws {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("objects") { db in
            // The primary key alone orders the table: a list is one walk, a write touches one tree.
            try db.execute(
                sql: """
                    CREATE TABLE objects (
                        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                        revision INTEGER NOT NULL, body BLOB NOT NULL,
                        PRIMARY KEY (resource, namespace, name)
                    ) WITHOUT ROWID
                    """)
            try db.execute(sql: "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL)")
            try db.execute(sql: "INSERT INTO clock VALUES (0, 0)")
        }
        try migrator.migrate(pool)
    }
}

extension Database {
    /// The revision of the newest change this connection's snapshot holds.
    func revision() throws -> Revision {
        let statement = try cachedStatement(sql: "SELECT revision FROM clock")
        guard let number = try Int64.fetchOne(statement) else {
            throw StoreError(.storage, "the store has no clock: it was written by something else")
        }
        return Revision(rawValue: number)
    }

    func set(_ revision: Revision) throws {
        try cachedStatement(sql: "UPDATE clock SET revision = ?").execute(arguments: [revision.rawValue])
    }

    func object(_ key: ObjectKey) throws -> StoredObject? {
        let statement = try cachedStatement(
            sql: "SELECT revision, body FROM objects WHERE resource = ? AND namespace = ? AND name = ?")
        guard let row = try Row.fetchOne(statement, arguments: [key.resource, key.namespace, key.name]) else { return nil }
        return StoredObject(key: key, revision: Revision(rawValue: row[0]), body: try body(row, at: 1))
    }

    func body(_ row: Row, at index: Int) throws -> [UInt8] {
        try row.withUnsafeData(atIndex: index) { $0.map { [UInt8]($0) } ?? [] }
    }
}
