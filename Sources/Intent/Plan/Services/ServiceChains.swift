import Addressing
import NFTables

/// The chains of the table of services: the same for every cluster, but for one chain per number of endpoints that there is.
///
/// ```
///  prerouting ─┐             ┌─ services ──► classes ─┬─► lb-5        one of five endpoints
///              ├─► fronts ───┼─ node-ports ► node-…   ├─► local-2     one of this node's two (── gone? ──► again)
///  output ─────┘             ├─ wrong port: refuse    ├─► lb-5-10800  the same as last time
///                            └─ nobody's: drop        ├─► refuse, drop
///                                                     └─► guarded ──► split ──► outside or inside ──► inner-classes
///  postrouting ──► masquerade: a pod that asks itself; a client that has no way back but by this node
/// ```
/// All of it in chains of kind nat, which see the first packet of each connection alone; also what is refused costs nothing later.
struct ServiceChains {
    let family: IPFamily
    let facts: ServiceFacts

    private var table: TableFamily { family == .v4 ? .ip : .ip6 }

    /// Those that every table has.
    var standing: [Chain] {
        var chains = [
            Chain("prerouting", .init(.nat, .prerouting, priority: PacketPath.destinationTranslation), rules: [enter]),
            Chain("output", .init(.nat, .output, priority: PacketPath.destinationTranslation), rules: [enter]),
            Chain("postrouting", .init(.nat, .postrouting, priority: PacketPath.sourceTranslation), rules: masquerading),
            fronts, refuse,
            Chain(
                "guarded",
                rules: [
                    Rule(
                        table, .isNotIn([.sourceAddress] + Self.front(.address), set: ServiceSet.sources.name), .decide(.drop),
                        comment: "not among the service's loadBalancerSourceRanges"),
                    Rule(table, .decide(.goto("split"))),
                ]),
            split(.address), split(.nodePort),
        ]
        chains += Door.allCases.flatMap { door in Reach.allCases.map { again(door, $0) } }
        if family == .v4, facts.servesLoopback { chains.append(guardOfLoopback) }
        return chains
    }

    private var enter: Rule { Rule(table, .decide(.goto("fronts"))) }

    /// What a packet is asked by, in each of the two ways.
    static func front(_ door: Door) -> [Field] {
        (door == .address ? [.destinationAddress] : []) + [.transportProtocol, .destinationPort]
    }

    private static func original(_ door: Door) -> [Field] {
        (door == .address ? [.originalDestinationAddress] : []) + [.originalTransportProtocol, .originalDestinationPort]
    }

    private func dispatch(through map: ServiceSet, _ classes: ServiceSet, _ door: Door) -> Statement {
        .chainedVerdict(of: Self.front(door), through: map.name, map: classes.name)
    }

    private var fronts: Chain {
        Chain(
            "fronts",
            rules: [
                Rule(table, dispatch(through: .fronts(.address), .classes(.address), .address)),
                Rule(
                    table, .isIn([.destinationAddress], set: ServiceSet.nodePortAddresses.name),
                    .match(.destinationAddressType, .equal, .number(AddressType.local.rawValue)),
                    dispatch(through: .fronts(.nodePort), .classes(.nodePort), .nodePort)),
                Rule(
                    table, .isIn([.destinationAddress], set: ServiceSet.clusterAddresses.name), .decide(.goto("refuse")),
                    comment: "a service, and a port that it does not have"),
                Rule(
                    table, .isIn([.destinationAddress], set: ServiceSet.serviceRanges.name), .decide(.drop),
                    comment: "no service has this address"),
            ])
    }

    private var refuse: Chain {
        Chain(
            "refuse",
            rules: [
                Rule(table, .match(.transportProtocol, .equal, .transport(.tcp)), .reject(.tcpReset)),
                // Port unreachable: 3 in ICMP, 4 in ICMPv6.
                Rule(table, .reject(.unreachable(code: family == .v4 ? 3 : 4))),
            ])
    }

    /// Clients on this node find every endpoint behind an external address too: what policy Local keeps is the source of clients
    /// from outside, and of theirs nothing is lost.
    private func split(_ door: Door) -> Chain {
        Chain(
            "\(door.prefix)split",
            rules: [
                // What the node itself sends comes from no link.
                Rule(
                    table, .match(.inputInterface, .notEqual, .interfaceIndex(0)),
                    .isNotIn([.sourceAddress], set: ServiceSet.ownSources.name),
                    dispatch(through: .outside(door), .innerClasses(door), door)),
                Rule(table, dispatch(through: .inside(door), .innerClasses(door), door)),
                // It became another between two look-ups.
                Rule(table, .decide(.drop)),
            ])
    }

