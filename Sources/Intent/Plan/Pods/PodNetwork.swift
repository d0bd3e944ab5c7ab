import Addressing
public import HostNetwork

/// The two ends of a pod's link: what has to be true in the node and in the pod.
///
/// Routed, not bridged: the pod has its address alone (/32, /128) and sends everything to a gateway that is on no link, whose MAC
/// it has by heart; the node has a route to the pod. Nobody ever asks who has an address, so nothing can answer wrongly, and no
/// packet waits for an answer. Calico works the same way. Costs the node one link, and per family one route and one neighbour.
public struct PodNetwork: Hashable, Sendable {
    public var node: State
    public var pod: State

    /// How the node's side of the pair names the pod's namespace.
    public static let podNamespace = "pod"

    public init(_ attachment: Attachment) {
        node = Self.nodeSide(attachment)
        pod = Self.podSide(attachment)
    }

    private static func nodeSide(_ attachment: Attachment) -> State {
        let peer = Link.Peer(
            attachment.id.interface, in: podNamespace, mac: attachment.podMAC, mtu: attachment.mtu)
        var objects: [Object] = [
            .link(
                Link(
                    attachment.link, .veth(peer: peer), mac: attachment.nodeMAC, mtu: attachment.mtu, makesLinkLocal: false))
        ]
        objects += Self.settings(onNode: attachment).map(Object.sysctl)
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
        for address in attachment.addresses {
            let gateway = PacketPath.podGateway(address.family)
            objects.append(.address(Address(InterfaceAddress(host: address), on: name)))
            objects.append(.neighbour(Neighbour(gateway, on: name, .mac(attachment.nodeMAC))))
            objects.append(
                .route(
                    Route(.all(address.family), via: gateway, device: name, isOnlink: true, proto: PacketPath.routeProtocol)))
        }
        return State(objects)
    }
}

// MARK: - Settings

extension PodNetwork {
    /// What the node's end takes from the pod: packets with the pod's own source only, and no word about routers.
    ///
    /// The reverse path filter knows IPv4 alone. Strict: what would not be answered over this link did not come over it. The
    /// kernel takes the greater of this and `all`, so where somebody set `all` to 2 the check is loose.
    static func settings(onNode attachment: Attachment) -> [Sysctl] {
        [Sysctl("net/ipv4/conf/\(attachment.link)/rp_filter", "1"), routerAdvertisements(attachment.link, attachment)]
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
