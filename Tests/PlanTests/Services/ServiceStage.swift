import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Testing

@testable import Cluster
@testable import Plan

extension Tag {
    /// Needs root and namespaces.
    @Tag static var kernel: Self
}

/// Whether kernel tests run: as root, and always where a skip counts as a failure.
let kernelIsThere = geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil

/// A node with the table of services and nothing else of ours, and who is around it.
///
/// ```
///  pod a 10.244.1.2 ─┐         ┌─ 192.0.2.1 ──── client 192.0.2.9
///                    ├─ node ──┤
///  pod b 10.244.1.3 ─┘         └─ 198.51.100.1 ─ far 198.51.100.2, behind it pod c 10.244.2.2
/// ```
/// The same in IPv6. Each pod answers on every port it is asked to with its name and who it saw.
final class ServiceStage {
    let node: NetworkNamespace
    let places: [String: NetworkNamespace]
    let host: KernelHost
    private(set) var services: [IPFamily: ServiceTable] = [:]
    private let tables: KernelTables
    private var echoes: [Echo] = []
    var facts = ServiceFacts.n1

    static let addresses: [String: [String]] = [
        "a": ["10.244.1.2", "fd00:10:244:1::2"], "b": ["10.244.1.3", "fd00:10:244:1::3"],
        "c": ["10.244.2.2", "fd00:10:244:2::2"],
        "client": ["192.0.2.9", "2001:db8::9"], "node": ["192.0.2.1", "2001:db8::1"], "far": ["198.51.100.2", "2001:db8:f::2"],
    ]

    init() throws {
        node = try .new()
        var places: [String: NetworkNamespace] = ["node": node]
        for name in ["a", "b", "client", "far"] { places[name] = try .new() }
        places["c"] = places["far"]
        self.places = places
        host = try KernelHost(node)
        tables = try KernelTables(in: node)
        try wire()
    }

    deinit { for echo in echoes { echo.stop() } }

