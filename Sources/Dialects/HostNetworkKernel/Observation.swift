import Addressing
public import HostNetwork
public import Netlink

/// One look at a namespace: dumps, with indices turned into names.
///
/// A link that appears or goes between two dumps leaves objects without a name; those are left out, and the next look has them.
struct Observation {
    private let socket: NetlinkSocket
    private let interest: Interest
    private let hasIPv6: Bool
    private let links: [LinkMessage]
    private let names: [Int32: String]

    /// Up to so many links are asked for one by one, and what stands on them; more are sought in lists of everything.
    private static let few = 8

    init(_ socket: NetlinkSocket, _ interest: Interest, hasIPv6: Bool = true) throws(KernelError) {
        self.socket = socket
        self.interest = interest
        self.hasIPv6 = hasIPv6
        links = try Self.links(interest.links, socket)
        names = Dictionary(links.map { ($0.index, $0.name ?? "") }) { _, later in later }
    }

    private static func links(_ wanted: Set<String>?, _ socket: NetlinkSocket) throws(KernelError) -> [LinkMessage] {
        guard let wanted else { return try socket.links() }
        guard wanted.count <= few else { return try socket.links().filter { wanted.contains($0.name ?? "") } }
        var found: [LinkMessage] = []
        for name in wanted {
            do { found.append(try socket.link(named: name)) } catch { guard error.code == .noSuchDevice else { throw error } }
        }
        return found
    }

    func state(with settings: [Sysctl]) throws(KernelError) -> State {
        var objects = links.map { message in
            var link = Link(message, names)
            // Without IPv6 the kernel does not say so.
            if !hasIPv6 || !link.hasRoomForIPv6 { link.makesLinkLocal = false }
            return Object.link(link)
        }
        objects += settings.map(Object.sysctl)
        for part in interest.parts { objects += try self.objects(part) }
        return State(objects)
    }

    private func objects(_ part: Interest.Part) throws(KernelError) -> [Object] {
        switch part {
        case .addresses: try socket.list(AddressMessage(all: .any), operation: "list addresses").compactMap(object)
        case .neighbours: try neighbours()
        case .forwardings: try forwardings()
        case .routes: try routes()
        case .rules: try rules()
        case .qdiscs: try qdiscs()
        }
    }

    /// The families there is something of.
    private var families: [RouteFamily] { hasIPv6 ? [.v4, .v6] : [.v4] }

    private func rules() throws(KernelError) -> [Object] {
        guard interest.links == nil else { return [] }
        var objects: [Object] = []
        for family in families { objects += try socket.list(RuleMessage.all(family), operation: "list rules").compactMap(object) }
        return objects
    }

    /// One list for each family, protocol and, of few links, link: the kernel compares, and sends nothing else.
    private func routes() throws(KernelError) -> [Object] {
        var objects: [Object] = []
        let table = interest.routeTables.flatMap { $0.count == 1 ? $0.first : nil } ?? 0
        let indices = interest.links.map { $0.count <= Self.few ? names.keys.map(Optional.some) : [nil] } ?? [nil]
        for family in families {
            for proto in interest.routeProtocols ?? [0] {
                for index in indices {
                    objects += try routes(RouteMessage(all: family, table: table, proto: proto, link: index))
                }
            }
        }
        return objects.filter(interest.includes)
    }

    private func routes(_ filter: RouteMessage) throws(KernelError) -> [Object] {
        do {
            return try socket.list(filter, operation: "list routes").compactMap(object)
        } catch {
            // A table that nobody has put anything into yet.
            guard error.code == .noSuchObject, filter.table != 0 else { throw error }
            return []
        }
    }

    private func neighbours() throws(KernelError) -> [Object] {
        let wanted = interest.neighbourLinks ?? interest.links
        guard let wanted else { return try neighbours(on: nil, flags: []) + neighbours(on: nil, flags: .proxy) }
        let indices = names.filter { wanted.contains($0.value) }.keys
        guard !indices.isEmpty else { return [] }
        var objects: [Object] = []
        for index in indices.count <= Self.few ? indices.map(Optional.some) : [nil] {
            objects += try neighbours(on: index, flags: []) + neighbours(on: index, flags: .proxy)
        }
        return objects.filter(interest.includes)
    }

