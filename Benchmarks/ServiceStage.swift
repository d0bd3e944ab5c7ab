import Addressing
import CLinux
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization

/// One size: its namespaces, its tables, its clients.
final class ServiceStage {
    let size: Int
    private var objects: ServiceObjects
    private var table: ServiceTable?
    private let client: NetworkNamespace
    private let node: NetworkNamespace
    private let server: NetworkNamespace
    private var tables: KernelTables
    private let acceptor: Acceptor

    private static let clientAddress = IPv4Address(198, 18, 1, 2)
    private static let serverAddress = IPv4Address(198, 18, 2, 2)

    init(size: Int) throws {
        self.size = size
        objects = try ServiceObjects(services: size, endpointsEach: ServicesBenchmark.endpointsPerService)
        client = try .new()
        node = try .new()
        server = try .new()
        tables = try KernelTables(in: node)
        try Self.wire(client, node, server)
        acceptor = try Acceptor(in: server, port: ServiceObjects.targetPort)
    }

    func end() { acceptor.stop() }

    private static func wire(_ client: NetworkNamespace, _ node: NetworkNamespace, _ server: NetworkNamespace) throws {
        let middle = try KernelHost(node)
        middle.namespaces = ["client": client, "server": server]
        for (name, network) in [("client", 1 as UInt8), ("server", 2)] {
            let gateway = IPAddress.v4(IPv4Address(198, 18, network, 1))
            try settle(
                middle,
                [
                    .link(Link("to-\(name)", .veth(peer: .init("eth0", in: name)), makesLinkLocal: false)),
                    .address(Address(InterfaceAddress(gateway, length: 24), on: "to-\(name)")),
                ], owned: ["to-\(name)"])
            let end = try KernelHost(name == "client" ? client : server)
            try settle(
                end,
                [
                    .link(Link("lo", .loopback)),
                    .link(Link("eth0", .veth(peer: nil), makesLinkLocal: false)),
                    .address(Address(InterfaceAddress(.v4(IPv4Address(198, 18, network, 2)), length: 24), on: "eth0")),
                    .route(Route(.all(.v4), via: gateway, device: "eth0", proto: 84)),
                ], owned: ["lo", "eth0"])
        }
        // 10.240.0.0/12: every endpoint's address is the server's.
        let endpoints = IPPrefix(.v4(ServiceObjects.address(ofEndpoint: 0)), length: 12)
        try settle(
            middle,
            [
                .sysctl(Sysctl("net/ipv4/ip_forward", "1")),
                .route(Route(endpoints, via: .v4(serverAddress), device: "to-server", proto: 84)),
            ], owned: [])
        try settle(try KernelHost(server), [.route(Route(endpoints, .local, device: "lo", table: 255, proto: 84))], owned: [])
    }

    private static func settle(_ host: KernelHost, _ state: State, owned links: Set<String>) throws {
        let observed = try host.observe(Interest(in: state)).filter { state[$0.key] != nil }
        let changes = difference(from: observed, to: state, owned: Ownership(links: links, proto: 84))
        if let refusal = try host.apply(changes).first { throw refusal.kernelError }
    }

    /// All services, as an agent makes them that starts: one transaction.
    func load() throws {
        let (begin, cpu) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        let table = objects.table()
        let changes = NFTables.difference(from: try tables.observe(table.id), to: table.table)
        let (planned, plannedCPU) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        try tables.apply(changes)
        let (end, endCPU) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        self.table = table
        print(
            "  load of \(size) services, \(size * ServicesBenchmark.endpointsPerService) endpoints: \(rounded((end - begin) * 1e3)) ms"
                + " (plan and difference \(rounded((planned - begin) * 1e3)), encoding and commit \(rounded((end - planned) * 1e3));"
                + " CPU \(rounded((plannedCPU - cpu) * 1e3)) and \(rounded((endCPU - plannedCPU) * 1e3)))"
                + (size == 50_000 ? verdict(end - begin, atMost: 2.0) : ""))
    }

    /// Services all over the table go from 5 to 6 endpoints and back: planned and committed, as an agent does.
    func change(times: Int) throws {
        guard var table else { return }
        self.table = nil
        var (plan, commit, wall): ([Double], [Double], [Double]) = ([], [], [])
        for number in 0..<times {
            let service = number * 7919 % size
            for more in [size * ServicesBenchmark.endpointsPerService + 1, nil] {
                let services = try objects.change(service, more: more)
                let (wallBefore, before) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
                let changes = table.set(services).changes
                let planned = seconds(CLOCK_THREAD_CPUTIME_ID)
                try tables.apply(changes)
                commit.append(seconds(CLOCK_THREAD_CPUTIME_ID) - planned)
                wall.append(seconds(CLOCK_MONOTONIC) - wallBefore)
                plan.append(planned - before)
            }
        }
        self.table = table
        let figures = Figures(commit)
        print(
            "  one endpoint more or less at \(size) services: CPU of the plan \(Figures(plan).microseconds),"
                + " of the commit \(figures.microseconds), in all \(Figures(wall).microseconds)"
                + verdict(figures.median, atMost: 100e-6))
    }

