public import Addressing
public import Cluster
public import HostNetwork
import KubeAPI
public import NFTables

/// What should be true on one node, key by key.
///
/// Each part is a function of the snapshot, the node's facts and its attachments; the whole is the union of the parts. So a change
/// is planned by planning its keys again, and both ways agree (there is a test).
public struct NodePlan: Sendable {
    public let facts: NodeFacts
    public let snapshot: Snapshot
    public let attachments: [Attachment.ID: Attachment]
    public let duties: Set<Duty>
    public let network: NetworkSettings
    public let bridging: Bridging
    /// This node, as the cluster knows it and its links allow; `nil` while its Node object is not there.
    public let own: Member?

    public init(
        facts: NodeFacts, snapshot: Snapshot, attachments: [Attachment.ID: Attachment], duties: Set<Duty> = .all,
        network: NetworkSettings = NetworkSettings(), bridging: Bridging? = nil
    ) {
        self.bridging = bridging ?? Bridging(attachments.values)
        self.facts = facts
        self.snapshot = snapshot
        self.attachments = attachments
        self.duties = duties
        self.network = network
        own = snapshot.members[facts.name].map { member in
            var own = member
            // What is on our own link is ours, whatever another node's object says.
            own.addresses = member.claimedAddresses.filter { facts.uplinks[$0] != nil || member.addresses.contains($0) }
            if duties.contains(.pods) { own.podPrefixes.removeAll { facts.uplink(overlapping: $0) != nil } }
            return own
        }
    }

    /// What the bridge has to know of all attachments, where only some are planned.
    public struct Bridging: Hashable, Sendable {
        /// Some are ports of it: it stays, whatever the mode.
        public var hasPorts: Bool
        /// The addresses of those that are none.
        public var routed: Set<IPAddress>

        public init(_ attachments: some Sequence<Attachment>) {
            hasPorts = attachments.contains(where: \.isBridged)
            routed = Set(attachments.lazy.filter { !$0.isBridged }.flatMap(\.addresses))
        }
    }

    /// What can be planned by itself.
    public enum Key: Hashable, Sendable {
        /// What every node needs whatever the cluster looks like.
        case node
        /// Another node: the road to it, and its place in the tables for pods' traffic.
        case peer(String)
        /// This node's end of the tunnels, by the family of the packets around.
        case tunnel(IPFamily)
        /// A pod of this node.
        case attachment(Attachment.ID)
        /// What pods' links are ports of, where they are.
        case bridge
        /// The table for pods' traffic, of one family: what leaves the cluster, and in IPv6 what does not come from where it says.
        case masquerade(IPFamily)
        /// A service. Its part is not here: it depends upon how endpoints stand, and ``ServiceTable`` says it.
        case service(ServiceIndex.Name)
    }

    /// What a key comes to.
    public struct Part: Hashable, Sendable {
        public var network = State()
        public var tables: [Table.ID: Table] = [:]
        /// What it adds to sets of tables that other keys make. No two keys add the same element.
        public var elements: [Place: [Value: NamedSet.Content]] = [:]
        public var problems: [Problem] = []

        public var isEmpty: Bool { network.isEmpty && tables.isEmpty && elements.isEmpty && problems.isEmpty }

        /// A set of a table.
        public struct Place: Hashable, Sendable {
            public var table: Table.ID
            public var shape: NamedSet.Shape
        }
    }
}

extension NodePlan {
    /// What is ours in this node's namespace, and may be changed and removed.
    ///
    /// Of pods' links those of attachments alone: a link that only looks like one is never touched (see
    /// ``ownership(links:)``).
    public static let ownership = ownership(links: [])

    /// The same, with these links, which attachments have.
    public static func ownership(links: Set<String>) -> Ownership {
        Ownership(
            links: links.union(PacketPath.nodeLinks), proto: PacketPath.routeProtocol, routeTables: PacketPath.routeTables,
            qdiscHandle: PacketPath.qdiscHandle)
    }

    /// The same, where these things are: a link that has the name of a tunnel or the bridge and is none is somebody else's.
    public static func ownership(links: Set<String>, in observed: State) -> Ownership {
        var ownership = ownership(links: links)
        for name in PacketPath.nodeLinks {
            guard let link = observed.link(name) else { continue }
            switch link.kind {
            case .vxlan where name != PacketPath.podBridge: continue
            case .bridge where name == PacketPath.podBridge: continue
            default: ownership.links.remove(name)
            }
        }
        return ownership
    }

    /// The tables that are ours, whether or not they should be there now.
    public static let tables: [Table.ID] = [Table.ID(.ip, PacketPath.podTable), Table.ID(.ip6, PacketPath.podTable)]

