/// Where tables are kept: the kernel, or a fake that behaves like it.
///
/// The contract, held by one suite of tests for all ends: a transaction holds whole or not at all; applying the difference
/// between what is observed and what is desired makes the next difference empty; an empty transaction does not move the generation.
public protocol NFTablesEnd {
    associatedtype Failure: Error

    /// The table as it is now; `nil` when there is none.
    mutating func observe(_ table: Table.ID) throws(Failure) -> ObservedTable?

    /// Carries out all changes, or none.
    mutating func apply(_ changes: [Change]) throws(Failure)

    /// Counts the transactions of everybody in this namespace.
    mutating func generation() throws(Failure) -> UInt32
}

extension NFTablesEnd {
    /// Makes the table what it should be, and says what that took: nothing when it was so already.
    @discardableResult
    public mutating func settle(_ id: Table.ID, to desired: Table?) throws(Failure) -> [Change] {
        let changes = difference(from: try observe(id), to: desired)
        if !changes.isEmpty { try apply(changes) }
        return changes
    }
}
