internal import Addressing
internal import Cluster
internal import DNS
internal import KubeAPI

/// Services and their endpoints.
///
/// | service | names |
/// |---|---|
/// | with cluster IPs | its name: those addresses; `_port._proto`: its name; the addresses reversed: its name |
/// | headless | its name: every ready endpoint; one name for each endpoint, and reversed; `_port._proto`: those names |
/// | ExternalName | its name: an alias |
///
/// An endpoint is called by its hostname, or else by its address with dashes. One with a hostname has it below a service with cluster
/// IPs too: a StatefulSet is often given one, and CoreDNS does the same. Reversed, its address is that name.
extension NamePlan {
    /// - Parameter content: the service with its slices, in the order of their names; `nil`: it is not there.
    func part(_ name: ServiceIndex.Name, _ content: (service: NamedService, slices: [NamedSlice])?) -> NamePart {
        var writer = ServiceNames(name, ttl: settings.ttl)
        if let content {
            if let label = NameLabel(name.name), let space = NameLabel(name.namespace),
                let owner = services.child(space.bytes)?.child(label.bytes)
            {
                writer.write(content.service, owner, content.slices)
            } else {
                writer.complain("“\(name)” is no name of the DNS; the service has none")
            }
        }
        return NamePart(
            source: "service \(name)",
            contents: [
                .init(apex: settings.domain, content: ZoneContent(writer.records)),
                .init(apex: Self.reverse.v4, content: ZoneContent(writer.reversed.v4)),
                .init(apex: Self.reverse.v6, content: ZoneContent(writer.reversed.v6)),
            ], problems: writer.problems)
    }
}

/// The records of one service while they are written.
private struct ServiceNames {
    let name: ServiceIndex.Name
    let ttl: TimeToLive
    var records: [Record] = []
    var reversed: (v4: [Record], v6: [Record]) = ([], [])
    var problems: [Problem] = []

    init(_ name: ServiceIndex.Name, ttl: TimeToLive) { (self.name, self.ttl) = (name, ttl) }

    mutating func complain(_ message: String) {
        let subject = ObjectKey(Service.resource.kind, namespace: name.namespace, name: name.name)
        problems.append(Problem(.nameUnusable, subject, message))
    }

    mutating func write(_ service: NamedService, _ owner: DomainName, _ slices: [NamedSlice]) {
        if case .alias(let target) = service.kind { return alias(owner, to: target) }
        let endpoints = EndpointNames(slices, of: service, owner)
        for hostname in endpoints.unusable {
            complain("the hostname “\(hostname)” of an endpoint is no name of the DNS; it is called by its address")
        }
        if case .addressed(let addresses, let ports) = service.kind {
            addressed(addresses, ports, owner, endpoints)
        } else {
            headless(owner, endpoints)
        }
    }

    private mutating func alias(_ owner: DomainName, to text: String) {
        let text = text.hasSuffix(".") ? String(text.dropLast()) : text
        guard IPAddress(text) == nil else {
            return complain("spec.externalName is the address \(text), and an alias leads to a name; the service has no name")
        }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false).map { NameLabel($0)?.bytes }
        guard !labels.contains(nil), let target = DomainName(labels: labels.compactMap(\.self)) else {
            return complain("spec.externalName “\(text)” is no name of the DNS; the service has no name")
        }
        add(owner, .cname(target))
    }

    private mutating func addressed(
        _ addresses: [IPAddress], _ ports: [NamedService.Port], _ owner: DomainName, _ endpoints: EndpointNames
    ) {
        guard !addresses.isEmpty else { return }
        for address in addresses {
            add(owner, .address(address))
            reverse(address, owner)
        }
        for port in ports {
            guard let location = self.location(port.name, port.transport, owner) else { continue }
            add(location, .srv(ServiceLocation(port: port.number, target: owner)))
        }
        for endpoint in endpoints.all {
            add(endpoint.name, .address(endpoint.address))
            reverse(endpoint.address, endpoint.name)
        }
    }

    private mutating func headless(_ owner: DomainName, _ endpoints: EndpointNames) {
        for endpoint in endpoints.all {
            add(owner, .address(endpoint.address))
            add(endpoint.name, .address(endpoint.address))
            reverse(endpoint.address, endpoint.name)
        }
        for (port, places) in endpoints.ports {
            guard let location = self.location(port.name, port.transport, owner) else { continue }
            for place in places {
                add(location, .srv(ServiceLocation(port: place.number, target: endpoints.all[place.endpoint].name)))
            }
        }
    }

    /// `_http._tcp` below the service.
    private mutating func location(_ port: String, _ transport: TransportProtocol, _ owner: DomainName) -> DomainName? {
        if let label = NameLabel("_\(port)"), let name = owner.child("_\(transport.label)")?.child(label.bytes) { return name }
        complain("the port's name “\(port)” is no name of the DNS behind an underscore; it has no SRV record")
        return nil
    }

    private mutating func add(_ name: DomainName, _ data: RecordData) { records.append(Record(name, data, ttl: ttl)) }

    private mutating func reverse(_ address: IPAddress, _ name: DomainName) {
        let record = Record(DomainName(reversing: address), .ptr(name), ttl: ttl)
        switch address.family {
        case .v4: reversed.v4.append(record)
        case .v6: reversed.v6.append(record)
        }
    }
}

/// The endpoints of a service that have names, from all its slices: of one with cluster IPs those with a hostname alone.
private struct EndpointNames {
    struct Endpoint {
        let name: DomainName
        let address: IPAddress
    }

    struct Port: Hashable {
        let name: String
        let transport: TransportProtocol
    }

    private(set) var all: [Endpoint] = []
    /// Where each named port is found: an endpoint's position and the number there, which may differ between endpoints.
    private(set) var ports: [(port: Port, places: [(endpoint: Int, number: UInt16)])] = []
    /// Hostnames that are no labels.
    private(set) var unusable: [String] = []

    init(_ slices: [NamedSlice], of service: NamedService, _ owner: DomainName) {
        let isHeadless = service.kind == .headless
        for slice in slices {
            let first = all.count
            for endpoint in slice.endpoints where endpoint.isReady || service.publishesNotReadyAddresses {
                add(endpoint, owner, isHeadless: isHeadless)
            }
            guard isHeadless, first < all.count else { continue }
            for port in slice.ports {
                let key = Port(name: port.name, transport: port.transport)
                let places = (first..<all.count).map { (endpoint: $0, number: port.number) }
                if let index = ports.firstIndex(where: { $0.port == key }) {
                    ports[index].places += places
                } else {
                    ports.append((key, places))
                }
            }
        }
    }

    private mutating func add(_ endpoint: NamedSlice.Endpoint, _ owner: DomainName, isHeadless: Bool) {
        var hostname: [UInt8]?
        if !endpoint.hostname.isEmpty {
            hostname = NameLabel(endpoint.hostname)?.bytes
            if hostname == nil { unusable.append(endpoint.hostname) }
        }
        guard isHeadless || hostname != nil,
            let name = owner.child(hostname ?? DashedAddress.bytes(endpoint.address))
        else { return }
        all.append(Endpoint(name: name, address: endpoint.address))
    }
}

extension TransportProtocol {
    /// As it stands in names of SRV records (RFC 2782).
    fileprivate var label: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .sctp: "sctp"
        }
    }
}
