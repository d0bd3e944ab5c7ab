import Addressing
public import HostNetwork

/// The two ends of a pod's link: what has to be true in the node and in the pod.
///
/// Routed, not bridged: the pod has its address alone (/32, /128) and sends everything to a gateway that is on no link, whose MAC
/// it has by heart; the node has a route to the pod. Nobody ever asks who has an address, so nothing can answer wrongly, and no
/// packet waits for an answer. Calico works the same way. Costs the node one link, and per family one route and one neighbour.
/// See ``PodBridge`` for the other way.
public struct PodNetwork: Hashable, Sendable {
    public var node: State
    public var pod: State

    /// How the node's side of the pair names the pod's namespace.
    public static let podNamespace = "pod"

    /// - Parameter filtersBridges: see ``NodeFacts/filtersBridges``.
    public init(_ attachment: Attachment, filtersBridges: Bool = false) {
        node = attachment.isBridged ? Self.bridgedNodeSide(attachment, filtersBridges) : Self.nodeSide(attachment)
        pod = Self.podSide(attachment)
    }

    private static func nodeSide(_ attachment: Attachment) -> State {
        let peer = Link.Peer(
            attachment.id.interface, in: podNamespace, mac: attachment.podMAC, mtu: attachment.mtu)
        var objects: [Object] = [
            .link(
                Link(
                    attachment.link, .veth(peer: peer), mac: attachment.nodeMAC, mtu: attachment.mtu, alias: attachment.alias,
                    makesLinkLocal: false))
        ]
        objects += Self.settings(onNode: attachment).map(Object.sysctl)
        objects += Self.shaping(attachment.link, attachment.bandwidth.ingress, mtu: attachment.mtu)
        for address in attachment.addresses {
            objects.append(.neighbour(Neighbour(address, on: attachment.link, .mac(attachment.podMAC))))
            objects.append(
                .route(Route(IPPrefix(host: address), device: attachment.link, proto: PacketPath.routeProtocol, scope: .link)))
        }
        return State(objects)
    }

    private static func podSide(_ attachment: Attachment) -> State {
        let name = attachment.id.interface
        var objects: [Object] = [
            .link(Link("lo", .loopback)),
            .link(Link(name, .veth(peer: nil), mac: attachment.podMAC, mtu: attachment.mtu, makesLinkLocal: false)),
        ]
        objects += Self.settings(inPod: attachment).map(Object.sysctl)
        objects += Self.shaping(name, attachment.bandwidth.egress, mtu: attachment.mtu)
        for address in attachment.addresses {
            let gateway = attachment.gateway(of: address)
            objects.append(
                .address(Address(attachment.interfaceAddress(address), on: name, noPrefixRoute: attachment.isBridged)))
            objects.append(.neighbour(Neighbour(gateway, on: name, .mac(attachment.gatewayMAC))))
            objects += roads(from: address, by: gateway, attachment)
        }
        // Last: what the pod asked for stands over ours.
        objects += attachment.settings.map { .sysctl(Sysctl($0.key, $0.value)) }
        return State(objects)
    }

    /// The default route, or the ranges and a table of its own for what is sent from the address: an answer has to leave by the
    /// link that the question came by, for the node takes a pod's address from that pod's link alone.
    private static func roads(from address: IPAddress, by gateway: IPAddress, _ attachment: Attachment) -> [Object] {
        func route(_ prefix: IPPrefix, table: UInt32 = Route.mainTable) -> Object {
            .route(
                Route(
                    prefix, via: gateway, device: attachment.id.interface, isOnlink: true, table: table,
                    proto: PacketPath.routeProtocol))
        }
        guard case .ranges(let ranges) = attachment.reach else { return [route(.all(address.family))] }
        let table = attachment.routeTable
        let rule = Rule(
            address.family, priority: PacketPath.interfaceRule, from: IPPrefix(host: address), table: table,
            proto: PacketPath.routeProtocol)
        return ranges.filter { $0.family == address.family }.map { route($0) } + [
            route(.all(address.family), table: table), .rule(rule),
        ]
    }
}

// MARK: - How fast

extension PodNetwork {
    /// A token bucket at the end that sends: at the node's for what goes to the pod, at the pod's own for what comes from it.
    ///
    /// There a packet that has to wait waits in the pod's own sockets, and nothing is dropped. The reference plugin redirects what
    /// comes from a pod to an `ifb` link for each pod instead, which a pod with CAP_NET_ADMIN cannot take away.
    static func shaping(_ link: String, _ limit: Bandwidth.Limit?, mtu: Int) -> [Object] {
        guard let limit else { return [] }
        let bucket = Qdisc.TokenBucket(
            rate: max(1, limit.rate / 8), burst: limit.bucket(mtu: mtu), limit: limit.queue(mtu: mtu))
        return [.qdisc(Qdisc(link, .tokenBucket(bucket), handle: PacketPath.qdiscHandle))]
    }
}

// MARK: - Settings

extension PodNetwork {
    /// What the node's end takes from the pod: packets with the pod's own source only, and no word about routers.
    ///
    /// The reverse path filter knows IPv4 alone. Strict: what would not be answered over this link did not come over it. The
    /// kernel takes the greater of this and `all`, so where somebody set `all` to 2 the check is loose.
    static func settings(onNode attachment: Attachment) -> [Sysctl] {
        var settings = [
            Sysctl("net/ipv4/conf/\(attachment.link)/rp_filter", "1"), routerAdvertisements(attachment.link, attachment),
        ]
        // What comes from 127.0.0.1 may leave by this link, and its answers come back. See ``HostPorts`` for the guard.
        if attachment.ports.contains(where: \.isOnLoopback), attachment.addresses.contains(where: { $0.family == .v4 }) {
            settings.append(Sysctl("net/ipv4/conf/\(attachment.link)/route_localnet", "1"))
        }
        return settings
    }

    /// A runtime that knows IPv4 alone makes pods' namespaces with IPv6 off, for the links there are and those to come.
    private static func settings(inPod attachment: Attachment) -> [Sysctl] {
        let settings = [routerAdvertisements(attachment.id.interface, attachment)]
        guard attachment.hasIPv6 else { return settings }
        return settings + [attachment.id.interface, "lo"].map { Sysctl("net/ipv6/conf/\($0)/disable_ipv6", "0") }
    }

    /// Without IPv6 an end must not give itself an address; with it, nobody at the other end may tell it anything.
    private static func routerAdvertisements(_ link: String, _ attachment: Attachment) -> Sysctl {
        attachment.hasIPv6
            ? Sysctl("net/ipv6/conf/\(link)/accept_ra", "0") : Sysctl("net/ipv6/conf/\(link)/disable_ipv6", "1")
    }
}

extension Attachment {
    fileprivate var hasIPv6: Bool { addresses.contains { $0.family == .v6 } }
}
