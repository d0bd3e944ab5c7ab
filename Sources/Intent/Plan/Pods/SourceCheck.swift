import Addressing
public import NFTables

/// Drops what a pod sends under an address that is not its own, before anything else looks at it.
///
/// IPv4 has the setting `rp_filter` on the node's end of the pod's link; IPv6 has none, and the kernel's answer is this rule: would
/// a packet to the source leave by the link this one came by? A pod's own address has its route there, and nothing else has. So
/// nothing is kept per pod, and there is no moment between a link's coming and its check. Link-local sources have no route there
/// either; a pod needs none, because its gateway is a permanent neighbour.
public func sourceCheck(_ table: TableFamily) -> Chain {
    let rule = NFTables.Rule(
        table, .begins(.inputInterfaceName, with: PacketPath.podLinkPrefix), .reversePath(isThere: false), .decide(.drop),
        comment: "a pod sends from its own address alone")
    return Chain("prerouting", .init(.filter, .prerouting, priority: PacketPath.sourceCheck), rules: [rule])
}