    private var masquerading: [Rule] {
        let translated = Statement.anyBit(.conntrackStatus, of: ConntrackStatus.destinationTranslated.rawValue)
        let isForeign = Statement.isNotIn([.sourceAddress], set: ServiceSet.ownSources.name)
        let loopback = ServiceFacts.loopback(.v4)
        // From there nobody else can be answered.
        let ownLoopback = Rule(
            table, translated, .match(.sourceAddress, .greaterOrEqual, .address(loopback.address)),
            .match(.sourceAddress, .lessOrEqual, .address(loopback.last)), .masquerade(.fullyRandom))
        return (family == .v4 && facts.servesLoopback ? [ownLoopback] : []) + [
            Rule(
                table, translated, .isIn([.sourceAddress, .destinationAddress], set: ServiceSet.hairpins.name),
                .masquerade(.fullyRandom), comment: "a pod that asks itself"),
            Rule(
                table, translated, isForeign, .isIn([.originalDestinationAddress], set: ServiceSet.clusterAddresses.name),
                .masquerade(.fullyRandom), comment: "a client from outside at a cluster IP"),
            Rule(
                table, translated, isForeign, .isIn(Self.original(.address), set: ServiceSet.masqueraded(.address).name),
                .masquerade(.fullyRandom), comment: "a client from outside, policy Cluster"),
            Rule(
                table, translated, isForeign, .isIn(Self.original(.nodePort), set: ServiceSet.masqueraded(.nodePort).name),
                .masquerade(.fullyRandom), comment: "a client from outside at a node port, policy Cluster"),
        ]
    }

    /// Node ports at 127.0.0.1 need `route_localnet`, with which the kernel no longer keeps outside packets from there.
    private var guardOfLoopback: Chain {
        let loopback = ServiceFacts.loopback(.v4)
        return Chain(
            "loopback", .init(.filter, .prerouting, priority: PacketPath.sourceCheck),
            rules: [
                Rule(
                    table, .match(.inputInterfaceName, .notEqual, .interfaceName("lo")),
                    .match(.destinationAddress, .greaterOrEqual, .address(loopback.address)),
                    .match(.destinationAddress, .lessOrEqual, .address(loopback.last)), .decide(.drop),
                    comment: "loopback addresses are the node's own affair")
            ])
    }
}

// MARK: - Balancing

extension ServiceChains {
    private static func again(_ door: Door, _ reach: Reach) -> String {
        door.prefix + (reach == .cluster ? "again" : "local-again")
    }

    /// For a packet whose service lost an endpoint between the look at how many there are and the look at the one that was chosen:
    /// each look sees the tables as they are at that moment. The first place is there as long as there is anybody.
    private func again(_ door: Door, _ reach: Reach) -> Chain {
        Chain(
            Self.again(door, reach),
            rules: [
                Rule(
                    table,
                    .destinationNAT(to: Self.front(door) + [.random(below: 1)], map: ServiceSet.endpoints(door, reach).name)),
                Rule(table, .decide(.goto("refuse"))),
            ])
    }

    /// The name of the chain that a class goes to; `nil` when it goes to none.
    static func name(_ kind: ServiceClass, _ door: Door) -> String? {
        switch kind {
        case .balanced(let reach, let count, let seconds):
            door.prefix + (reach == .cluster ? "lb-" : "local-") + "\(count)" + (seconds.map { "-\($0)" } ?? "")
        case .refused: "refuse"
        case .dropped: nil
        case .split: "\(door.prefix)split"
        case .guarded: "guarded"
        }
    }

    static func verdict(_ kind: ServiceClass, _ door: Door) -> Verdict { name(kind, door).map(Verdict.goto) ?? .drop }

    /// The chain of a class that is made when it is first needed; `nil` for those that stand anyway.
    func chain(_ kind: ServiceClass, _ door: Door) -> Chain? {
        guard case .balanced(let reach, let count, let seconds) = kind, let name = Self.name(kind, door) else { return nil }
        let front = Self.front(door)
        let endpoints = ServiceSet.endpoints(door, reach).name
        guard let seconds else {
            return Chain(
                name,
                rules: [
                    Rule(table, .destinationNAT(to: front + [.random(below: UInt32(count))], map: endpoints)),
                    Rule(table, .decide(.goto(Self.again(door, reach)))),
                ])
        }
        let affinity = ServiceSet.affinity(door).name
        let timeout = Duration.seconds(seconds)
        func choice(kept: String?, below count: Int) -> Statement {
            .chosenDestinationNAT(
                of: front, below: UInt32(count), choices: ServiceSet.choices(door, reach).name, kept: kept, endpoints: endpoints,
                timeout: timeout)
        }
        return Chain(
            name,
            rules: [
                Rule(table, .keptDestinationNAT(of: front, kept: affinity, endpoints: endpoints, timeout: timeout)),
                Rule(table, .forgetChoice(of: front, kept: affinity), comment: "an endpoint that is gone"),
                Rule(table, choice(kept: affinity, below: count)),
                Rule(table, choice(kept: nil, below: count), comment: "no room to remember one more client"),
                Rule(table, choice(kept: nil, below: 1), comment: "the chosen one went between two look-ups"),
                Rule(table, .decide(.goto("refuse"))),
            ])
    }
}
