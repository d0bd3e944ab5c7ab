import Addressing
import Cluster
import HostNetwork
import KubeAPI

/// The roads to other nodes' pods through VXLAN: an Ethernet frame in a UDP packet from node to node.
///
/// Flannel's first VXLAN asked its daemon for every unknown address (L3 miss), its second held one entry of each kind per node and
/// asked nobody. So does this one: nothing is learnt, nothing is flooded, and no packet waits for an answer.
///
/// ```
///  pod a ── node 1                                                            node 2 ── pod b
///           route     10.244.2.0/24 via 192.0.2.2 dev tulle4 onlink
///           neighbour 192.0.2.2 on tulle4 is 9e:…:b2     (no ARP)
///           forwarding 9e:…:b2 on tulle4 is at 192.0.2.2  ═══ UDP 8472 ═══►   tulle4 has 9e:…:b2
/// ```
/// Every node knows every other's MAC without asking: it is made of the node's name and the tunnel's number.
///
/// A pod's packet to a *node* goes through the tunnel as well, by a route table that a rule asks for packets from this node's pods
/// alone. So the pod keeps its address where a router between the nodes would drop an address it does not know, and the way there
/// and the way back are the same.
///
/// Costs per remote node, of each family that there are pods of: one neighbour and two routes; and one forwarding entry in all.
struct Tunnel {
    let facts: NodeFacts
    /// This node.
    let own: Member
    let settings: Backend.Tunnelling

    /// The MAC of a node's end.
    ///
    /// 46 bits of a hash: among a thousand nodes two share one in one of 140 million clusters.
    static func mac(of node: String, id: UInt32) -> MACAddress {
        // The last bits of this hash change with every letter, the first ones hardly: it is folded.
        let hash = stableHash("vxlan \(id) \(node)")
        return MACAddress(local: hash ^ hash >> 32)
    }

    /// How the nodes that packets are wrapped for are reached: by IPv4 where both have it, because its header is shorter.
    func underlay(to peer: Member) -> IPFamily? {
        underlays.first { peer.address($0) != nil }
    }

    /// The families this node can wrap packets in, the preferred one first.
    var underlays: [IPFamily] {
        [.v4, .v6].filter { family in own.address(family).map { facts.uplinks[$0] != nil } ?? false }
    }

    /// Whether there has to be an end of this family: the preferred one stands ready, the other one is for those without the first.
    func needs(_ family: IPFamily, for peers: some Sequence<Member>) -> Bool {
        let underlays = underlays
        guard let first = underlays.first, underlays.contains(family) else { return false }
        return family == first || peers.contains { peer in underlays.first { peer.address($0) != nil } == family }
    }

    /// The largest packet that fits into one of the link's below.
    func mtu(_ underlay: IPFamily) -> Int? {
        own.address(underlay).flatMap { facts.uplinks[$0] }.map { $0.mtu - Backend.Tunnelling.overhead(underlay) }
    }
}

// MARK: - This node's end

extension Tunnel {
    /// The link of one family of the packets around, with its settings.
    func end(_ underlay: IPFamily, mtu: Int) -> [Object] {
        guard let local = own.address(underlay) else { return [] }
        let name = PacketPath.tunnelLink(underlay)
        // A node that changes its backend sends beside the tunnel what we send through it. Loose (2) would not do: without an address on
        // the link the kernel takes it for strict (`__fib_validate_source`).
        var objects: [Object] = [
            .link(
                Link(
                    name, .vxlan(Link.Overlay(id: settings.id, port: settings.port, local: local)),
                    mac: Self.mac(of: own.name, id: settings.id), mtu: mtu, makesLinkLocal: false)),
            .sysctl(Sysctl("net/ipv4/conf/\(name)/rp_filter", "0")),
        ]
        // The kernel takes IPv6 off a link that is too narrow for it, with its settings.
        if podFamilies.contains(.v6), mtu >= Link.leastIPv6MTU {
            // Neighbours and forwarding entries say it all; nobody at the other end may tell more.
            objects.append(.sysctl(Sysctl("net/ipv6/conf/\(name)/accept_ra", "0")))
            objects.append(.sysctl(Sysctl("net/ipv6/conf/\(name)/disable_ipv6", "0")))
        }
        return objects
    }

    /// Packets of this node's pods ask the table of the tunnels first: it has the other nodes' own addresses.
    var rules: [Object] {
        own.podPrefixes.filter { facts.families.contains($0.family) }.map { prefix in
            .rule(
                Rule(
                    prefix.family, priority: PacketPath.podRule, from: prefix, table: PacketPath.podRouteTable,
                    proto: PacketPath.routeProtocol))
        }
    }

