import Addressing
import Cluster
import KubeAPI
import NFTables

/// What one port of a service comes to on this node, in one family: where it is asked for, and who answers, in which order.
///
/// Small, because there are as many as services: what the kernel holds is made of it when it is needed.
struct ServedPort: Hashable, Sendable {
    let id: ServicePort.ID
    let transport: TransportProtocol
    let ways: [Way]
    /// In the order in which they stand in the kernel.
    private(set) var cluster: [SocketAddress]
    private(set) var local: [SocketAddress]
    /// Those of them that are on this node: a pod may ask itself.
    let here: [IPAddress]
    /// Those that answer, chosen or not. Empty for TCP, whose connections are left to end by themselves.
    let alive: Set<SocketAddress>

    /// One way to ask for it.
    struct Way: Hashable, Sendable {
        var door: Door
        /// `nil` at a node port.
        var address: IPAddress?
        var port: UInt16
        /// The front's key in the kernel.
        var key: Value
        var isClusterIP: Bool
        /// For everybody, or for clients of this node where those from outside go another way.
        var inside: ServiceClass
        var outside: ServiceClass?
        /// Who may ask; `nil`: everybody.
        var sources: [IPPrefix]?
        /// Policy Cluster at an address from outside: the answer has to come back this way.
        var isMasqueraded: Bool
    }

    /// - Parameters:
    ///   - port: without endpoints that cannot be.
    ///   - order: how the endpoints stood before.
    init(
        _ port: ServicePort, _ family: IPFamily, _ facts: ServiceFacts,
        after order: (cluster: [SocketAddress], local: [SocketAddress])
    ) {
        id = port.id
        transport = port.transport
        let choice = EndpointChoice(port, family, node: facts.node, zone: facts.zone)
        let seconds = port.affinity.map { min(max(1, Int($0.components.seconds)), ServiceClass.longest) }
        let most = seconds == nil ? ServiceClass.most.plain : ServiceClass.most.kept
        cluster = Positions.order(of: Array(choice.cluster.prefix(most)), after: order.cluster)
        local = Positions.order(of: Array(choice.local.prefix(most)), after: order.local)
        let used = Set(cluster).union(local)
        here = Set(port.endpoints.filter { $0.node == facts.node && used.contains($0.socket) }.map(\.address)).sorted()
        alive = port.transport == .tcp ? [] : Set(port.endpoints.filter { $0.isReady || $0.isServing }.map(\.socket))
        ways = Self.ways(port, family, cluster: cluster.count, local: local.count, seconds)
    }

    private static func ways(
        _ port: ServicePort, _ family: IPFamily, cluster: Int, local: Int, _ seconds: Int?
    ) -> [Way] {
        // Without any endpoint a client is told so at once; without one here it is left to try another node.
        func kind(_ policy: Bool) -> ServiceClass {
            guard policy else { return cluster == 0 ? .refused : .balanced(.cluster, count: cluster, seconds: seconds) }
            if local > 0 { return .balanced(.local, count: local, seconds: seconds) }
            return cluster == 0 ? .refused : .dropped
        }
        let keepsSource = port.externalTrafficPolicy == .local
        func way(_ address: IPAddress?, _ number: UInt16, isClusterIP: Bool = false, _ sources: [IPPrefix]? = nil) -> Way {
            Way(
                door: address == nil ? .nodePort : .address, address: address, port: number,
                key: Value(
                    fields: (address.map { [.address($0)] } ?? []) + [.transport(port.transport), .port(number)]),
                isClusterIP: isClusterIP, inside: kind(isClusterIP && port.internalTrafficPolicy == .local),
                outside: isClusterIP || !keepsSource ? nil : kind(true), sources: sources.map(disjoint),
                isMasqueraded: !isClusterIP && !keepsSource)
        }
        let own: (IPAddress) -> Bool = { $0.family == family }
        // What is said twice counts once: first what somebody may be kept from.
        var seen: Set<IPAddress> = []
        let addressed =
            port.clusterIPs.filter(own).map { way($0, port.number, isClusterIP: true) }
            + port.loadBalancerIPs.filter(own).map { way($0, port.number, port.sourceRanges?.filter { $0.family == family }) }
            + port.externalIPs.filter(own).map { way($0, port.number) }
        // A service without an address of a family is not there in that family, and its node port neither.
        let hasFamily = port.clusterIPs.contains(where: own)
        return addressed.filter { $0.address.map { seen.insert($0).inserted } ?? true }
            + (port.nodePort.map { hasFamily ? [way(nil, $0)] : [] } ?? [])
    }
}