    /// The tables of services, which ``ServiceTable`` describes.
    public static let serviceTables: [Table.ID] = [
        Table.ID(.ip, PacketPath.serviceTable), Table.ID(.ip6, PacketPath.serviceTable),
    ]

    /// The tables of policies, which ``PolicyTable`` describes.
    public static let policyTables: [Table.ID] = [
        Table.ID(.ip, PacketPath.policyTable), Table.ID(.ip6, PacketPath.policyTable),
    ]

    /// The tables of names, which ``LocalNameTable`` describes.
    public static let nameTables: [Table.ID] = [
        Table.ID(.ip, PacketPath.nameTable), Table.ID(.ip6, PacketPath.nameTable),
    ]

    /// The settings a plan may name: what has to be looked at before there is a plan.
    public static let settings = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]

    /// The keys a touched subject leads to. Another node's are its own and this node's ends of the tunnels, which somebody must need.
    ///
    /// This node's own object is the exception: its addresses are in every road, so it leads to all ``keys``.
    public static func keys(_ subject: Snapshot.Subject) -> [Key] {
        switch subject {
        case .node(let name): [.peer(name), .tunnel(.v4), .tunnel(.v6)]
        case .service(let name): [.service(name)]
        case .namespace, .pod: []
        }
    }

    /// Every key that has a part now.
    public var keys: Set<Key> {
        var keys: Set<Key> = [.node, .tunnel(.v4), .tunnel(.v6), .bridge, .masquerade(.v4), .masquerade(.v6)]
        // A part that is another duty's is empty; there are as many peers as nodes.
        if concernsPeers {
            for name in snapshot.members.keys where name != facts.name { keys.insert(.peer(name)) }
        }
        for id in attachments.keys { keys.insert(.attachment(id)) }
        return keys
    }

    /// Whether a key has a part now: `keys.contains`, without making them all.
    public func contains(_ key: Key) -> Bool {
        switch key {
        case .node, .tunnel, .bridge, .masquerade: true
        case .peer(let name): concernsPeers && name != facts.name && snapshot.members[name] != nil
        case .attachment(let id): attachments[id] != nil
        case .service(let name): duties.contains(.services) && snapshot.services.service(name) != nil
        }
    }

    private var concernsPeers: Bool { duties.contains(.overlay) || duties.contains(.pods) }

    public func part(_ key: Key) -> Part {
        switch key {
        case .node: nodePart
        case .peer(let name): peerPart(name)
        case .tunnel(let underlay): tunnelPart(underlay)
        case .attachment(let id):
            attachments[id].map { Part(network: PodNetwork($0, filtersBridges: facts.filtersBridges).node) } ?? Part()
        case .bridge: bridgePart
        case .masquerade(let family): masqueradePart(family)
        case .service: Part()
        }
    }

    /// What the tables of services are made with; `nil` while there is no Node object.
    public func serviceFacts(ranges: [IPPrefix], nodePortAddresses: [IPPrefix]) -> ServiceFacts? {
        own.map { own in
            ServiceFacts(
                node: facts.name, zone: snapshot.zone(ofNode: facts.name),
                ownSources: own.podPrefixes + own.addresses.map(IPPrefix.init(host:)), serviceRanges: ranges,
                nodePortAddresses: nodePortAddresses)
        }
    }

    /// The union of the parts of these keys, their elements in their tables.
    public func parts(_ keys: some Sequence<Key>) -> Part {
        var whole = Part()
        for key in keys {
            let part = part(key)
            for object in part.network.objects.values { whole.network.insert(object) }
            whole.tables.merge(part.tables) { _, new in new }
            whole.problems += part.problems
            for (place, elements) in part.elements { whole.elements[place, default: [:]].merge(elements) { $1 } }
        }
        for (place, elements) in whole.elements where whole.tables[place.table] != nil {
            whole.tables[place.table]?.add(elements, to: place.shape)
            whole.elements[place] = nil
        }
        return whole
    }

    private var nodePart: Part {
        var part = Part()
        let subject = ObjectKey(Node.resource.kind, name: facts.name)
        guard let own else {
            part.problems.append(Problem(.nodeUnknown, subject, "there is no Node object for this node"))
            return part
        }
        let families = Set(own.podPrefixes.map(\.family))
        for setting in settings(families.intersection(facts.families)) { part.network.insert(.sysctl(setting)) }
        if !families.isSubset(of: facts.families) {
            let skipped = own.podPrefixes.filter { !facts.families.contains($0.family) }
            let names = skipped.map(\.description).joined(separator: ", ")
            part.problems.append(
                Problem(.familyUnavailable, subject, "this machine runs without IPv6: its range \(names) is skipped"))
        }
        // An address of ours that no pod has: the sender is told, instead of the packet going round by the default route.
        // Not for a range of one address: its pod's own route has the same key.
        for prefix in own.podPrefixes
        where prefix.count != 1 && duties.contains(.pods) && facts.families.contains(prefix.family) {
            part.network.insert(.route(Route(prefix, .unreachable, proto: PacketPath.routeProtocol)))
        }
        for address in own.addresses where facts.uplinks[address] == nil && facts.families.contains(address.family) {
            part.problems.append(Problem(.nodeAddressMissing, subject, "its address \(address) is on no link of this node"))
        }
        part.problems += mtuProblems
        if duties.contains(.pods) { part.problems += facts.refusedPrefixes(of: snapshot.members[facts.name]) }
        if let rules = tunnel?.rules { for rule in rules { part.network.insert(rule) } }
        return part
    }

    /// The node is the router: without forwarding no packet passes it. Only for the families that this node has pods of.
    ///
    /// A kernel that forwards IPv6 no more listens to router advertisements, and a machine that has its address and default route
    /// from them would fall off the network when they expire: 2 means “in spite of forwarding” (`accept_ra`).
    private func settings(_ families: Set<IPFamily>) -> [Sysctl] {
        var settings: [Sysctl] = []
        if families.contains(.v4) { settings.append(Sysctl("net/ipv4/ip_forward", "1")) }
        if families.contains(.v6) {
            settings.append(Sysctl("net/ipv6/conf/all/forwarding", "1"))
            settings += facts.advertisedLinks.map { Sysctl("net/ipv6/conf/\($0)/accept_ra", "2") }
        }
        return settings
    }

    private func peerPart(_ name: String) -> Part {
        guard concernsPeers, name != facts.name, let own, let peer = snapshot.members[name] else { return Part() }
        let believed = facts.plausible(peer)
        var part = Part(elements: clusterElements(of: believed))
        guard duties.contains(.overlay) else { return part }
        let roads: (state: State, problems: [Problem]) =
            switch network.backend {
            case .hostGateway: HostGateway(facts: facts, own: own).roads(to: believed)
            case .vxlan(let tunnelling): Tunnel(facts: facts, own: own, settings: tunnelling).roads(to: believed)
            case .none: (State(), [])
            }
        part.network = roads.state
        part.problems = roads.problems + (believed == peer ? [] : facts.refusedClaims(of: peer))
        return part
    }

    /// The other nodes' places in this node's tables.
    private func clusterElements(of peer: Member) -> [Part.Place: [Value: NamedSet.Content]] {
        var places: [Part.Place: [Value: NamedSet.Content]] = [:]
        for family in IPFamily.allCases where masquerades(family) {
            let table = Table.ID(family == .v4 ? .ip : .ip6, PacketPath.podTable)
            for set in clusterSets(family, podRanges: peer.podPrefixes, nodeAddresses: peer.addresses)
            where !set.elements.isEmpty {
                places[Part.Place(table: table, shape: set.shape)] = set.elements
            }
        }
        return places
    }

    private func masquerades(_ family: IPFamily) -> Bool { network.masquerades && hasPods(family) }

    /// How pods talk to the world is this agent's business, whoever attaches them.
    private var looksAfterPods: Bool { duties.contains(.pods) || network.isForFlannel }

    /// Whether pods of the family are this agent's business.
    private func hasPods(_ family: IPFamily) -> Bool {
        looksAfterPods && facts.families.contains(family) && own?.podPrefixes.contains { $0.family == family } ?? false
    }

    /// A table only where this node has pods of the family. The other nodes' places in it are theirs.
    private func masqueradePart(_ family: IPFamily) -> Part {
        let checksSources = family == .v6 && duties.contains(.pods)
        guard let own, hasPods(family), network.masquerades || checksSources else { return Part() }
        var table = Table(family == .v4 ? .ip : .ip6, PacketPath.podTable)
        if network.masquerades {
            table = masquerade(
                family, podRanges: own.podPrefixes, nodeAddresses: own.addresses, reachable: network.reachable)
        }
        if checksSources {
            let chain = sourceCheck(.ip6)
            table.chains[chain.name] = chain
        }
        return Part(tables: [table.id: table])
    }
}

extension Table {
    /// Elements of other keys.
    fileprivate mutating func add(_ elements: [Value: NamedSet.Content], to shape: NamedSet.Shape) {
        sets[shape.name, default: NamedSet(shape)].elements.merge(elements) { $1 }
    }
}
