import Addressing
import HostNetwork
import Plan

extension NodeFacts {
    /// Reads off an observed state where the node's addresses stand, and which links live by router advertisements.
    ///
    /// A link of ours is no uplink, and neither is `lo`.
    init(name: String, observed: State, hasIPv6: Bool) {
        var uplinks: [IPAddress: Uplink] = [:]
        var advertised: Set<String> = []
        for address in observed.addresses {
            guard let link = observed.link(address.link), link.kind != .loopback, !PacketPath.isOurLink(link.name) else {
                continue
            }
            uplinks[address.address.address] = Uplink(device: link.name, segment: address.address.prefix, mtu: link.mtu ?? 1500)
            if address.proto == PacketPath.advertisedAddress { advertised.insert(link.name) }
        }
        for route in observed.routes where route.proto == PacketPath.advertisedProtocol {
            if let device = route.device, !PacketPath.isPodLink(device) { advertised.insert(device) }
        }
        self.init(
            name: name, uplinks: uplinks, families: hasIPv6 ? [.v4, .v6] : [.v4], advertisedLinks: hasIPv6 ? advertised : [],
            filtersBridges: PodBridge.isFiltered(observed))
    }
}
