public import Addressing
public import NFTables

/// The table of one family that leads queries to the name server of this node: pods ask at the cluster IPs of the cluster's name
/// server, the node has these addresses on `lo`, and what is sent there is not tracked. What is not tracked is not translated
/// either, so that services do not lead it away.
///
/// ```
/// prerouting  to port 53 of an address that answers          → queries
/// queries     from a pod that may not ask                    → drop; logged before, where that is wanted
///             whoever else                                   → not tracked
/// output      from port 53 of an address                     → not tracked; to the agent itself: the address answers, for a while
///             to port 53 of an address that answers          → not tracked
///             to port 53 of an address, of the agent itself  → not tracked
/// ```
/// Two things lead queries back to the cluster's own servers, by the translation of services, which was there all the time:
///
/// - The table goes with the socket that made it, and so with the agent, however that ends.
/// - An address answers for ``PacketPath/nameLease`` since the agent last heard an answer of its own server. The kernel sees that
///   answer pass and notes it: an agent that hangs, or is stopped, asks nothing, and need not do anything to be passed by.
///
/// A server that is asked to end still has queries. Their answers go on untracked: tracked, one could meet the connection that the
/// client's next query began, from the same port to a server of the cluster, and would be given another port. So an address that
/// was left keeps what concerns answers, and the connections over TCP that it has:
/// ```
/// prerouting  a connection's beginning to port 53 of an address that was left         → remembered as a stranger; tracked
///             of a connection to port 53 of an address that was left, and no stranger → queries
/// output      from port 53 of an address that was left                                → not tracked
///             as prerouting                                                           → not tracked
/// ```
public struct LocalNameTable: Hashable, Sendable {
    public let family: IPFamily
    /// Where queries are sent to.
    public private(set) var servers: Set<IPAddress>
    /// Where nothing is sent to any more, but queries may still be answered.
    public private(set) var left: Set<IPAddress>
    /// Who may not ask.
    public private(set) var refused: Set<NameAsker>
    /// Questions of those who may not ask are told in the log of policies.
    public let isLogged: Bool

    /// - Parameters:
    ///   - servers: addresses of other families are left out.
    ///   - left: the same of those that were servers.
    ///   - refused: those of other families are left out.
    public init(
        _ family: IPFamily, servers: some Sequence<IPAddress> = [], left: some Sequence<IPAddress> = [],
        refused: some Sequence<NameAsker> = [], isLogged: Bool = false
    ) {
        (self.family, self.isLogged) = (family, isLogged)
        self.servers = Set(servers.filter { $0.family == family })
        self.left = Set(left.filter { $0.family == family }).subtracting(self.servers)
        self.refused = Set(refused.filter { $0.address.family == family })
    }

    public var id: Table.ID { Table.ID(family == .v4 ? .ip : .ip6, PacketPath.nameTable) }

    /// What the rule is called that counts queries of those who may not ask.
    public static let refusal = "a policy does not let it ask"

    /// From where the agent asks its own server: nobody else asks at these addresses from there.
    public static func prober(_ family: IPFamily) -> IPAddress {
        family == .v4 ? .v4(IPv4Address(127, 0, 0, 1)) : .v6(IPv6Address(rawValue: 1))
    }
}

/// A pod's address and a transport by which it asks, or may not ask.
public struct NameAsker: Hashable, Sendable {
    public var address: IPAddress
    public var transport: TransportProtocol

    public init(_ address: IPAddress, _ transport: TransportProtocol) { (self.address, self.transport) = (address, transport) }

    /// The transports that names are asked for by.
    public static let transports: [TransportProtocol] = [.udp, .tcp]

    var key: Value { Value(.address(address), .transport(transport)) }
}

// MARK: - The whole

extension LocalNameTable {
    /// `nil` without an address.
    public var table: Table? {
        guard !servers.isEmpty || !left.isEmpty else { return nil }
        var (known, out): ([Value: NamedSet.Content], [Value: NamedSet.Content]) = ([:], [:])
        for server in servers.union(left) { known[Value(.address(server))] = NamedSet.Content() }
        for asker in refused { out[asker.key] = NamedSet.Content() }
        let chains = servers.isEmpty ? [leftPrerouting, queries, leftOutput] : [prerouting, queries, output, answers]
        return Table(
            id.family, id.name, chains: chains + (isLogged ? [refusals] : []),
            sets: [
                NamedSet(serversShape, known), NamedSet(servers.isEmpty ? strangersShape : answeringShape),
                NamedSet(refusedShape, out),
            ], isOwned: true)
    }

    private var address: FieldType { family == .v4 ? .ipv4Address : .ipv6Address }
    private var serversShape: NamedSet.Shape { .init("servers", key: [address]) }
    /// Those that answered of late: the kernel fills it, and forgets.
    private var answeringShape: NamedSet.Shape {
        .init("answering", key: [address], isDynamic: true, hasTimeout: true, limit: 64)
    }
    private var refusedShape: NamedSet.Shape { .init("refused", key: [address, .transportProtocol], counts: true) }

