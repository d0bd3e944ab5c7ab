import NFTables
import NFTablesKernel
import Netlink

/// The tables of a namespace, as somebody sees them who is not to take the transactions of policies and names for a stranger's:
/// they are not counted in ``generation()``.
struct CountedTables: NFTablesEnd {
    var kernel: KernelTables
    let policies: PolicyKeeper?
    var names: LocalNameKeeper?

    func observe(_ table: Table.ID) throws(KernelError) -> ObservedTable? { try kernel.observe(table) }

    func apply(_ changes: [Change]) throws(KernelError) { try kernel.apply(changes) }

    func generation() throws(KernelError) -> UInt32 {
        func read(_ commits: UInt32) -> Result<UInt32, KernelError> {
            do throws(KernelError) { return .success(try kernel.generation() &- commits) } catch { return .failure(error) }
        }
        // Names ask policies while they are at work: the other order would be a deadlock.
        func beside(_ commits: UInt32) -> Result<UInt32, KernelError> {
            policies?.withCommits { read(commits &+ $0) } ?? read(commits)
        }
        let answer = names?.withCommits(beside) ?? beside(0)
        return try answer.get()
    }
}