    /// The families that this node has pods of.
    private var podFamilies: Set<IPFamily> { Set(own.podPrefixes.map(\.family)).intersection(facts.families) }
}

// MARK: - Roads

extension Tunnel {
    /// Everything that leads to one other node's pods, and this node's pods to that node.
    func roads(to peer: Member) -> (state: State, problems: [Problem]) {
        let direct = HostGateway(facts: facts, own: own)
        var state = State()
        var wrapped: [IPPrefix] = []
        for prefix in peer.podPrefixes where facts.families.contains(prefix.family) {
            if settings.isDirectOnSegment, let route = direct.route(to: prefix, of: peer) {
                state.insert(.route(route))
            } else {
                wrapped.append(prefix)
            }
        }
        let nodes = peer.addresses.filter { podFamilies.contains($0.family) && !isDirect($0) }
        guard !wrapped.isEmpty || !nodes.isEmpty else { return (state, []) }
        guard let underlay = underlay(to: peer), let remote = peer.address(underlay) else {
            // Without an address on a link, a node has its problem already.
            return (state, underlays.isEmpty || peer.addresses.isEmpty ? [] : [strange(peer)])
        }
        let entries = entries(peer, over: underlay, at: remote, wrapped, nodes)
        state.reserveCapacity(state.count + entries.count)
        for object in entries { state.insert(object) }
        return (state, [])
    }

    private func entries(
        _ peer: Member, over underlay: IPFamily, at remote: IPAddress, _ ranges: [IPPrefix], _ nodes: [IPAddress]
    ) -> [Object] {
        let link = PacketPath.tunnelLink(underlay)
        let mac = Self.mac(of: peer.name, id: settings.id)
        var objects: [Object] = [.forwarding(Forwarding(mac, on: link, to: remote))]
        func add(_ prefix: IPPrefix, table: UInt32) {
            let gateway = gateway(to: peer, prefix, mac)
            objects.append(.neighbour(Neighbour(gateway, on: link, .mac(mac))))
            let source = own.address(prefix.family).flatMap { facts.uplinks[$0] == nil ? nil : $0 }
            objects.append(
                .route(
                    Route(
                        prefix, via: gateway, device: link, isOnlink: prefix.family == .v4, source: source, table: table,
                        proto: PacketPath.routeProtocol, mtu: room(to: peer, prefix.family))))
        }
        let hasRoom = mtu(underlay).map { $0 >= Link.leastIPv6MTU } ?? false
        for range in ranges where hasRoom || range.family == .v4 { add(range, table: Route.mainTable) }
        for node in nodes where hasRoom || node.family == .v4 { add(IPPrefix(host: node), table: PacketPath.podRouteTable) }
        return objects
    }

    /// Who has the peer's MAC, in the words of one family.
    ///
    /// IPv4: the node, or where it has no such address the first of its range, which no pod has. IPv6: the link-local address that
    /// goes with the MAC, for the kernel takes no other gateway to be on a link when a route says that it is on another.
    private func gateway(to peer: Member, _ prefix: IPPrefix, _ mac: MACAddress) -> IPAddress {
        switch prefix.family {
        case .v4: peer.address(.v4) ?? prefix.address
        case .v6: .v6(IPv6Address(linkLocal: mac))
        }
    }

    /// So that the node tells senders what the way does not say. IPv6 knows no smaller packets than 1280 bytes.
    private func room(to peer: Member, _ family: IPFamily) -> UInt32? {
        facts.narrowRoads.to(peer.name).flatMap { family == .v6 && $0 < Link.leastIPv6MTU ? nil : UInt32(clamping: $0) }
    }

    private func isDirect(_ address: IPAddress) -> Bool {
        guard settings.isDirectOnSegment, let own = own.address(address.family) else { return false }
        return facts.uplinks[own]?.segment.contains(address) ?? false
    }

    private func strange(_ peer: Member) -> Problem {
        let families = underlays.map(\.name).joined(separator: " and ")
        return Problem(
            .peerOfOtherFamily, ObjectKey(Node.resource.kind, name: peer.name),
            "it has no address of \(families), and this node no other")
    }
}

extension IPv6Address {
    /// `fe80::` and the modified EUI-64 of a MAC (RFC 4291, appendix A).
    init(linkLocal mac: MACAddress) {
        let (high, low) = (UInt128(mac.rawValue >> 24) ^ 0x02_0000, UInt128(mac.rawValue & 0xFF_FFFF))
        self.init(rawValue: 0xFE80 << 112 | high << 40 | 0xFFFE << 24 | low)
    }
}
