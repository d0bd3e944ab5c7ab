import CLinux
import NFTables
import NFTablesKernel
import Netlink

/// Notices that somebody changed the kernel.
///
/// rtnetlink tells of every change, ours too. nf_tables would copy all our own elements back to us, so there only the generation
/// is asked for, a few times a second: a number that is not the one after our own commit is somebody else's.
actor KernelWatch {
    private let executor = SessionExecutor(name: "kernel-watch")
    private let subscription: Subscription
    private let tables: KernelTables
    private var generation: UInt32

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ namespace: NetworkNamespace) throws(KernelError) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
        ]
        subscription = try Subscription(.route, groups: groups.map { UInt32($0.rawValue) }, in: namespace)
        let tables = try KernelTables(in: namespace)
        generation = try tables.generation()
        self.tables = tables
    }

    /// Calls `changed` after each burst of changes, until its task is cancelled.
    func run(_ changed: @Sendable () -> Void) async throws {
        while !Task.isCancelled {
            // This thread is ours alone; a quarter of a second is how late a change of tables, or the end, is noticed.
            var isChanged = try subscription.next(timeout: .milliseconds(250)) != nil
            while try subscription.next(timeout: .zero) != nil {}
            let now = try tables.generation()
            if now != generation { isChanged = true }
            generation = now
            if isChanged { changed() }
            await Task.yield()
        }
    }
}