extension ServicePort.Endpoint {
    var socket: SocketAddress { SocketAddress(address, port) }
}

extension ServedPort {
    func order(_ reach: Reach) -> [SocketAddress] { reach == .cluster ? cluster : local }

    mutating func arrange(_ reach: Reach, after old: [SocketAddress]) {
        switch reach {
        case .cluster: cluster = Positions.order(of: cluster, after: old)
        case .local: local = Positions.order(of: local, after: old)
        }
    }
}

extension ServedPort.Way {
    var classes: [ServiceClass] { [inside] + (outside.map { [$0] } ?? []) }

    /// What stands in the first map.
    var front: ServiceClass { sources != nil ? .guarded : outside != nil ? .split : inside }

    /// Whose endpoints it can lead to, and whether clients keep theirs.
    var reaches: [(reach: Reach, isKept: Bool)] {
        var found: [(reach: Reach, isKept: Bool)] = []
        for case .balanced(let reach, _, let seconds) in classes where !found.contains(where: { $0.reach == reach }) {
            found.append((reach, seconds != nil))
        }
        return found
    }
}

// MARK: - What the kernel holds of it

extension ServedPort {
    /// The elements of one way and its endpoints; what several ways may share is not among them.
    func elements(_ way: Way, _ add: (ServiceSet, Value, NamedSet.Content) -> Void) {
        func datum(_ kind: ServiceClass) -> NamedSet.Content { .init(.value(Value(.mark(kind.mark)))) }
        add(.fronts(way.door), way.key, datum(way.front))
        if way.front != way.inside { add(.inside(way.door), way.key, datum(way.inside)) }
        if let outside = way.outside { add(.outside(way.door), way.key, datum(outside)) }
        for range in way.sources ?? [] {
            let last = range.address == range.last ? nil : way.key(behind: range.last)
            add(.sources, way.key(behind: range.address), .init(last: last))
        }
        if way.isMasqueraded { add(.masqueraded(way.door), way.key, .init()) }
        for (reach, isKept) in way.reaches {
            let order = order(reach)
            let numbers = isKept ? Positions.numbers(of: order) : [:]
            for (place, endpoint) in order.enumerated() {
                let target = NamedSet.Content(.value(Value(.address(endpoint.address), .port(endpoint.port))))
                if let number = numbers[endpoint] {
                    add(.choices(way.door, reach), way.key.appending(UInt32(place)), .init(.value(Value(.mark(number)))))
                    add(.endpoints(way.door, reach), way.key.appending(number), target)
                } else {
                    add(.endpoints(way.door, reach), way.key.appending(UInt32(place)), target)
                }
            }
        }
    }

    /// How many ``elements(_:_:)`` are of each set.
    func countElements(_ way: Way, _ add: (ServiceSet, Int) -> Void) {
        add(.fronts(way.door), 1)
        if way.front != way.inside { add(.inside(way.door), 1) }
        if way.outside != nil { add(.outside(way.door), 1) }
        if let count = way.sources?.count, count > 0 { add(.sources, count) }
        if way.isMasqueraded { add(.masqueraded(way.door), 1) }
        for (reach, isKept) in way.reaches {
            let count = order(reach).count
            guard count > 0 else { continue }
            if isKept { add(.choices(way.door, reach), count) }
            add(.endpoints(way.door, reach), count)
        }
    }

    /// Elements that others may have too.
    func sharedElements(_ ways: [Way], _ add: (ServiceSet, Value) -> Void) {
        for way in ways where way.isClusterIP {
            if let address = way.address { add(.clusterAddresses, Value(.address(address))) }
        }
        if !ways.isEmpty { for address in here { add(.hairpins, Value(.address(address), .address(address))) } }
    }
}

extension ServedPort.Way {
    fileprivate func key(behind address: IPAddress) -> Value {
        key.withBytes { Value(address.bytes).appending($0) }
    }
}
