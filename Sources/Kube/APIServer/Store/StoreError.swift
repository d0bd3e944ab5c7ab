/// The store refused or could not do what it was asked.
public struct StoreError: Error, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Value { case alreadyExists, notFound, conflict, expired, future, busy, storage, refused }
        private var value: Value

        /// A new object has the name of one that is there.
        public static let alreadyExists = Code(value: .alreadyExists)
        public static let notFound = Code(value: .notFound)
        /// The object is at another revision than was expected: read it again.
        public static let conflict = Code(value: .conflict)
        /// The changes since that revision are forgotten: list again.
        public static let expired = Code(value: .expired)
        /// A revision the store has not reached: it belongs to another store.
        public static let future = Code(value: .future)
        /// Another process has the store open.
        public static let busy = Code(value: .busy)
        /// The disk or SQLite said no; the cause tells what. Nothing was written.
        public static let storage = Code(value: .storage)
        /// The write's own condition does not hold; the cause tells why. Nothing was written.
        public static let refused = Code(value: .refused)
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public static func ~= (code: Code, error: StoreError) -> Bool { error.code == code }
}

extension StoreError.Code {
    public static func ~= (code: Self, error: any Error) -> Bool { (error as? StoreError)?.code == code }
}

extension StoreError: CustomStringConvertible {
    public var description: String { message + (cause.map { ": \($0)" } ?? "") }
}

extension StoreError {
    static func notFound(_ key: ObjectKey) -> StoreError { StoreError(.notFound, "\(key) not found") }

    static func conflict(_ key: ObjectKey, expected: Revision, found: Revision) -> StoreError {
        StoreError(.conflict, "\(key) is at revision \(found), not \(expected): read it again and repeat the change")
    }

    static func expired(_ revision: Revision, oldest: Revision) -> StoreError {
        StoreError(.expired, "revision \(revision) is too old, changes are known since \(oldest): list again")
    }

    static func future(_ revision: Revision, reached: Revision) -> StoreError {
        StoreError(.future, "revision \(revision) is too large, the store is at \(reached): list again")
    }
}
