import Addressing
import NFTables

/// The sets and maps of the table of services.
enum ServiceSet: Hashable, Sendable {
    /// What is asked for → class.
    case fronts(Door)
    /// For fronts of class ``ServiceClass/split``: the class for clients of this node.
    case inside(Door)
    /// The same for clients from elsewhere, where it is another.
    case outside(Door)
    /// Class → chain.
    case classes(Door)
    /// The same without the classes that ask again: those are looked up here, and the kernel wants to see that it ends.
    case innerClasses(Door)
    /// What is asked for . number → where to. The number is a place, or an endpoint's own where clients keep theirs.
    case endpoints(Door, Reach)
    /// Where clients keep their endpoint: what is asked for . place → the endpoint's number.
    case choices(Door, Reach)
    /// Client . what is asked for → the endpoint's number. Filled by the packets.
    case affinity(Door)
    /// Who may ask where only some may: range . what is asked for.
    case sources
    /// Every cluster IP.
    case clusterAddresses
    case serviceRanges
    case ownSources
    case nodePortAddresses
    /// Endpoints of this node, as pairs with themselves: what a pod gets that asks itself.
    case hairpins
    /// Fronts whose answers have to come back this way, but for own clients.
    case masqueraded(Door)

    static let all: [ServiceSet] =
        Door.allCases.flatMap { door in
            [
                .fronts(door), .inside(door), .outside(door), .classes(door), .innerClasses(door), .affinity(door),
                .masqueraded(door),
            ]
                + Reach.allCases.flatMap { [.endpoints(door, $0), .choices(door, $0)] }
        } + [.sources, .clusterAddresses, .serviceRanges, .ownSources, .nodePortAddresses, .hairpins]

    /// In ``all``.
    var position: Int {
        func of(_ door: Door, _ place: Int) -> Int { (door == .address ? 0 : 11) + place }
        return switch self {
        case .fronts(let door): of(door, 0)
        case .inside(let door): of(door, 1)
        case .outside(let door): of(door, 2)
        case .classes(let door): of(door, 3)
        case .innerClasses(let door): of(door, 4)
        case .affinity(let door): of(door, 5)
        case .masqueraded(let door): of(door, 6)
        case .endpoints(let door, .cluster): of(door, 7)
        case .choices(let door, .cluster): of(door, 8)
        case .endpoints(let door, .local): of(door, 9)
        case .choices(let door, .local): of(door, 10)
        case .sources: 22
        case .clusterAddresses: 23
        case .serviceRanges: 24
        case .ownSources: 25
        case .nodePortAddresses: 26
        case .hairpins: 27
        }
    }

    var name: String {
        switch self {
        case .fronts(.address): "services"
        case .fronts(.nodePort): "node-ports"
        case .inside(let door): "\(door.prefix)inside"
        case .outside(let door): "\(door.prefix)outside"
        case .classes(let door): "\(door.prefix)classes"
        case .innerClasses(let door): "\(door.prefix)inner-classes"
        case .endpoints(let door, .cluster): "\(door.prefix)endpoints"
        case .endpoints(let door, .local): "\(door.prefix)local-endpoints"
        case .choices(let door, .cluster): "\(door.prefix)choices"
        case .choices(let door, .local): "\(door.prefix)local-choices"
        case .affinity(let door): "\(door.prefix)affinity"
        case .masqueraded(let door): "\(door.prefix)masqueraded"
        case .sources: "sources"
        case .clusterAddresses: "cluster-addresses"
        case .serviceRanges: "service-ranges"
        case .ownSources: "own-sources"
        case .nodePortAddresses: "node-port-addresses"
        case .hairpins: "hairpins"
        }
    }

    /// Whether it grows with the services. Such a one has a size, and the kernel takes its hash of a fixed number of buckets.
    var isSized: Bool {
        switch self {
        case .fronts, .inside, .outside, .endpoints, .choices, .clusterAddresses, .hairpins, .masqueraded: true
        case .classes, .innerClasses, .affinity, .sources, .serviceRanges, .ownSources, .nodePortAddresses: false
        }
    }

    /// - Parameter limit: for sets that have a size.
    func shape(_ family: IPFamily, limit: UInt32) -> NamedSet.Shape {
        let address: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
        func front(_ door: Door) -> [FieldType] {
            (door == .address ? [address] : []) + [.transportProtocol, .port]
        }
        let size = isSized ? limit : nil
        switch self {
        case .fronts(let door), .inside(let door), .outside(let door):
            return .init(name, key: front(door), data: .fields([.mark]), limit: size)
        case .classes, .innerClasses: return .init(name, key: [.mark], data: .verdict)
        case .endpoints(let door, _):
            return .init(name, key: front(door) + [.mark], data: .fields([address, .port]), limit: size)
        case .choices(let door, _): return .init(name, key: front(door) + [.mark], data: .fields([.mark]), limit: size)
        case .affinity(let door):
            return .init(
                name, key: [address] + front(door), data: .fields([.mark]), isDynamic: true, hasTimeout: true,
                limit: Self.mostClients)
        case .sources: return .init(name, key: [address] + front(.address), isInterval: true)
        case .clusterAddresses: return .init(name, key: [address], limit: size)
        case .serviceRanges, .ownSources, .nodePortAddresses: return .init(name, key: [address], isInterval: true)
        case .hairpins: return .init(name, key: [address, address], limit: size)
        case .masqueraded(let door): return .init(name, key: front(door), limit: size)
        }
    }

    /// How many clients can keep an endpoint; more are served by chance each time.
    private static let mostClients: UInt32 = 262_144
    /// What a map with a size has at least.
    static let smallest: UInt32 = 1024

    /// Room for twice as many as there are, so that a cluster can grow before the table has to be made anew.
    static func limit(for count: Int) -> UInt32 {
        var limit = smallest
        while Int(limit) < 2 * count { limit *= 2 }
        return limit
    }
}
