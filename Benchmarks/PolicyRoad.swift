import Addressing
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Somebody outside, a node, and a pod of it under policies: each in a namespace of its own.
final class PolicyRoad {
    let count: Int
    private let client: NetworkNamespace
    private let node: NetworkNamespace
    private let pod: NetworkNamespace
    private let acceptor: Acceptor
    private lazy var connector = SocketMaker(in: client)

    static let port: UInt16 = 8080
    /// Where iperf3 serves.
    static let streamPort: UInt16 = 5201
    private static let address = IPAddress.v4(IPv4Address(198, 18, 2, 2))

    /// How the policies are said to the kernel.
    enum Form: String {
        /// As the agent does.
        case classes = "policies"
        /// A chain for the pod and one for each policy, in iptables, as kube-router and Canal do.
        case chains = "policies as chains of iptables"
    }

    let form: Form

    init(policies: [NetworkPolicy], as form: Form = .classes) throws {
        count = policies.count
        self.form = form
        client = try .new()
        node = try .new()
        pod = try .new()
        try Self.wire(client, node, pod)
        acceptor = try Acceptor(in: pod, port: Self.port)
        guard form == .classes else {
            try PolicyChains.load(policies, at: Self.address, in: node)
            return
        }
        var subject = Pod(metadata: ObjectMeta(name: "db", namespace: "shop"))
        subject.spec.nodeName = "n1"
        subject.status.podIPs = [Self.address]
        var index = PolicyIndex(node: "n1")
        index.replace(with: policies as [any KubernetesObject] + [subject])
        let changes = index.takeChanges()
        var table = PolicyTable(.v4)
        let tables = try KernelTables(in: node)
        let steps = table.update(changes, index)
        if policies.isEmpty {
            // Connections are tracked with and without policies: a cluster has other tables that want it.
            let known = ConntrackState([.established]).rawValue
            let rule = NFTables.Rule(.ip, .anyBit(.conntrackState, of: known), .decide(.accept))
            let plain = Table(.ip, "plain", chains: [Chain("forward", .init(.filter, .forward, priority: 0), rules: [rule])])
            try tables.apply(NFTables.difference(from: nil, to: plain))
        } else {
            try tables.apply(steps)
        }
    }

    func end() { acceptor.stop() }

    private static func wire(_ client: NetworkNamespace, _ node: NetworkNamespace, _ pod: NetworkNamespace) throws {
        let middle = try KernelHost(node)
        middle.namespaces = ["client": client, "pod": pod]
        for (name, end, network) in [("client", client, 1 as UInt8), ("pod", pod, 2)] {
            let gateway = IPAddress.v4(IPv4Address(198, 18, network, 1))
            try settle(
                middle,
                [
                    .link(Link("to-\(name)", .veth(peer: .init("eth0", in: name)), makesLinkLocal: false)),
                    .address(Address(InterfaceAddress(gateway, length: 24), on: "to-\(name)")),
                ], owned: ["to-\(name)"])
            try settle(
                try KernelHost(end),
                [
                    .link(Link("lo", .loopback)),
                    .link(Link("eth0", .veth(peer: nil), makesLinkLocal: false)),
                    .address(Address(InterfaceAddress(.v4(IPv4Address(198, 18, network, 2)), length: 24), on: "eth0")),
                    .route(Route(.all(.v4), via: gateway, device: "eth0", proto: 84)),
                ], owned: ["lo", "eth0"])
        }
        try settle(middle, [.sysctl(Sysctl("net/ipv4/ip_forward", "1"))], owned: [])
    }

    private static func settle(_ host: KernelHost, _ state: State, owned links: Set<String>) throws {
        let observed = try host.observe(Interest(in: state)).filter { state[$0.key] != nil }
        let changes = HostNetwork.difference(from: observed, to: state, owned: Ownership(links: links, proto: 84))
        if let refusal = try host.apply(changes).first { throw refusal.kernelError }
    }

    /// The median time of `connect` over new connections, seconds.
    func latency(times: Int) throws -> Double {
        var measured: [Double] = []
        for _ in 0..<times {
            let socket = try connector.next()
            let begin = seconds(CLOCK_MONOTONIC)
            try Sockets.connect(socket, to: SocketAddress(Self.address, Self.port))
            measured.append(seconds(CLOCK_MONOTONIC) - begin)
        }
        return Figures(measured).median
    }

    /// Bits a second by iperf3, one TCP stream into the pod.
    func throughput(seconds: Int) throws -> Double {
        let program = "/usr/bin/iperf3"
        guard access(program, X_OK) == 0 else { throw KernelError(.noSuchEntry, "find iperf3 (apt install iperf3)") }
        var server = try Call([program, "--server", "--one-off", "--port", "\(Self.streamPort)", "--forceflush"]).spawn(in: pod)
        defer {
            kill(server.process, SIGKILL)
            _ = server.end()
        }
        let words = [program, "--client", "\(Self.address)", "--port", "\(Self.streamPort)", "--time", "\(seconds)", "--json"]
        for _ in 0..<100 {
            let tree = try JSONReader().value(Array(try Call(words).run(in: client).output.utf8))
            // It listens a moment after it was started.
            if let rate = tree["end"]?["sum_received"]?["bits_per_second"]?.number?.double { return rate }
            poll(nil, 0, 20)
        }
        throw KernelError(.inputOutput, "measure with iperf3")
    }
}
