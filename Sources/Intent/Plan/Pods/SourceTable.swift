import Addressing
public import NFTables

/// The tables that let pods on the bridge send from their own addresses alone, one a family, only where there is such a pod.
///
/// ```
/// prerouting (raw)   from tlbridge, to 127.0.0.0/8                   → drop
///                    from tlbridge, MAC . source not in “sources”    → drop
/// ```
/// All of them come by one link here, so that a reverse path says nothing of which pod sent a packet. The bridge vouches for the MAC
/// (a locked port takes no other), and this for the address behind it. One element for each address.
public enum SourceTable {
    /// The tables that are ours, whether or not they should be there.
    public static let tables: [Table.ID] = [Table.ID(.ip, PacketPath.sourceTable), Table.ID(.ip6, PacketPath.sourceTable)]

    /// The tables that should be there.
    public static func tables(of attachments: some Collection<Attachment>) -> [Table.ID: Table] {
        var tables: [Table.ID: Table] = [:]
        let bridged = attachments.filter(\.isBridged)
        guard !bridged.isEmpty else { return tables }
        for family in IPFamily.allCases {
            let table = table(family, bridged)
            tables[table.id] = table
        }
        return tables
    }

    /// Also where none of the pods has an address of the family: then nothing of it is let through.
    private static func table(_ family: IPFamily, _ attachments: [Attachment]) -> Table {
        let kind: TableFamily = family == .v4 ? .ip : .ip6
        let type: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
        var sources = NamedSet(.init("sources", key: [.etherAddress, type]))
        for attachment in attachments {
            for address in attachment.addresses where address.family == family {
                sources.elements[Value(.mac(attachment.podMAC), .address(address))] = .init()
            }
        }
        let isFromBridge = Statement.match(.inputInterfaceName, .equal, .interfaceName(PacketPath.podBridge))
        var rules = [
            NFTables.Rule(
                kind, isFromBridge, .isNotIn([.sourceMAC, .sourceAddress], set: "sources"), .decide(.drop),
                comment: "a pod sends from its own address alone")
        ]
        if family == .v4 {
            let loopback = [
                Statement.match(.destinationAddress, .greaterOrEqual, .address(.v4(IPv4Address(127, 0, 0, 0)))),
                .match(.destinationAddress, .lessOrEqual, .address(.v4(IPv4Address(127, 255, 255, 255)))),
            ]
            rules.append(
                NFTables.Rule(
                    kind, [isFromBridge] + loopback + [.decide(.drop)], comment: "what listens on 127.0.0.1 is the node's own"))
        }
        let chain = Chain("prerouting", .init(.filter, .prerouting, priority: PacketPath.sourceCheck), rules: rules)
        return Table(kind, PacketPath.sourceTable, chains: [chain], sets: [sources])
    }
}
