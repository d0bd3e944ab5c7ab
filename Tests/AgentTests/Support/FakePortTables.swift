import NFTables
import Netlink
import Plan
import Synchronization

@testable import Agent

/// The tables that name pods, in memory.
final class FakePortTables: PortTables {
    private static let ids = SourceTable.tables + HostPorts.tables
    private let state = Mutex<(tables: MemoryTables, refusal: KernelError?)>((MemoryTables(), nil))

    func refuse(_ error: KernelError?) { state.withLock { $0.refusal = error } }

    /// What is said, as text.
    var text: String {
        state.withLock { state in Self.ids.compactMap { (try? state.tables.observe($0))?.table.text }.joined() }
    }

    func settle(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change] {
        let changes = try differences(desired)
        guard !changes.isEmpty else { return [] }
        try state.withLock { state throws(KernelError) in
            if let refusal = state.refusal { throw refusal }
            do { try state.tables.apply(changes) } catch { throw KernelError(.inputOutput, "\(error)") }
        }
        return changes
    }

    func differences(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change] {
        state.withLock { state in
            Self.ids.flatMap { difference(from: (try? state.tables.observe($0)) ?? nil, to: desired[$0]) }
        }
    }
}
