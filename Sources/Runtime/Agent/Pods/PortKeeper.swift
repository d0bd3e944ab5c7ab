import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization

/// Makes the node's ports lead to pods, and lets pods on the bridge send: the only writer of the tables of ``HostPorts`` and
/// ``SourceTable``.
///
/// A runtime takes a port for open, and a pod for able to send, when ADD was answered, so this does not wait for a round of the reconciler. Of two calls the
/// later one looks at the book later, and none writes what another has made obsolete.
final class PortKeeper: Sendable {
    private let tables: any PortTables
    private let turn = Mutex(())

    init(_ tables: any PortTables) { self.tables = tables }

    /// - Parameter holders: the attachments that tables name, as of the moment it is called.
    /// - Returns: what it took; nothing when the tables were as they should be.
    func settle(_ holders: () -> [Plan.Attachment]) throws(KernelError) -> [String] {
        try turn.withLock { _ throws(KernelError) in
            try tables.settle(Self.desired(holders())).map(\.description)
        }
    }

    /// What ``settle(_:)`` would do, in words.
    func differences(_ holders: () -> [Plan.Attachment]) throws(KernelError) -> [String] {
        try turn.withLock { _ throws(KernelError) in
            try tables.differences(Self.desired(holders())).map(\.description)
        }
    }

    private static func desired(_ holders: [Plan.Attachment]) -> [Table.ID: Table] {
        HostPorts.tables(of: holders).merging(SourceTable.tables(of: holders)) { $1 }
    }
}

/// Where these tables are said.
protocol PortTables: Sendable {
    /// Makes them so; those that are not named are taken away.
    func settle(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change]
    func differences(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change]
}

/// In the kernel. A socket for each time: ports change seldom, and a table that is not there is one question.
struct KernelPortTables: PortTables {
    let namespace: NetworkNamespace
    private static let ids = SourceTable.tables + HostPorts.tables

    func settle(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change] {
        var tables = try KernelTables(in: namespace)
        var changes: [NFTables.Change] = []
        for id in Self.ids { changes += try tables.settle(id, to: desired[id]) }
        return changes
    }

    func differences(_ desired: [Table.ID: Table]) throws(KernelError) -> [NFTables.Change] {
        let tables = try KernelTables(in: namespace)
        var changes: [NFTables.Change] = []
        for id in Self.ids { changes += difference(from: try tables.observe(id), to: desired[id]) }
        return changes
    }
}

extension Plan.Attachment {
    var isNamedInTables: Bool { isBridged || !ports.isEmpty }
}