    private func verdict(_ value: Double, atMost limit: Double) -> String {
        value <= limit ? "  met: ≤ \(rounded(limit * 1e3)) ms" : "  NOT met: ≤ \(rounded(limit * 1e3)) ms"
    }

    /// What is connected to: the first service, the last one where there are several, and the same server directly.
    var targets: [(kind: String, address: SocketAddress)] {
        let first = ("first", SocketAddress(.v4(ServiceObjects.address(ofService: 0)), ServiceObjects.port))
        let last = ("last", SocketAddress(.v4(ServiceObjects.address(ofService: size - 1)), ServiceObjects.port))
        // An address of the server that is no endpoint of these services.
        let none = ServiceObjects.address(ofEndpoint: size * ServicesBenchmark.endpointsPerService + 99)
        return [first] + (size > 1 ? [last] : []) + [("direct", SocketAddress(.v4(none), ServiceObjects.targetPort))]
    }

    /// The median time of `connect` over new connections.
    func latency(to target: SocketAddress, times: Int) throws -> Double {
        var measured: [Double] = []
        for _ in 0..<times {
            let socket = try connector.next()
            let begin = seconds(CLOCK_MONOTONIC)
            try Sockets.connect(socket, to: target)
            measured.append(seconds(CLOCK_MONOTONIC) - begin)
        }
        return Figures(measured).median
    }

    private lazy var connector = SocketMaker(in: client)

    /// How many connections each endpoint of the first service got.
    var spread: String { acceptor.counts(below: ServicesBenchmark.endpointsPerService).map(String.init).joined(separator: "/") }
}

/// Makes sockets in a namespace.
final class SocketMaker {
    private let namespace: NetworkNamespace
    private var ready: [Descriptor] = []

    init(in namespace: NetworkNamespace) { self.namespace = namespace }

    func next() throws -> Descriptor {
        if ready.isEmpty {
            // Entering a namespace takes a thread: so a hundred sockets at a time.
            ready = try namespace.perform { () throws(KernelError) -> [Descriptor] in
                try (0..<100).map { _ throws(KernelError) in
                    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
                    guard descriptor >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
                    // Closing resets the connection: no port is kept in TIME_WAIT.
                    var linger = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
                    return Descriptor(owning: descriptor)
                }
            }
        }
        return ready.removeLast()
    }
}

enum Sockets {
    static func connect(_ socket: Descriptor, to target: SocketAddress) throws {
        var address = name(target)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw KernelError(Errno(rawValue: errno), "connect to \(target)") }
    }

    static func name(_ target: SocketAddress) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = target.port.bigEndian
        if case .v4(let ip) = target.address { address.sin_addr.s_addr = ip.rawValue.bigEndian }
        return address
    }
}

/// Accepts on a thread and counts by the address that was connected to.
final class Acceptor: Sendable {
    private let socket: Descriptor
    private let found = Mutex<[UInt32: Int]>([:])

    init(in namespace: NetworkNamespace, port: UInt16) throws {
        socket = try namespace.perform { () throws(KernelError) in
            let descriptor = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            var address = Sockets.name(SocketAddress(.any(.v4), port))
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard descriptor >= 0, bound == 0, listen(descriptor, 512) == 0 else {
                throw KernelError(Errno(rawValue: errno), "listen on port \(port)")
            }
            return Descriptor(owning: descriptor)
        }
        var thread = pthread_t()
        pthread_create(&thread, nil, { Acceptor.run($0) }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    func stop() { shutdown(socket.rawValue, CInt(SHUT_RDWR)) }

    func counts(below count: Int) -> [Int] {
        let first = ServiceObjects.address(ofEndpoint: 0).rawValue
        return found.withLock { found in (0..<count).map { found[first + UInt32($0)] ?? 0 } }
    }

    private static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        let acceptor = Unmanaged<Acceptor>.fromOpaque(pointer).takeRetainedValue()
        while true {
            let accepted = accept(acceptor.socket.rawValue, nil, nil)
            if accepted < 0 {
                if errno == ECONNABORTED || errno == EINTR { continue }
                return nil
            }
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &address) { pointer in
                _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(accepted, $0, &length) }
            }
            acceptor.found.withLock { $0[UInt32(bigEndian: address.sin_addr.s_addr), default: 0] += 1 }
            close(accepted)
        }
    }
}
