import Addressing
import Agent
import CLinux
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Roads between nodes: what a thousand of them cost, and what packets make of them.
///
/// In namespaces, by the agent's own rounds; and a whole agent for what it keeps in memory.
enum RoadsBenchmark {
    static func run(nodes: Int, pairs: Int, seconds: Int) throws {
        try synthetic(nodes)
        for (name, backend) in [("vxlan", Backend.vxlan(.init())), ("host-gw", .hostGateway)] {
            let stage = try RoadStage(backend)
            let traffic = try (0..<pairs).map { _ in
                (try stage.throughput(.ours, seconds), try stage.throughput(.byHand, seconds))
            }
            let ours = median(traffic.map(\.0)), byHand = median(traffic.map(\.1))
            print(
                "pod to pod, \(name), beside the same by hand, \(pairs) pairs (figures: ≥ 0.95 of the throughput, ≤ 1.05 of the time)"
            )
            print(
                "  throughput  \(text(ours / 1e9)) Gbit/s, by hand \(text(byHand / 1e9)), ratio \(text(median(traffic.map { $0 / $1 })))"
            )
            let turns = try (0..<pairs).map { _ in (try stage.pingPong(.ours), try stage.pingPong(.byHand)) }
            print(
                "  ping-pong   \(text(median(turns.map(\.0)))) µs, by hand \(text(median(turns.map(\.1)))), "
                    + "ratio \(text(median(turns.map { $0 / $1 })))")
        }
    }

    // MARK: - A thousand nodes

    private static func synthetic(_ count: Int) throws {
        let objects = (1...count).map(node)
        var (wholes, processors): ([Double], [Double]) = ([], [])
        var added: [Double] = []
        for _ in 0..<9 {
            let namespace = try NetworkNamespace.new()
            try RoadStage.carryOut(try KernelHost(namespace), uplink: "uplink")
            var rounds = try RoundsAlone(
                of: name(1), in: namespace, network: NetworkSettings(backend: .vxlan(.init())))
            let (begin, used) = (clinux_clock(CLOCK_MONOTONIC), clinux_clock(CLOCK_PROCESS_CPUTIME_ID))
            _ = try rounds.list(objects)
            wholes.append(Double(clinux_clock(CLOCK_MONOTONIC) - begin) / 1e6)
            processors.append(Double(clinux_clock(CLOCK_PROCESS_CPUTIME_ID) - used) / 1e6)

            for number in 1...9 {
                let more = node(count + number)
                let start = clinux_clock(CLOCK_PROCESS_CPUTIME_ID)
                let steps = try rounds.set(more)
                added.append(Double(clinux_clock(CLOCK_PROCESS_CPUTIME_ID) - start) / 1e6)
                // A forwarding entry, two neighbours, four routes; of two tables two elements each.
                guard steps == 11 else { throw KernelError(.inputOutput, "make the roads to one node more: \(steps) steps") }
            }

            // The right work: everything is there now, and nothing is left to do.
            let rest = try rounds.check()
            let routes = try KernelHost(namespace).observe(Interest([.routes], routeTables: PacketPath.routeTables)).routes
            guard rest == 0, routes.count(where: { $0.proto == PacketPath.routeProtocol }) == 4 * (count + 8) + 2 else {
                throw KernelError(.inputOutput, "make the roads to \(count + 9) nodes: \(rest) steps are left")
            }
        }
        print("roads to \(count) nodes, vxlan, both families (figures: ≤ 150 ms, one more ≤ 2 ms of processor time, ≤ 60 MiB)")
        print(
            "  all         \(text(median(wholes))) ms from the objects to the last commit, with the tables of masquerading; "
                + "\(text(median(processors))) ms of processor time")
        print("  one more    \(text(median(added))) ms of processor time, at most \(text(added.max() ?? 0))")
        print("  agent       \(text(try RoadAgent(objects.map(RoadAgent.text), node: name(1)).resident())) MiB, at rest")
    }

    private static func name(_ number: Int) -> String { "ip-198-18-\(number / 256)-\(number % 256).example.internal" }

    /// 198.18.0.0/16 and 2001:db8::/64 are the nodes', 10.0.0.0/8 and 2001:db8:1::/48 the pods'.
    private static func addresses(_ number: Int) -> [IPAddress] {
        [IPFamily.v4, .v6].compactMap { segment($0).address(at: UInt128(number)) }
    }

    private static func segment(_ family: IPFamily) -> IPPrefix {
        family == .v4 ? IPPrefix(.v4(IPv4Address(198, 18, 0, 0)), length: 16) : IPPrefix(.v6(RoadStage.documentation), length: 64)
    }

    private static func node(_ number: Int) -> Node {
        var node = Node(metadata: ObjectMeta(name: name(number)))
        node.status.addresses = addresses(number).map { Node.Address(.internalIP, $0.description) }
        node.spec.podCIDRs = [
            IPPrefix(.v4(IPv4Address(rawValue: 10 << 24 | UInt32(number) << 8)), length: 24),
            IPPrefix(.v6(IPv6Address(rawValue: RoadStage.documentation.rawValue | 1 << 80 | UInt128(number) << 64)), length: 64),
        ]
        return node
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    private static func text(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
