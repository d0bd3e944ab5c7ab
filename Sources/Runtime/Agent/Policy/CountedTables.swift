import NFTables
import NFTablesKernel
import Netlink

/// The tables of a namespace, as somebody sees them who is not to take the policies' transactions for a stranger's: they are not
/// counted in ``generation()``.
struct CountedTables: NFTablesEnd {
    var kernel: KernelTables
    let policies: PolicyKeeper?

    func observe(_ table: Table.ID) throws(KernelError) -> ObservedTable? { try kernel.observe(table) }

    func apply(_ changes: [Change]) throws(KernelError) { try kernel.apply(changes) }

    func generation() throws(KernelError) -> UInt32 {
        guard let policies else { return try kernel.generation() }
        let answer = policies.withCommits { commits -> Result<UInt32, KernelError> in
            do throws(KernelError) { return .success(try kernel.generation() &- commits) } catch { return .failure(error) }
        }
        return try answer.get()
    }
}
