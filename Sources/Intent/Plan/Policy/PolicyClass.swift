import Addressing
import Cluster
import KubeAPI
import NFTables

/// What holds for all pods that the same policies isolate in a direction: a chain that says yes, or comes to its end, which is no.
///
/// ```
/// in-5f3a09c1          l4proto . dport vmap @in-5f3a09c1-ports → in-5f3a09c1-tcp-80
/// in-5f3a09c1-tcp-80   the openings at this port alone
/// in-5f3a09c1-rest     the openings at ranges, at names, at any port; then count and drop
/// ```
/// All by `goto`: whoever comes back comes back to the hook's chain. And no chain of a class leads to another class: the kernel walks
/// through all ways there are when a rule is added, and ways would multiply.
/// So what a connection costs does not grow with openings at other ports. Named by what it says: who says the same has the same
/// chain, and one that says something else is another, which pods are moved to in one transaction.
struct PolicyClass: Hashable, Sendable {
    let id: ID
    let openings: [PolicyOpening]

    struct ID: Hashable, Sendable {
        var direction: NetworkPolicy.Direction
        /// In the packet's mark, on the way from one map to the other.
        var number: UInt32

        /// Nothing is known of the pods.
        static func closed(_ direction: NetworkPolicy.Direction) -> ID { ID(direction: direction, number: 1) }

        var chain: String {
            let digits = String(number, radix: 16)
            let prefix = direction == .ingress ? "in-" : "out-"
            return prefix + (number == 1 ? "closed" : String(repeating: "0", count: 8 - digits.count) + digits)
        }

        /// How the hook's chain gets there: from what is sent it goes on to what is received.
        var verdict: Verdict { direction == .ingress ? .goto(chain) : .jump(chain) }
        var content: NamedSet.Content { NamedSet.Content(.value(Value(.mark(number)))) }
        var set: PolicySet { direction == .ingress ? .receivers : .senders }
        var classes: PolicySet { direction == .ingress ? .receiverClasses : .senderClasses }
        var refused: PolicySet { direction == .ingress ? .refusedReceivers : .refusedSenders }
    }

    static func closed(_ direction: NetworkPolicy.Direction) -> PolicyClass { PolicyClass(id: .closed(direction), openings: []) }

    /// - Parameter isTaken: whether a number is another's, which happens once in thousands of millions.
    init(_ direction: NetworkPolicy.Direction, _ openings: [PolicyOpening], isTaken: (ID) -> Bool) {
        var hash = StableHash()
        for opening in openings { hash.add(opening) }
        var id = ID(direction: direction, number: UInt32(truncatingIfNeeded: hash.value ^ hash.value >> 32))
        while id.number < 2 || isTaken(id) { id.number &+= 1 }
        self.init(id: id, openings: openings)
    }

    private init(id: ID, openings: [PolicyOpening]) { (self.id, self.openings) = (id, openings) }

    /// The sets its rules look into, beside its own.
    var sets: Set<PolicySet> {
        var sets: Set<PolicySet> = []
        for opening in openings {
            switch opening.peer {
            case .anybody: break
            case .members(let peer): sets.insert(.members(peer))
            case .ranges(let ranges): sets.insert(.ranges(ranges))
            }
            if case .named(let port) = opening.port { sets.insert(.named(port)) }
        }
        return sets
    }
}

// MARK: - In the kernel

extension PolicyClass {
    private struct Door: Hashable {
        var transport: TransportProtocol
        var port: UInt16
    }

    /// Its chains, those that are jumped to first, and its map of ports where it has one.
    func rendered(_ family: IPFamily) -> (chains: [Chain], ports: NamedSet?) {
        let table: TableFamily = family == .v4 ? .ip : .ip6
        var (doors, wide): ([Door: [NFTables.Rule]], [NFTables.Rule]) = ([:], [])
        for opening in openings {
            let rule = Rule(table, statements(opening), comment: opening.name)
            if case .one(let transport, let port) = opening.port {
                doors[Door(transport: transport, port: port), default: []].append(rule)
            } else {
                wide.append(rule)
            }
        }
        let ports =
            doors.isEmpty
            ? nil
            : NamedSet(
                .init(id.chain + "-ports", key: [.transportProtocol, .port], data: .verdict),
                Dictionary(
                    uniqueKeysWithValues: doors.keys.map { door in
                        (Value(.transport(door.transport), .port(door.port)), NamedSet.Content(.verdict(.goto(name(door)))))
                    }))
        let own: Field = id.direction == .ingress ? .destinationAddress : .sourceAddress
        let end = [
            Rule(table, .isIn([own], set: id.refused.name), .decide(.drop), comment: "refused"),
            Rule(table, .counter, .decide(.drop)),
        ]
        guard let ports else { return ([Chain(id.chain, rules: wide + end)], nil) }
        let rest = Chain(id.chain + "-rest", rules: wide + end)
        let onward = Rule(table, .decide(.goto(rest.name)))
        let chains = doors.sorted { name($0.key) < name($1.key) }.map { Chain(name($0.key), rules: $0.value + [onward]) }
        let dispatch = Rule(table, .verdict(of: [.transportProtocol, .destinationPort], map: ports.name))
        return ([rest] + chains + [Chain(id.chain, rules: [dispatch, onward])], ports)
    }

    private func name(_ door: Door) -> String { "\(id.chain)-\(door.transport.rawValue.lowercased())-\(door.port)" }

    private func statements(_ opening: PolicyOpening) -> [Statement] {
        let other: Field = id.direction == .ingress ? .sourceAddress : .destinationAddress
        let port: [Statement] =
            switch opening.port {
            case .any, .one: []
            case .every(let transport): [.match(.transportProtocol, .equal, .transport(transport))]
            case .range(let transport, let first, let last):
                [
                    .match(.transportProtocol, .equal, .transport(transport)),
                    .match(.destinationPort, .greaterOrEqual, .port(first)), .match(.destinationPort, .lessOrEqual, .port(last)),
                ]
            case .named(let port):
                [
                    .match(.transportProtocol, .equal, .transport(port.transport)),
                    .isIn([.destinationAddress, .destinationPort], set: PolicySet.named(port).name),
                ]
            }
        let peer: [Statement] =
            switch opening.peer {
            case .anybody: []
            case .members(let peer): [.isIn([other], set: PolicySet.members(peer).name)]
            case .ranges(let ranges): [.isIn([other], set: PolicySet.ranges(ranges).name)]
            }
        // What a pod may send, another of this node may still refuse to receive.
        return port + peer + [.counter, .decide(id.direction == .ingress ? .accept : .comeBack)]
    }
}
