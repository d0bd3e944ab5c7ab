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
        let hasIPv6 = attachment.addresses.contains { $0.family == .v6 }
        // Without IPv6 the pod must not give itself an address; with it, no router but the node may tell it anything.
        objects.append(.sysctl(Sysctl("net/ipv6/conf/\(name)/" + (hasIPv6 ? "accept_ra" : "disable_ipv6"), hasIPv6 ? "0" : "1")))
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
