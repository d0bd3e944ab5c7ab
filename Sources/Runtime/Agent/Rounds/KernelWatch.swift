import CLinux
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Notices that somebody changed the kernel.
///
/// rtnetlink tells of every change, ours too. nf_tables would copy all our own elements back to us, so there only the generation
/// is asked for, a few times a second: a number that is not the one after our own commit is somebody else's.
actor KernelWatch {
    private let executor = SessionExecutor(name: "kernel-watch")
    private let subscription: Subscription
    private let tables: KernelTables
    private var generation: UInt32
    private var podLinks: Set<Int32>

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ namespace: NetworkNamespace) throws(KernelError) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
            // Forwarding, switched on or off.
            RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
        ]
        subscription = try Subscription(.route, groups: groups.map { UInt32($0.rawValue) }, in: namespace)
        let tables = try KernelTables(in: namespace)
        generation = try tables.generation()
        self.tables = tables
        podLinks = Set(try NetlinkSocket(.route, in: namespace).links().filter(\.isPodLink).map(\.index))
    }

    /// Calls `changed` after each burst of changes, until its task is cancelled.
    func run(_ changed: @Sendable () -> Void) async throws {
        while !Task.isCancelled {
            // This thread is ours alone; a quarter of a second is how late a change of tables, or the end, is noticed.
            var isChanged = matters(try subscription.next(timeout: .milliseconds(250)))
            while let event = try subscription.next(timeout: .zero) { isChanged = matters(event) || isChanged }
            let now = try tables.generation()
            if now != generation { isChanged = true }
            generation = now
            if isChanged { changed() }
            await Task.yield()
        }
    }

    /// A node with many peers learns and forgets neighbours all day long; only those on pods' links are ours.
    private func matters(_ event: Subscription.Event?) -> Bool {
        guard case .messages(let messages)? = event else { return event != nil }
        var matters = false
        for message in messages {
            if let link = LinkMessage(message), link.isPodLink { podLinks.insert(link.index) }
            // `RTM_NEWNEIGH` and `RTM_DELNEIGH`; `ndm_ifindex` is in both.
            let isNeighbour = message.type == NeighbourMessage.newType || message.type == NeighbourMessage.newType + 1
            let link = isNeighbour && message.payload.count >= 8 ? message.read(Int32.self, at: 4) : nil
            if link.map(podLinks.contains) ?? true { matters = true }
        }
        return matters
    }
}

extension LinkMessage {
    fileprivate var isPodLink: Bool { name.map(PacketPath.isPodLink) ?? false }
}