    /// An address of somebody on the stage.
    static func address(_ name: String, _ family: IPFamily) throws -> IPAddress {
        try ip(try #require(addresses[name])[family == .v4 ? 0 : 1])
    }

    /// An endpoint on a pod.
    static func endpoint(
        _ name: String, _ family: IPFamily, _ port: UInt16 = 8080, _ change: (inout ServicePort.Endpoint) -> Void = { _ in }
    ) throws -> ServicePort.Endpoint {
        try .at(address(name, family).description, port, on: name == "c" ? "n2" : "n1", change)
    }

    private func wire() throws {
        try settle(host, [.link(Link("lo", .loopback))], ["lo"])
        for (index, (place, device)) in [("client", "to-client"), ("far", "to-far")].enumerated() {
            let number = UInt64(index * 2 + 1)
            let (own, other) = (MACAddress(local: number), MACAddress(local: number + 1))
            let (here, there) =
                place == "client"
                ? (["192.0.2.1", "2001:db8::1"], ["192.0.2.9", "2001:db8::9"])
                : (["198.51.100.1", "2001:db8:f::1"], ["198.51.100.2", "2001:db8:f::2"])
            let end = try KernelHost(try #require(places[place]))
            host.namespaces[place] = places[place]
            // Without link-local addresses, whose detection takes seconds, the kernel asks for no neighbour: they are told.
            let peer = Link.Peer("eth0", in: place, mac: other)
            try settle(
                host,
                [.link(Link(device, .veth(peer: peer), mac: own, makesLinkLocal: false))]
                    + addresses(here, on: device) + neighbours(there, on: device, other), [device])
            try settle(
                end,
                [.link(Link("lo", .loopback)), .link(Link("eth0", .veth(peer: nil), makesLinkLocal: false))]
                    + addresses(there, on: "eth0") + neighbours(here, on: "eth0", own)
                    + here.map {
                        let gateway = try ip($0)
                        return .route(Route(.all(gateway.family), via: gateway, device: "eth0", proto: 84))
                    }, ["lo", "eth0"])
            try host.settleCarrier(of: device)
            try host.settleAddress(ip(here[1]))
            try end.settleAddress(ip(there[1]))
        }
        let far = try KernelHost(try #require(places["far"]))
        try settle(far, try ["10.244.2.2/32", "fd00:10:244:2::2/128"].map { try address($0, on: "lo") }, ["lo"])
        try far.settleAddress(ip("fd00:10:244:2::2"))
        for name in ["a", "b"] {
            let network = PodNetwork(try attachment(name, try #require(Self.addresses[name])))
            host.namespaces[PodNetwork.podNamespace] = places[name]
            let own = network.node.objects.values.map { $0 }
            let links = Set(own.compactMap { if case .link(let link) = $0 { link.name } else { nil } })
            try settle(host, own, links)
            let pod = try KernelHost(try #require(places[name]))
            try settle(pod, network.pod.objects.values.map { $0 }, ["lo", "eth0"])
            // As an agent does: the first packet is not to be lost.
            for link in links { try host.settleCarrier(of: link) }
            try pod.settleCarrier(of: "eth0")
            try pod.settleAddress(Self.address(name, .v6))
        }
        try settle(
            host,
            [
                .sysctl(Sysctl("net/ipv4/ip_forward", "1")), .sysctl(Sysctl("net/ipv6/conf/all/forwarding", "1")),
                .route(Route(try net("10.244.2.0/24"), via: try ip("198.51.100.2"), device: "to-far", proto: 84)),
                .route(Route(try net("fd00:10:244:2::/64"), via: try ip("2001:db8:f::2"), device: "to-far", proto: 84)),
                // Without a way to a cluster IP the node's own programs do not get as far as the rules.
                .route(Route(.all(.v4), via: try ip("192.0.2.9"), device: "to-client", proto: 84)),
                .route(Route(.all(.v6), via: try ip("2001:db8::9"), device: "to-client", proto: 84)),
            ], [])
    }

    private func addresses(_ texts: [String], on link: String) throws -> [Object] {
        try texts.map { try address($0 + ($0.contains(":") ? "/64" : "/24"), on: link) }
    }

    private func address(_ text: String, on link: String) throws -> Object {
        .address(Address(try #require(InterfaceAddress(text)), on: link))
    }

    private func neighbours(_ texts: [String], on link: String, _ mac: MACAddress) throws -> [Object] {
        try texts.map { .neighbour(Neighbour(try ip($0), on: link, .mac(mac))) }
    }

    private func settle(_ host: KernelHost, _ objects: [Object], _ links: Set<String>) throws {
        let state = State(objects)
        let observed = try host.observe(Interest(in: state)).filter { state[$0.key] != nil }
        let changes = HostNetwork.difference(from: observed, to: state, owned: Ownership(links: links, proto: 84))
        if let refusal = try host.apply(changes).first { throw refusal.kernelError }
    }
}

// MARK: - Services

extension ServiceStage {
    /// These services from now on, all at once.
    func serve(_ ports: ServicePort...) throws {
        for family in IPFamily.allCases {
            let table = ServiceTable(ports, family, facts: facts)
            services[family] = table
            var kernel = tables
            try kernel.settle(table.id, to: table.table)
        }
    }

    /// A change, as an agent makes it: element by element. What it makes stale is returned, and not ended.
    @discardableResult
    func change(_ ports: ServicePort...) throws -> Set<ServiceFlow> {
        try change(Dictionary(grouping: ports, by: \.name))
    }

    @discardableResult
    func remove(_ name: String) throws -> Set<ServiceFlow> { try change([ServiceIndex.Name(namespace: "shop", name: name): []]) }

    private func change(_ ports: [ServiceIndex.Name: [ServicePort]]) throws -> Set<ServiceFlow> {
        var flows: Set<ServiceFlow> = []
        for family in IPFamily.allCases {
            guard let update = services[family]?.set(ports) else { continue }
            try tables.apply(update.changes)
            flows.formUnion(update.flows)
        }
        return flows
    }

    /// What somebody else commits.
    func commit(_ changes: [NFTables.Change]) throws { try tables.apply(changes) }

    /// Ends connections, as an agent does after its changes.
    func end(_ flows: Set<ServiceFlow>) throws {
        let socket = try NetlinkSocket(.netfilter, in: node)
        let filters = flows.map { flow in
            var filter = ConnectionFilter(flow.family, flow.transport.number, to: flow.address, flow.port)
            switch flow.answerer {
            case .anybody: filter.isTranslated = flow.address == nil ? true : nil
            case .endpoint(let endpoint): filter.answerer = endpoint
            case .untranslated: filter.isTranslated = false
            }
            return filter
        }
        try socket.end(socket.connections(Set(filters)))
    }

    /// The table as the kernel has it.
    func observed(_ family: IPFamily) throws -> Table? {
        try tables.observe(Table.ID(family == .v4 ? .ip : .ip6, PacketPath.serviceTable))?.table
    }
}

// MARK: - Packets

extension ServiceStage {
    /// Somebody answers from now on: `a`, `b` and `c` on port 8080, TCP and UDP, when nothing else is said.
    func answer(_ names: String..., port: UInt16 = 8080) throws {
        for name in names {
            for family in IPFamily.allCases {
                for transport in [TransportProtocol.tcp, .udp] {
                    let address = try Self.address(name, family)
                    echoes.append(try Echo(name, in: try #require(places[name]), transport, SocketAddress(address, port)))
                }
            }
        }
    }

    /// What becomes of a first packet: waits for whatever comes.
    func ask(_ place: String, _ transport: TransportProtocol = .tcp, _ target: IPAddress, _ port: UInt16) throws -> Outcome {
        try Client(in: try #require(places[place]), transport, target.family).ask(SocketAddress(target, port))
    }

    /// A client that keeps its socket.
    func client(
        _ place: String, _ transport: TransportProtocol, _ family: IPFamily, from own: UInt16? = nil
    ) throws -> Client {
        try Client(in: try #require(places[place]), transport, family, from: own)
    }

    /// Whether nothing at all comes back: asked after somebody else, who was asked later by the same way, has answered.
    func isSilent(
        _ place: String, _ transport: TransportProtocol = .tcp, _ target: IPAddress, _ port: UInt16, witness: SocketAddress
    ) throws -> Bool {
        let namespace = try #require(places[place])
        let client = try Client(in: namespace, transport, target.family)
        client.begin(SocketAddress(target, port))
        let answer = try Client(in: namespace, transport, target.family).ask(witness)
        guard case .answered = answer else { throw Unexpected("the witness \(witness): \(answer)") }
        return client.hasNothing
    }
}
