import Addressing
public import NFTables

/// The tables that make ports of the node lead to pods, one a family, and only where a pod has such a port.
///
/// ```
/// prerouting, output    daddr . proto . dport            → address . port of the pod      ports of one address
///                       proto . dport, daddr is local    → address . port of the pod      ports of every address
/// postrouting           masquerade   a pod that reached itself (pod . pod), and the node that came from 127.0.0.1
/// guard (raw)           drop         a pod that sends to 127.0.0.0/8
/// ```
/// Everybody but those two keeps their source: replies come back through this node anyway, because pods are routed. One element
/// for a port, one for a pod; no chain and no rule for either. The reference plugin (`portmap`) makes chains for each pod, and masks
/// the source by a mark.
///
/// From 127.0.0.1 a packet may leave the node only where `route_localnet` says so, on the pod's own link (see ``PodNetwork``). That
/// setting lets the pod in as well: what it sends to 127.0.0.0/8 would reach servers that listen there alone, so the guard stands
/// before it. IPv6 has no such setting: from `::1` nothing leaves, and the port is reached by the node's other addresses.
public enum HostPorts {
    /// The tables that are ours, whether or not they should be there.
    public static let tables: [Table.ID] = [Table.ID(.ip, PacketPath.portTable), Table.ID(.ip6, PacketPath.portTable)]

    /// The tables that should be there.
    public static func tables(of attachments: some Collection<Attachment>) -> [Table.ID: Table] {
        var tables: [Table.ID: Table] = [:]
        for family in IPFamily.allCases {
            if let table = table(family, attachments) { tables[table.id] = table }
        }
        return tables
    }

    /// `nil` when no pod has a port of this family.
    static func table(_ family: IPFamily, _ attachments: some Collection<Attachment>) -> Table? {
        let kind: TableFamily = family == .v4 ? .ip : .ip6
        let type: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
        let target = NamedSet.DataKind.fields([type, .port])
        var open = NamedSet(.init("ports", key: [.transportProtocol, .port], data: target))
        var bound = NamedSet(.init("bound-ports", key: [type, .transportProtocol, .port], data: target))
        var selves = NamedSet(.init("hairpin", key: [type, type]))
        var pods = NamedSet(.init("pods", key: [type]))
        for attachment in attachments.filter({ !$0.ports.isEmpty }).sorted(by: comesFirst) {
            guard let address = attachment.addresses.first(where: { $0.family == family }) else { continue }
            for port in attachment.ports where port.host.family.map({ $0 == family }) ?? true {
                let content = NamedSet.Content(.value(Value(.address(address), .port(port.podPort))))
                if case .one(let host) = port.host {
                    let key = Value(.address(host), .transport(port.transport), .port(port.hostPort))
                    bound.elements[key] = bound.elements[key] ?? content
                } else {
                    let key = Value(.transport(port.transport), .port(port.hostPort))
                    open.elements[key] = open.elements[key] ?? content
                }
                selves.elements[Value(.address(address), .address(address))] = .init()
                pods.elements[Value(.address(address))] = .init()
            }
        }
        guard !pods.elements.isEmpty else { return nil }
        let chains = chains(kind)
        return Table(kind, PacketPath.portTable, chains: chains, sets: [open, bound, selves] + (family == .v4 ? [pods] : []))
    }

    /// Several interfaces of a pod may have one port, for a runtime says the pod's ports to each of its networks: then it leads to the one
    /// with the default route.
    private static func comesFirst(_ a: Attachment, _ b: Attachment) -> Bool {
        (a.reach == .everything) == (b.reach == .everything) ? a.id < b.id : a.reach == .everything
    }

    private static func chains(_ kind: TableFamily) -> [Chain] {
        let bound = Rule(
            kind, .destinationNAT(to: [.destinationAddress, .transportProtocol, .destinationPort], map: "bound-ports"),
            comment: "ports of one address of this node")
        let isLocal = Statement.match(.destinationAddressType, .equal, .number(AddressType.local.rawValue))
        let toPod = Statement.destinationNAT(to: [.transportProtocol, .destinationPort], map: "ports")
        let open = Rule(kind, isLocal, toPod, comment: "ports of every address of this node")
        // What is sent to ::1 could not leave.
        let openFromNode =
            kind == .ip6
            ? Rule(
                kind, .match(.destinationAddress, .notEqual, .address(.v6(.loopback))), isLocal, toPod,
                comment: "ports of every address of this node, but the one nothing leaves from") : open
        var sources = [
            Rule(
                kind, .anyBit(.conntrackStatus, of: ConntrackStatus.destinationTranslated.rawValue),
                .isIn([.sourceAddress, .destinationAddress], set: "hairpin"), .masquerade(.fullyRandom),
                comment: "a pod that reached itself")
        ]
        var chains = [
            Chain("prerouting", .init(.nat, .prerouting, priority: PacketPath.destinationTranslation), rules: [bound, open]),
            Chain("output", .init(.nat, .output, priority: PacketPath.destinationTranslation), rules: [bound, openFromNode]),
        ]
        if kind == .ip {
            sources.append(
                Rule(
                    kind, [.anyBit(.conntrackStatus, of: ConntrackStatus.destinationTranslated.rawValue)],
                    isLoopback(.sourceAddress), [.isIn([.destinationAddress], set: "pods"), .masquerade(.fullyRandom)],
                    comment: "the node itself, from an address that leads nowhere else"))
            chains.append(
                Chain(
                    "guard", .init(.filter, .prerouting, priority: PacketPath.sourceCheck),
                    rules: [
                        Rule(
                            kind, [.begins(.inputInterfaceName, with: PacketPath.podLinkPrefix)], isLoopback(.destinationAddress),
                            [.decide(.drop)], comment: "what listens on 127.0.0.1 is the node's own")
                    ]))
        }
        chains.append(Chain("postrouting", .init(.nat, .postrouting, priority: PacketPath.sourceTranslation), rules: sources))
        return chains
    }

    private static func isLoopback(_ field: Field) -> [Statement] {
        [
            .match(field, .greaterOrEqual, .address(.v4(IPv4Address(127, 0, 0, 0)))),
            .match(field, .lessOrEqual, .address(.v4(IPv4Address(127, 255, 255, 255)))),
        ]
    }
}

extension Rule {
    fileprivate init(_ family: TableFamily, _ statements: [Statement]..., comment: String) {
        self.init(expressions: statements.flatMap(\.self).flatMap { Rule(family, $0).expressions }, comment: comment)
    }
}
