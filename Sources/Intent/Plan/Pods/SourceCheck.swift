import Addressing
public import NFTables

/// Drops what a pod sends under an address that is not its own, before anything else looks at it.
///
/// IPv4 has the setting `rp_filter` on the node's end of the pod's link; IPv6 has none, and the kernel's answer is this rule: would
/// a packet to the source leave by the link this one came by? A pod's own address has its route there, and nothing else has. So
/// nothing is kept per pod, and there is no moment between a link's coming and its check.
///
/// Link-local sources are refused by a rule of their own, also of pods on the bridge: they have a route there as soon as somebody gives
/// the node's end such an address, and no policy knows whose they are. A pod needs none, because its gateway is a permanent neighbour.
public func sourceCheck(_ table: TableFamily) -> Chain {
    let isFromPod = Statement.begins(.inputInterfaceName, with: PacketPath.podLinkPrefix)
    let rules = [
        NFTables.Rule(
            table, isFromPod, .reversePath(isThere: false), .decide(.drop), comment: "a pod sends from its own address alone"),
        NFTables.Rule(
            table, isFromPod, .match(.sourceAddress, .greaterOrEqual, .address(.v6(IPv6Address(rawValue: 0xFE80 << 112)))),
            .match(.sourceAddress, .lessOrEqual, .address(.v6(IPv6Address(rawValue: 0xFEC0 << 112 - 1)))), .decide(.drop),
            comment: "which is no link-local one"),
    ]
    return Chain("prerouting", .init(.filter, .prerouting, priority: PacketPath.sourceCheck), rules: rules)
}
