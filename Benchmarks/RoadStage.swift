import Addressing
import Agent
import CLinux
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import Netlink
import Plan

/// Two nodes on a wire, a pod on each whose road the plan makes, and beside them a pod on each whose road is made by hand with `ip`.
final class RoadStage {
    enum Road: Int, CaseIterable {
        case ours = 1
        case byHand
    }

    static let documentation = IPv6Address(rawValue: 0x2001_0DB8 << 96)

    private let nodes: [NetworkNamespace]
    /// By road, then by node.
    private var pods: [Road: [NetworkNamespace]] = [:]
    private var servers: [pid_t] = []

    /// With the addresses of node 1 on a link that leads nowhere.
    static func carryOut(_ host: KernelHost, uplink: String) throws {
        let addresses = [
            InterfaceAddress(.v4(IPv4Address(198, 18, 0, 1)), length: 16),
            InterfaceAddress(.v6(IPv6Address(rawValue: documentation.rawValue | 1)), length: 64),
        ]
        let changes =
            [HostNetwork.Change.add(.link(Link(uplink, .bridge, makesLinkLocal: false)))]
            + addresses.map { .add(.address(Address($0, on: uplink))) }
        if let refusal = try host.apply(changes).first { throw refusal.kernelError }
    }

    init(_ backend: Backend) throws {
        nodes = try (0..<2).map { _ in try NetworkNamespace.new() }
        try wire()
        var snapshot = Snapshot()
        snapshot.replace(with: (1...2).map(Self.object))
        for number in 1...2 {
            let uplink = NodeFacts.Uplink(device: "wire", segment: Self.segment, mtu: 1500)
            let facts = NodeFacts(name: "n\(number)", uplinks: [Self.node(number): uplink], families: [.v4])
            let plan = NodePlan(
                facts: facts, snapshot: snapshot, attachments: [:], network: NetworkSettings(backend: backend, masquerades: false)
            )
            let host = try KernelHost(nodes[number - 1])
            let refusals = try host.settle(plan.parts(plan.keys).network, owned: NodePlan.ownership).refusals
            if let refusal = refusals.first { throw refusal.kernelError }
            for road in Road.allCases { try attach(road, number, mtu: plan.podMTU) }
            try byHand(number, isWrapped: backend != .hostGateway)
        }
    }

    deinit {
        for server in servers {
            kill(server, SIGKILL)
            waitpid(server, nil, 0)
        }
    }

    private static let segment = IPPrefix(.v4(IPv4Address(198, 18, 0, 0)), length: 16)
    private static func node(_ number: Int) -> IPAddress { .v4(IPv4Address(198, 18, 0, UInt8(number))) }
    private static func range(_ road: Road, _ number: Int) -> IPPrefix {
        IPPrefix(.v4(IPv4Address(10, UInt8(road.rawValue), UInt8(number), 0)), length: 24)
    }
    private static func pod(_ road: Road, _ number: Int) -> IPAddress {
        .v4(IPv4Address(10, UInt8(road.rawValue), UInt8(number), 1))
    }

    private static func object(_ number: Int) -> Node {
        var node = Node(metadata: ObjectMeta(name: "n\(number)"))
        node.status.addresses = [Node.Address(.internalIP, Self.node(number).description)]
        node.spec.podCIDRs = [range(.ours, number)]
        return node
    }

    private func wire() throws {
        let (one, other) = try (KernelHost(nodes[0]), KernelHost(nodes[1]))
        one.namespaces["other"] = nodes[1]
        for (number, host) in [(1, one), (2, other)] {
            let peer = number == 1 ? Link.Peer("wire", in: "other", mtu: 1500) : nil
            let wanted: State = [
                .link(Link("wire", .veth(peer: peer), mtu: 1500, makesLinkLocal: false)),
                .address(Address(InterfaceAddress(Self.node(number), length: 16), on: "wire")),
            ]
            let refusals = try host.settle(wanted, owned: Ownership(links: ["wire"])).refusals
            if let refusal = refusals.first { throw refusal.kernelError }
        }
        try one.settleCarrier(of: "wire")
    }

    private func attach(_ road: Road, _ number: Int, mtu: Int) throws {
        let pod = try NetworkNamespace.new()
        let attachment = Attachment(
            id: .init(container: "pod-\(road)-\(number)", interface: "eth0"), addresses: [Self.pod(road, number)], mtu: mtu)
        try PodPlumbing(node: nodes[number - 1]).make(attachment, in: pod)
        pods[road, default: []].append(pod)
    }

