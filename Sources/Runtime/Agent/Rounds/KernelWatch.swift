import Addressing
import CLinux
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Notices that somebody changed the kernel, and says what.
///
/// rtnetlink tells of every change, ours too; what could never concern us, such as other people's new routes, goes no further than
/// here. nf_tables would copy all our own elements back to us, so there only the generation is asked for, a few times a second.
actor KernelWatch {
    private let executor = SessionExecutor(name: "kernel-watch")
    private let subscription: Subscription
    private let tables: KernelTables
    private var generation: UInt32
    private var names: [Int32: String]

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ namespace: NetworkNamespace) throws(KernelError) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
            RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
            // Forwarding, switched on or off.
            RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
        ]
        subscription = try Subscription(.route, groups: groups.map { UInt32($0.rawValue) }, in: namespace)
        let tables = try KernelTables(in: namespace)
        generation = try tables.generation()
        self.tables = tables
        names = Dictionary(try NetlinkSocket(.route, in: namespace).links().map { ($0.index, $0.name ?? "") }) { $1 }
    }

    /// What was noticed in one go.
    struct Notice: Sendable {
        var news: Set<KernelNews> = []
        /// Somebody committed tables, perhaps we ourselves.
        var hasNewTables = false

        var isEmpty: Bool { news.isEmpty && !hasNewTables }
    }

    /// How long changes are gathered, in milliseconds. In that time some hundred come at most, and some thousand are kept for us.
    private static let gathering: CInt = 20

    /// Calls `noticed` after each burst of changes, until its task is cancelled.
    func run(_ noticed: @Sendable (Notice) -> Void) async throws {
        while !Task.isCancelled {
            var notice = Notice()
            // This thread is ours alone; a quarter of a second is how late a change of tables, or the end, is noticed.
            var event = try subscription.next(timeout: .milliseconds(250))
            // Changes come in swarms: a pod that comes makes a dozen, and to wake somebody costs more than to look at all of them.
            if event != nil { poll(nil, 0, Self.gathering) }
            // A stream without end is told of in pieces.
            for _ in 0..<4096 {
                guard let some = event else { break }
                take(some, into: &notice.news)
                event = try subscription.next(timeout: .zero)
            }
            if let event { take(event, into: &notice.news) }
            let now = try tables.generation()
            notice.hasNewTables = now != generation
            generation = now
            if !notice.isEmpty { noticed(notice) }
            await Task.yield()
        }
    }

    private func take(_ event: Subscription.Event, into news: inout Set<KernelNews>) {
        switch event {
        case .overrun: news.insert(.lost)
        case .messages(let messages): for message in messages { news.formUnion(read(message)) }
        }
    }

    private func read(_ message: Message) -> [KernelNews] {
        // The kinds have four numbers each: `RTM_NEW…`, `RTM_DEL…`, two that are no news.
        let isGone = message.type % 4 == 1
        var message = message
        if isGone { message.type -= 1 }
        if message.type == NetconfNews.type { return [NetconfNews(message).flatMap(setting)].compactMap(\.self) }
        if let link = LinkMessage(message) { return [self.link(link, isGone)].compactMap(\.self) }
        if let address = AddressMessage(message) { return self.address(address, isGone) }
        if let neighbour = NeighbourMessage(message) { return [self.neighbour(neighbour, isGone)].compactMap(\.self) }
        if let route = RouteMessage(message) { return [self.route(route, isGone)].compactMap(\.self) }
        if isGone, let rule = RuleMessage(message) { return [ruleGone(rule)].compactMap(\.self) }
        return []
    }
}

// MARK: - Messages

extension KernelWatch {
    private func link(_ message: LinkMessage, _ isGone: Bool) -> KernelNews? {
        guard let name = message.name else { return nil }
        names[message.index] = isGone ? nil : name
        return .link(name)
    }

    private func address(_ message: AddressMessage, _ isGone: Bool) -> [KernelNews] {
        guard let address = message.address?.address, let link = names[Int32(truncatingIfNeeded: message.link)] else { return [] }
        let isAdvertised = message.proto == PacketPath.advertisedAddress && !isGone
        return [.address(address, link: link, isGone: isGone)] + (isAdvertised ? [.advertised(link: link)] : [])
    }

    /// A node with many peers learns and forgets neighbours all day long; only those on our own links can be ours.
    private func neighbour(_ message: NeighbourMessage, _ isGone: Bool) -> KernelNews? {
        guard let link = names[message.link], PacketPath.isOurLink(link) else { return nil }
        let isThere = !isGone && message.state.contains(.permanent)
        if message.family == .bridge {
            // Of a port: it is there or not.
            if message.bridge != nil {
                return isGone || message.state != .noARP ? message.mac.map { .frames($0, link: link, nil) } : nil
            }
            return message.mac.map { .frames($0, link: link, isThere ? message.destination : nil) }
        }
        return message.destination.map { .neighbour($0, link: link, isThere ? message.mac : nil) }
    }

    private func ruleGone(_ message: RuleMessage) -> KernelNews? {
        guard message.proto == PacketPath.routeProtocol else { return nil }
        return Rule(message).map(KernelNews.ruleGone)
    }

    /// Others' routes that come are no news; one that goes may have stood in our way.
    private func route(_ message: RouteMessage, _ isGone: Bool) -> KernelNews? {
        guard PacketPath.routeTables.contains(message.table), let prefix = message.destination else { return nil }
        let isOurs = message.proto == PacketPath.routeProtocol
        if isGone { return .routeGone(Route.Key(prefix, table: message.table, metric: message.metric ?? 0), isOurs: isOurs) }
        if message.proto == PacketPath.advertisedProtocol {
            return message.link.flatMap { names[$0] }.map { .advertised(link: $0) }
        }
        return isOurs ? Route(message, names: names).map(KernelNews.route) : nil
    }

    private func setting(_ news: NetconfNews) -> KernelNews? {
        if news.isAboutAll { return news.isForwarding.map { .forwarding(news.family, $0) } }
        return names[news.link].flatMap { PacketPath.isOurLink($0) ? .setting(link: $0) : nil }
    }
}

/// `RTM_NEWNETCONF`: a setting of a link, or of all, was changed.
private struct NetconfNews {
    static let type: UInt16 = 80

    let family: IPFamily
    let link: Int32
    let isForwarding: Bool?

    init?(_ message: Message) {
        guard let family = RouteFamily(rawValue: message.read(UInt8.self, at: 0))?.addresses else { return nil }
        let facts = message.attributes(after: 1)
        // `NETCONFA_IFINDEX` and `NETCONFA_FORWARDING`
        guard let link: Int32 = facts[1]?.number() else { return nil }
        self.family = family
        self.link = link
        isForwarding = facts[2]?.number(Int32.self).map { $0 != 0 }
    }

    /// `NETCONFA_IFINDEX_ALL`
    var isAboutAll: Bool { link == -1 }
}
