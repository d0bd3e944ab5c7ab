import Addressing
import NFTables

/// The shape of architecture decision 5: a data map from frontend to class, a fixed verdict map from class to chain, one chain per
/// number of endpoints, and one map of all endpoints.
struct ServiceShape {
    let table = Table.ID(.ip, "tulle-services")
    let services: NamedSet.Shape
    let endpoints: NamedSet.Shape
    let classes = NamedSet.Shape("classes", key: [.mark], data: .verdict)

    private static let key: [Field] = [.destinationAddress, .transportProtocol, .destinationPort]

    /// - Parameter count: how many services there are. The maps have room for twice as many: the kernel then takes its hash of a
    ///   fixed number of buckets, which is smaller and quicker, and whose listing no growth disturbs.
    init(services count: Int) {
        let room = UInt32(max(1024, 2 * count))
        services = .init("services", key: [.ipv4Address, .transportProtocol, .port], data: .fields([.mark]), limit: room)
        endpoints = .init(
            "endpoints", key: [.ipv4Address, .transportProtocol, .port, .mark], data: .fields([.ipv4Address, .port]),
            limit: room * 6)
    }

    static func address(ofService number: Int) -> IPv4Address { IPv4Address(rawValue: 0x0A60_0000 + UInt32(number)) }

    static func address(ofEndpoint number: Int) -> IPv4Address { IPv4Address(rawValue: 0x0AF0_0000 + UInt32(number)) }

    static let port: UInt16 = 80
    static let targetPort: UInt16 = 8080

    func frontend(_ service: Int) -> Value {
        Value(.address(.v4(Self.address(ofService: service))), .transport(.tcp), .port(Self.port))
    }

    func slot(_ service: Int, _ index: Int) -> Value {
        Value(.address(.v4(Self.address(ofService: service))), .transport(.tcp), .port(Self.port), .mark(UInt32(index)))
    }

    func target(_ endpoint: Int) -> NamedSet.Content {
        .init(.value(Value(.address(.v4(Self.address(ofEndpoint: endpoint))), .port(Self.targetPort))))
    }

    func kind(_ endpoints: Int) -> NamedSet.Content { .init(.value(Value(.mark(UInt32(endpoints))))) }

    /// Everything, from nothing.
    func table(services count: Int, endpointsEach: Int) -> Table {
        var frontends: [Value: NamedSet.Content] = [:]
        var targets: [Value: NamedSet.Content] = [:]
        frontends.reserveCapacity(count)
        targets.reserveCapacity(count * endpointsEach)
        for service in 0..<count {
            frontends[frontend(service)] = kind(endpointsEach)
            for index in 0..<endpointsEach { targets[slot(service, index)] = target(service * endpointsEach + index) }
        }
        // Chains up to sixteen endpoints stand ready; each chain on the map makes every new element a little dearer.
        let counts = 1...16
        let chains = counts.map { count in
            Chain(
                "lb-\(count)",
                rules: [Rule(.ip, .destinationNAT(to: Self.key + [.random(below: UInt32(count))], map: "endpoints"))])
        }
        let verdicts = counts.map { (Value(.mark(UInt32($0))), NamedSet.Content(.verdict(.goto("lb-\($0)")))) }
        let entry = Chain(
            "prerouting", .init(.nat, .prerouting, priority: -100),
            rules: [Rule(.ip, .chainedVerdict(of: Self.key, through: "services", map: "classes"))])
        return Table(
            .ip, table.name, chains: chains + [entry],
            sets: [
                NamedSet(services, frontends), NamedSet(endpoints, targets),
                NamedSet(classes, Dictionary(uniqueKeysWithValues: verdicts)),
            ])
    }

    /// One service goes from one number of endpoints to another: its class changes, and one endpoint comes or goes.
    func change(_ service: Int, from old: Int, to new: Int, endpoint: Int) -> [NFTables.Change] {
        let element = NFTables.Change.Element(slot(service, max(old, new) - 1), target(endpoint))
        let endpointChange: NFTables.Change =
            new > old ? .addElements(table, endpoints, [element]) : .deleteElements(table, endpoints, [element])
        return [
            endpointChange, .deleteElements(table, services, [.init(frontend(service))]),
            .addElements(table, services, [.init(frontend(service), kind(new))]),
        ]
    }
}
