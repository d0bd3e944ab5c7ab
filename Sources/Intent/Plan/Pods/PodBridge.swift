public import Addressing
public import HostNetwork

/// The bridge whose ports are the node's ends of pods' links (`--pod-mode bridge`), as Flannel and the plugin `bridge` have it.
///
/// ```
///  pod a  10.244.1.2/24 ── tl… ─┐ isolated, locked        route 10.244.1.2/32 via itself dev tlbridge
///                               ├─ tlbridge 10.244.1.1/24  neighbour 10.244.1.2 → MAC of pod a
///  pod b  10.244.1.3/24 ── tl… ─┘ MAC of pod b behind it   route 10.244.1.3/32 …
/// ```
/// A plain bridge hands frames from pod to pod and never shows the node their packets: services answer from addresses that nobody
/// asked, and policies see nothing. Here pods send everything to the gateway, which routes it back to the bridge, and ports are
/// isolated, so that it cannot be otherwise: every packet passes the node's hooks, also between two pods of one node and from a pod to
/// itself.
///
/// Where `br_netfilter` is on, the hooks see what passes the bridge in any case, and what they translate to another pod's address goes
/// on from port to port without being routed. There ports are not isolated, and a pod reaches itself by the port it came from.
///
/// Nobody asks who has an address, as in routed mode: each end has the other's MAC by heart. So an address that another pod gets
/// is reached there at once, and no gratuitous ARP is needed.
public enum PodBridge {
    /// The gateway that pods of a range have: its first address behind the network's; `nil` for a range too small to have one.
    public static func gateway(of range: IPPrefix) -> IPAddress? {
        range.family.bitWidth - range.length < 2 ? nil : range.address(at: 1)
    }

    /// What a node with a bridge has beside its pods.
    ///
    /// - Parameter held: gateways' addresses that pods have from an earlier time: the bridge does without them.
    public static func state(_ ranges: [IPPrefix], mtu: Int, held: Set<IPAddress> = []) -> State {
        let name = PacketPath.podBridge
        var objects: [Object] = [
            .link(Link(name, .bridge, mac: PacketPath.podBridgeMAC, mtu: mtu, makesLinkLocal: false)),
            // See ``SourceTable`` for what lets nobody but the node at it.
            .sysctl(Sysctl("net/ipv4/conf/\(name)/route_localnet", "1")),
            .sysctl(Sysctl("net/ipv4/conf/\(name)/rp_filter", "1")),
        ]
        // A node may get its IPv6 range later than the other, when the bridge is there.
        let hasIPv6 = ranges.contains { $0.family == .v6 }
        objects.append(.sysctl(Sysctl("net/ipv6/conf/\(name)/disable_ipv6", hasIPv6 ? "0" : "1")))
        if hasIPv6 { objects.append(.sysctl(Sysctl("net/ipv6/conf/\(name)/accept_ra", "0"))) }
        for range in ranges {
            guard let gateway = gateway(of: range), !held.contains(gateway) else { continue }
            // Without the route for all of the range: an address that no pod has is answered with “unreachable”, not asked for.
            let address = InterfaceAddress(gateway, length: range.length)
            // Not one that the node speaks under: it has one identity, its own address.
            objects.append(.address(Address(address, on: name, scope: .link, noPrefixRoute: true, isDeprecated: true)))
        }
        return State(objects)
    }
}

extension PodBridge {
    /// The settings of `br_netfilter`, which has them for all bridges of a namespace.
    public static let filterSettings: Set<String> = [
        "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables",
    ]

    /// Whether one of them is on.
    public static func isFiltered(_ observed: State) -> Bool {
        observed.sysctls.contains { filterSettings.contains($0.path) && $0.value != "0" }
    }
}

extension PodNetwork {
    static func bridgedNodeSide(_ attachment: Attachment, _ isFiltered: Bool) -> State {
        let bridge = PacketPath.podBridge
        let peer = Link.Peer(attachment.id.interface, in: podNamespace, mac: attachment.podMAC, mtu: attachment.mtu)
        var objects: [Object] = [
            .link(
                Link(
                    attachment.link, .veth(peer: peer), mac: attachment.nodeMAC, mtu: attachment.mtu, master: bridge,
                    port: Link.Port(isLearning: false, isIsolated: !isFiltered, isLocked: true, isHairpin: isFiltered),
                    alias: attachment.alias, makesLinkLocal: false)),
            // A port has no addresses; IPv6 would have it say that it listens.
            .sysctl(Sysctl("net/ipv6/conf/\(attachment.link)/disable_ipv6", "1")),
            // Said, not learnt: a pod that sends under another's MAC changes nothing, and is not heard.
            .forwarding(Forwarding(attachment.podMAC, on: attachment.link)),
        ]
        objects += shaping(attachment.link, attachment.bandwidth.ingress, mtu: attachment.mtu)
        for address in attachment.addresses {
            objects.append(.neighbour(Neighbour(address, on: bridge, .mac(attachment.podMAC))))
            objects.append(.route(route(to: address, mtu: attachment.mtu)))
        }
        return State(objects)
    }

    /// The link's MTU is said by the route: a bridge drops in silence what is too large for a port.
    ///
    /// By way of the pod itself, in IPv4: what leaves by the link it came by for a neighbour of the sender's gets the sender a
    /// redirect, and ports are isolated. A next hop with a gateway is no neighbour. IPv6 sends none without a link-local address.
    private static func route(to address: IPAddress, mtu: Int) -> Route {
        Route(
            IPPrefix(host: address), via: address.family == .v4 ? address : nil, device: PacketPath.podBridge,
            isOnlink: address.family == .v4, proto: PacketPath.routeProtocol, mtu: UInt32(clamping: mtu))
    }
}

extension Attachment {
    /// An address of the pod, as its interface has it.
    public func interfaceAddress(_ address: IPAddress) -> InterfaceAddress {
        range(of: address).map { InterfaceAddress(address, length: $0.length) } ?? InterfaceAddress(host: address)
    }

    /// Where the pod sends what comes from an address.
    ///
    /// In IPv6 the link-local one for an interface that is not the pod's first: the kernel refuses a gateway that a route of another
    /// interface covers.
    public func gateway(of address: IPAddress) -> IPAddress {
        if address.family == .v6, reach != .everything { return PacketPath.podGateway(.v6) }
        return range(of: address).flatMap(PodBridge.gateway) ?? PacketPath.podGateway(address.family)
    }

    /// The MAC it knows the gateway by.
    public var gatewayMAC: MACAddress { isBridged ? PacketPath.podBridgeMAC : nodeMAC }

    private func range(of address: IPAddress) -> IPPrefix? { bridgedRanges.first { $0.contains(address) } }
}