    private func neighbours(on link: Int32?, flags: NeighbourMessage.Flags) throws(KernelError) -> [Object] {
        var messages: [NeighbourMessage] = []
        let question = NeighbourQuery(.any, link: link, flags: flags).request(.get, operation: "list neighbours")
        try socket.dump(question, restart: { messages.removeAll() }) { message in
            if let neighbour = NeighbourMessage(message) { messages.append(neighbour) }
        }
        return messages.compactMap { message in
            guard let link = names[message.link], let address = message.destination else { return nil }
            if message.flags.contains(.proxy) { return .neighbour(Neighbour(address, on: link, .proxy)) }
            guard message.state.contains(.permanent), let mac = message.mac else { return nil }
            return .neighbour(Neighbour(address, on: link, .mac(mac)))
        }
    }

    /// Without those that the kernel put there by itself: they have no handle.
    private func qdiscs() throws(KernelError) -> [Object] {
        try socket.list(QdiscMessage.all, operation: "list qdiscs").compactMap { message in
            guard message.parent == QdiscMessage.root, message.handle != 0, let link = names[message.link] else { return nil }
            let kind =
                message.bucket.map { bucket in
                    Qdisc.Kind.tokenBucket(.init(rate: bucket.rate, burst: bucket.burst, limit: bucket.limit))
                } ?? .other(message.kind ?? "")
            return .qdisc(Qdisc(link, kind, handle: UInt16(message.handle >> 16)))
        }
    }

    private func forwardings() throws(KernelError) -> [Object] {
        // A dump without VXLAN links lists multicast addresses of every link: nothing of it is ours.
        let overlays = Set(links.filter { if case .vxlan? = $0.kind { true } else { false } }.map(\.index))
        let ports = Set(links.filter { $0.port != nil }.map(\.index))
        guard !overlays.isEmpty || !ports.isEmpty else { return [] }
        return try socket.list(NeighbourMessage(.bridge), operation: "list forwarding entries").compactMap { message in
            guard let link = names[message.link], let mac = message.mac else { return nil }
            if message.bridge != nil {
                // What was learnt has another state, and the port's own MAC is permanent.
                guard ports.contains(message.link), message.state == .noARP else { return nil }
                return .forwarding(Forwarding(mac, on: link))
            }
            guard overlays.contains(message.link), let destination = message.destination, message.state.contains(.permanent)
            else { return nil }
            return .forwarding(Forwarding(mac, on: link, to: destination))
        }
    }
}

// MARK: - From messages

/// `RTPROT_KERNEL`, of routes and rules.
private let madeByKernel: UInt8 = 2
/// `RTPROT_REDIRECT`: learnt from an ICMP redirect.
private let redirected: UInt8 = 1
/// `RT_TABLE_LOCAL`
private let localTable: UInt32 = 255

extension Link {
    init(_ message: LinkMessage, _ names: [Int32: String]) {
        let kind: Kind =
            switch message.kind {
            case .veth: .veth(peer: nil)
            case .bridge: .bridge
            case .vxlan(let overlay): .vxlan(Overlay(overlay, names))
            case .other(let name): .other(name)
            case nil: message.isLoopback ? .loopback : .other("")
            }
        self.init(
            message.name ?? "", kind, isUp: message.isUp == true, mac: message.mac, mtu: message.mtu.map(Int.init),
            master: message.master.flatMap { names[$0] }, port: message.port.map(Port.init), alias: message.alias,
            makesLinkLocal: message.makesLinkLocal)
    }
}

extension Link.Port {
    /// A kernel that does not know a setting does not have it.
    fileprivate init(_ port: BridgePort) {
        self.init(
            isLearning: port.isLearning ?? true, isIsolated: port.isIsolated ?? false, isLocked: port.isLocked ?? false,
            isHairpin: port.isHairpin ?? false)
    }
}

