import Addressing
import HostNetwork
import Plan

extension NodeFacts {
    /// Reads off an observed state where the node's addresses stand.
    ///
    /// A link of ours is no uplink, and neither is `lo`.
    init(name: String, observed: State) {
        var uplinks: [IPAddress: Uplink] = [:]
        for address in observed.addresses {
            guard let link = observed.link(address.link), link.kind != .loopback, !PacketPath.isPodLink(link.name) else {
                continue
            }
            uplinks[address.address.address] = Uplink(device: link.name, segment: address.address.prefix, mtu: link.mtu ?? 1500)
        }
        self.init(name: name, uplinks: uplinks)
    }

    /// What pods get: the smallest of the links towards other nodes.
    func podMTU(addresses: [IPAddress]) -> Int {
        addresses.compactMap { uplinks[$0]?.mtu }.min() ?? 1500
    }
}
