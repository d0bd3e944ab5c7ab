internal import Addressing
internal import KubeAPI

/// What names need of a service.
struct NamedService: Hashable, Sendable {
    var kind: Kind
    /// Its endpoints have names whether or not they are ready.
    var publishesNotReadyAddresses = false
    /// It is headless, and a controller finds its endpoints.
    var hasSelector = false

    enum Kind: Hashable, Sendable {
        /// With cluster IPs, or none yet.
        case addressed([IPAddress], [Port])
        /// Its ports are those of its slices.
        case headless
        case alias(String)
    }

    /// A port with a name and a number.
    struct Port: Hashable, Sendable {
        var name: String
        var transport: TransportProtocol
        var number: UInt16
    }
}

/// What names need of a slice.
struct NamedSlice: Hashable, Sendable {
    var ports: [NamedService.Port] = []
    var endpoints: [Endpoint] = []

    struct Endpoint: Hashable, Sendable {
        var address: IPAddress
        /// Empty: it has none.
        var hostname = ""
        var isReady = true
    }
}

// MARK: - From the objects

extension NamedService {
    init(_ service: Service) {
        let spec = service.spec
        if spec.exposure == .externalName {
            kind = .alias(spec.externalName)
            return
        }
        publishesNotReadyAddresses = spec.publishesNotReadyAddresses
        if spec.isHeadless {
            (kind, hasSelector) = (.headless, !spec.selector.isEmpty)
        } else {
            kind = .addressed(
                spec.clusterIPs,
                spec.ports.filter { !$0.name.isEmpty && $0.number != 0 }.map {
                    Port(name: $0.name, transport: $0.transport, number: $0.number)
                })
        }
    }
}

extension NamedSlice {
    init(_ slice: EndpointSlice) {
        ports = slice.ports.compactMap { port in
            guard !port.name.isEmpty, let number = port.number else { return nil }
            return NamedService.Port(name: port.name, transport: port.transport, number: number)
        }
        // Consumers use the first address (EndpointSlice's documentation).
        endpoints = slice.endpoints.compactMap { endpoint in
            endpoint.addresses.first.map {
                Endpoint(address: $0, hostname: endpoint.hostname, isReady: endpoint.isReady)
            }
        }
    }
}

// MARK: - What gives names

extension NamedSlice {
    /// What of it has names in a service; `nil`: nothing.
    func named(in service: NamedService) -> NamedSlice? {
        var slice = self
        switch service.kind {
        case .alias: return nil
        case .headless: break
        case .addressed:
            slice.ports = []
            slice.endpoints.removeAll { $0.hostname.isEmpty }
        }
        if service.publishesNotReadyAddresses {
            for index in slice.endpoints.indices { slice.endpoints[index].isReady = true }
        } else {
            slice.endpoints.removeAll { !$0.isReady }
        }
        return slice.endpoints.isEmpty ? nil : slice
    }
}

// MARK: - Packed

extension NamedService {
    private static let (addressed, headless, alias) = (UInt8(0), UInt8(1), UInt8(2))
    private static let (published, selected) = (UInt8(4), UInt8(8))
    private static let kinds: UInt8 = 3

    /// Whether names depend on what slices say: of each endpoint, or of those with a hostname alone.
    enum Interest { case none, hostnames, all }

    static func interest(packed first: UInt8) -> Interest {
        switch first & kinds {
        case addressed: .hostnames
        case headless: .all
        default: .none
        }
    }

    /// ```
    ///   kind, published, selected 1 | addresses | ports … , or the alias …
    /// ```
    var packed: [UInt8] {
        let flags = (publishesNotReadyAddresses ? Self.published : 0) | (hasSelector ? Self.selected : 0)
        var bytes: [UInt8] = []
        switch kind {
        case .addressed(let addresses, let ports):
            bytes.append(Self.addressed | flags)
            bytes.append(addresses: addresses)
            for port in ports { port.append(to: &bytes) }
        case .headless: bytes.append(Self.headless | flags)
        case .alias(let target):
            bytes.append(Self.alias | flags)
            bytes.append(text: target)
        }
        return bytes
    }

    init(_ reader: inout PackedReader) {
        let first = reader.byte()
        (publishesNotReadyAddresses, hasSelector) = (first & Self.published != 0, first & Self.selected != 0)
        switch first & Self.kinds {
        case Self.headless: kind = .headless
        case Self.alias: kind = .alias(reader.text())
        default:
            let addresses = reader.addresses()
            var ports: [NamedService.Port] = []
            while !reader.isAtEnd { ports.append(NamedService.Port(&reader)) }
            kind = .addressed(addresses, ports)
        }
    }
}

extension NamedService.Port {
    /// ```
    ///   name | protocol 1 | number 2
    /// ```
    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.append(text: name)
        bytes.append(transport.number)
        bytes.append(number: number)
    }

    fileprivate init(_ reader: inout PackedReader) {
        name = reader.text()
        transport = TransportProtocol(number: reader.byte()) ?? .tcp
        number = reader.number()
    }
}

extension NamedSlice {
    private static let (ready, six, named) = (UInt8(1), UInt8(2), UInt8(4))

    /// Whether an endpoint of it has a hostname.
    static func hasHostnames(packed first: UInt8) -> Bool { first != 0 }

    /// ```
    ///   hostnames 1 | how many ports | ports … | ready, family, named 1 | address | hostname …
    /// ```
    var packed: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(endpoints.contains { !$0.hostname.isEmpty } ? 1 : 0)
        bytes.append(count: ports.count)
        for port in ports { port.append(to: &bytes) }
        for endpoint in endpoints {
            bytes.append(
                (endpoint.isReady ? Self.ready : 0) | (endpoint.address.family == .v6 ? Self.six : 0)
                    | (endpoint.hostname.isEmpty ? 0 : Self.named))
            bytes.append(address: endpoint.address)
            if !endpoint.hostname.isEmpty { bytes.append(text: endpoint.hostname) }
        }
        return bytes
    }

    init(_ reader: inout PackedReader) {
        _ = reader.byte()
        for _ in 0..<reader.count() { ports.append(NamedService.Port(&reader)) }
        while !reader.isAtEnd {
            let flags = reader.byte()
            let address = reader.address(flags & Self.six == 0 ? .v4 : .v6)
            endpoints.append(
                Endpoint(
                    address: address, hostname: flags & Self.named == 0 ? "" : reader.text(),
                    isReady: flags & Self.ready != 0))
        }
    }
}