extension Link.Overlay {
    fileprivate init(_ overlay: VXLAN, _ names: [Int32: String]) {
        self.init(
            id: overlay.id, port: overlay.port, local: overlay.local, device: overlay.link.flatMap { names[$0] },
            isLearning: overlay.isLearning)
    }
}

extension Observation {
    private func object(_ message: AddressMessage) -> Object? {
        guard let address = message.address, let link = names[Int32(truncatingIfNeeded: message.link)],
            !message.isMadeByKernel
        else { return nil }
        return .address(
            Address(
                address, on: link, scope: Scope(rawValue: message.scope) ?? .global,
                noPrefixRoute: message.flags.contains(.noPrefixRoute),
                detectsDuplicates: !message.flags.contains(.noDuplicateDetection), isDeprecated: message.isDeprecated,
                proto: message.proto ?? 0,
                isSecondary: message.flags.contains(.secondary) && address.address.family == .v4))
    }

    private func object(_ message: RouteMessage) -> Object? { Route(message, names: names).map(Object.route) }
}

extension Route {
    /// A route as the kernel tells of it, in a list or as news.
    ///
    /// `nil` for one that the kernel makes and keeps by itself, and for one whose link has no name in `names`.
    public init?(_ message: RouteMessage, names: [Int32: String]) {
        guard let prefix = message.destination, message.proto != madeByKernel, message.proto != redirected,
            message.table != localTable, !message.flags.contains(.cloned)
        else { return nil }
        let kind = message.isMultipath ? .multipath : Route.Kind(rawValue: message.type)
        // Routes that drop stand on no link, though IPv6 says `lo`.
        let index = [.blackhole, .unreachable].contains(kind) ? nil : message.link
        let device = index.flatMap { names[$0] }
        // Its link came after the links were listed. Without the link's name it would look like a route that stands on none, and
        // whoever owns it would take it away.
        if index != nil, device == nil { return nil }
        self.init(
            prefix, kind, via: message.gateway, device: device, isOnlink: message.flags.contains(.onlink),
            source: message.source, table: message.table, metric: message.metric ?? 0, proto: message.proto,
            scope: Scope(rawValue: message.scope), mtu: message.mtu)
    }
}

extension Observation {
    private func object(_ message: RuleMessage) -> Object? { Rule(message).map(Object.rule) }
}

extension Rule {
    /// A rule as the kernel tells of it, in a list or as news; `nil` for its own, and for one that does or asks more than we know.
    public init?(_ message: RuleMessage) {
        guard let family = message.family.addresses, message.proto != madeByKernel, message.action == 1, !message.hasMore else {
            return nil
        }
        self.init(
            family, priority: message.priority, from: message.from, to: message.to,
            mark: message.mark.map { Rule.Mark($0, mask: message.mask ?? .max) }, incoming: message.incoming,
            table: message.table, proto: message.proto ?? 0)
    }
}

extension AddressMessage {
    /// Link-local addresses and those of `lo`. The kernel marks its own since 5.18 (`IFAPROT_KERNEL_LO` and `IFAPROT_KERNEL_LL`
    /// are 1 and 3), except 127.0.0.1/8. An address learnt from router advertisements (2) may be the only one a machine has.
    fileprivate var isMadeByKernel: Bool {
        proto.map { $0 == 1 || $0 == 3 } ?? (address == InterfaceAddress(.v4(.loopback), length: 8))
    }
}

extension Route.Kind {
    init(rawValue: UInt8) {
        switch rawValue {
        case 1: self = .unicast
        case 2: self = .local
        case 6: self = .blackhole
        case 7: self = .unreachable
        default: self = .other(rawValue)
        }
    }

    var rawValue: UInt8 {
        switch self {
        case .unicast, .multipath: 1
        case .local: 2
        case .blackhole: 6
        case .unreachable: 7
        case .other(let number): number
        }
    }
}