    /// As people write it: one VXLAN link with the other end's address, and a route.
    private func byHand(_ number: Int, isWrapped: Bool) throws {
        let (node, other) = (nodes[number - 1], 3 - number)
        let range = Self.range(.byHand, other)
        guard isWrapped else {
            try ip(node, "route add \(range) via \(Self.node(other)) dev wire")
            return
        }
        try ip(
            node,
            "link add hand type vxlan id 42 dstport 4789 local \(Self.node(number)) remote \(Self.node(other)) nolearning")
        try ip(node, "link set hand mtu 1450 up")
        try ip(node, "addr add 198.19.0.\(number)/24 dev hand")
        try ip(node, "route add \(range) via 198.19.0.\(other) dev hand")
    }
}

// MARK: - Figures

extension RoadStage {
    /// Bits a second by iperf3, one TCP stream.
    func throughput(_ road: Road, _ seconds: Int) throws -> Double {
        guard let client = pods[road]?.first, let server = pods[road]?.last else { return 0 }
        let process = try Self.start(server, ["iperf3", "--server", "--one-off"]).process
        servers.append(process)
        defer {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
            servers.removeAll { $0 == process }
        }
        let words = ["iperf3", "--client", "\(Self.pod(road, 2))", "--time", "\(seconds)", "--json"]
        for _ in 0..<100 {
            let tree = try JSONReader().value(Self.output(client, words))
            // It listens a moment after it was started.
            guard let rate = tree["end"]?["sum_received"]?["bits_per_second"]?.number?.double else {
                poll(nil, 0, 20)
                continue
            }
            return rate
        }
        throw KernelError(.inputOutput, "measure with iperf3 (apt install iperf3)")
    }

    /// Microseconds from question to answer, the median of two thousand.
    ///
    /// Both ends are one thread: what is measured is the way, and not how soon a scheduler wakes somebody.
    func pingPong(_ road: Road) throws -> Double {
        guard let near = pods[road]?.first, let far = pods[road]?.last else { return 0 }
        let (client, server) = try (Self.socket(near), Self.socket(far))
        try Self.bind(server, Self.pod(road, 2), 4242)
        try Self.bind(client, Self.pod(road, 1), 4243)
        try Self.connect(client, Self.pod(road, 2), 4242)
        try Self.connect(server, Self.pod(road, 1), 4243)
        var buffer = [UInt8](repeating: 7, count: 64)
        var times: [Double] = []
        for _ in 0..<2000 {
            let begin = ContinuousClock.now
            for (from, to) in [(client, server), (server, client)] {
                guard send(from.rawValue, buffer, 64, 0) == 64, recv(to.rawValue, &buffer, 64, 0) == 64 else {
                    throw KernelError(Errno(rawValue: errno), "play ping-pong")
                }
            }
            times.append((ContinuousClock.now - begin) / .microseconds(1))
        }
        return times.sorted()[times.count / 2]
    }
}

// MARK: - Sockets and programs

extension RoadStage {
    private static func socket(_ namespace: NetworkNamespace) throws -> Descriptor {
        try namespace.perform { () throws(KernelError) in
            let opened = Glibc.socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
            var limit = timeval(tv_sec: 2, tv_usec: 0)
            setsockopt(opened, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            return Descriptor(owning: opened)
        }
    }

    private static func bind(_ socket: Descriptor, _ address: IPAddress, _ port: UInt16) throws {
        guard with(address, port, { Glibc.bind(socket.rawValue, $0, $1) }) == 0 else {
            throw KernelError(Errno(rawValue: errno), "bind to \(address)")
        }
    }

    private static func connect(_ socket: Descriptor, _ address: IPAddress, _ port: UInt16) throws {
        guard with(address, port, { Glibc.connect(socket.rawValue, $0, $1) }) == 0 else {
            throw KernelError(Errno(rawValue: errno), "connect to \(address)")
        }
    }

    private static func with(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = port.bigEndian
        withUnsafeMutableBytes(of: &four.sin_addr) { $0.copyBytes(from: address.bytes) }
        return withUnsafePointer(to: &four) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private func ip(_ namespace: NetworkNamespace, _ words: String) throws {
        let started = try Self.start(namespace, ["ip"] + words.split(separator: " ").map(String.init))
        var status: CInt = 0
        waitpid(started.process, &status, 0)
        guard status == 0 else { throw KernelError(.inputOutput, "run ip \(words)") }
    }

    private static func output(_ namespace: NetworkNamespace, _ words: [String]) throws -> String {
        let started = try start(namespace, words)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = read(started.output.rawValue, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        waitpid(started.process, nil, 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func start(_ namespace: NetworkNamespace, _ words: [String]) throws -> (process: pid_t, output: Descriptor) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw KernelError(Errno(rawValue: errno), "make a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        let output = Descriptor(owning: ends[0])
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let command = ["nsenter", "--net=/proc/\(getpid())/fd/\(namespace.descriptor.rawValue)"] + words
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let code = posix_spawnp(&process, "nsenter", &actions, nil, &arguments, environ)
        guard code == 0 else { throw KernelError(Errno(rawValue: code), "run \(command.joined(separator: " "))") }
        return (process, output)
    }
}