    /// Who began a connection since the address was left, and from which port.
    private var strangersShape: NamedSet.Shape {
        .init("strangers", key: [address, .port], isDynamic: true, hasTimeout: true, limit: 65535)
    }

    private func rule(_ statements: Statement..., comment: String? = nil) -> NFTables.Rule {
        Rule(id.family, statements, comment: comment)
    }

    private var prerouting: Chain {
        Chain(
            "prerouting", .init(.filter, .prerouting, priority: PacketPath.nameTracking),
            rules: NameAsker.transports.map { transport in
                rule(
                    .match(.transportProtocol, .equal, .transport(transport)), .match(.destinationPort, .equal, .port(53)),
                    .isIn([.destinationAddress], set: answeringShape.name), .decide(.goto("queries")))
            })
    }

    private var queries: Chain {
        Chain(
            "queries",
            rules: [
                isLogged
                    ? rule(.isIn([.sourceAddress, .transportProtocol], set: refusedShape.name), .decide(.goto("refusals")))
                    : rule(
                        .isIn([.sourceAddress, .transportProtocol], set: refusedShape.name), .counter, .decide(.drop),
                        comment: Self.refusal),
                rule(.untrack),
            ])
    }

    /// A chain of its own: what is looked up in a set that counts is counted each time.
    private var refusals: Chain {
        Chain(
            "refusals",
            rules: [
                rule(
                    .limit(perSecond: PacketPath.policyLogRate, burst: PacketPath.policyLogBurst),
                    .log(group: PacketPath.policyLogGroup, prefix: PacketPath.nameLogPrefix)),
                rule(.counter, .decide(.drop), comment: Self.refusal),
            ])
    }

    private var output: Chain {
        let own = FieldValue.address(Self.prober(family))
        return Chain(
            "output", .init(.filter, .output, priority: PacketPath.nameTracking),
            rules: NameAsker.transports.flatMap { transport in
                [
                    rule(
                        .match(.transportProtocol, .equal, .transport(transport)), .match(.sourcePort, .equal, .port(53)),
                        .isIn([.sourceAddress], set: serversShape.name), .decide(.goto("answers"))),
                    rule(
                        .match(.transportProtocol, .equal, .transport(transport)), .match(.destinationPort, .equal, .port(53)),
                        .isIn([.destinationAddress], set: answeringShape.name), .untrack),
                    rule(
                        .match(.sourceAddress, .equal, own),
                        .match(.transportProtocol, .equal, .transport(transport)), .match(.destinationPort, .equal, .port(53)),
                        .isIn([.destinationAddress], set: serversShape.name), .untrack,
                        comment: "the agent's own question"),
                ]
            })
    }

    private var answers: Chain {
        Chain(
            "answers",
            rules: [
                rule(.untrack),
                rule(
                    .match(.destinationAddress, .equal, .address(Self.prober(family))),
                    .match(.transportProtocol, .equal, .transport(.udp)),
                    .remember([.sourceAddress], set: answeringShape.name, timeout: PacketPath.nameLease),
                    comment: "it answers"),
            ])
    }
}

// MARK: - What was left

extension LocalNameTable {
    private var leftPrerouting: Chain {
        Chain(
            "prerouting", .init(.filter, .prerouting, priority: PacketPath.nameTracking),
            rules: [stay(.decide(.goto("queries"))), stranger])
    }

    private var leftOutput: Chain {
        let answers = NameAsker.transports.map { transport in
            rule(
                .match(.transportProtocol, .equal, .transport(transport)), .match(.sourcePort, .equal, .port(53)),
                .isIn([.sourceAddress], set: serversShape.name), .untrack)
        }
        return Chain(
            "output", .init(.filter, .output, priority: PacketPath.nameTracking), rules: answers + [stay(.untrack), stranger])
    }

    private func stay(_ last: Statement) -> NFTables.Rule {
        rule(
            .isWithinConnection, .match(.destinationPort, .equal, .port(53)),
            .isIn([.destinationAddress], set: serversShape.name),
            .isNotIn([.sourceAddress, .sourcePort], set: strangersShape.name), last)
    }

    private var stranger: NFTables.Rule {
        rule(
            .match(.transportProtocol, .equal, .transport(.tcp)), .match(.destinationPort, .equal, .port(53)),
            .isIn([.destinationAddress], set: serversShape.name),
            .remember([.sourceAddress, .sourcePort], set: strangersShape.name, timeout: PacketPath.nameLease * 2))
    }
}

// MARK: - Changes

extension LocalNameTable {
    /// From those who may not ask to others, of whom those of other families are left out.
    public mutating func refuse(_ askers: some Sequence<NameAsker>) -> [NFTables.Change] {
        let new = Set(askers.filter { $0.address.family == family })
        guard new != refused else { return [] }
        let gone = refused.subtracting(new).map { Change.Element($0.key) }.sorted { $0.key < $1.key }
        let come = new.subtracting(refused).map { Change.Element($0.key) }.sorted { $0.key < $1.key }
        refused = new
        guard !servers.isEmpty else { return [] }
        let shape = refusedShape
        return [.deleteElements(id, shape, gone), .addElements(id, shape, come)].filter { !$0.isVoid }
    }
}
