import Addressing
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import Netlink
import Plan
import Testing

@testable import Agent

/// The nodes that n1 tries the tunnel with: n2.
private func targets(_ own: IPAddress, _ other: IPAddress, uplinkMTU: Int = 1500) -> [TunnelTarget] {
    var snapshot = Snapshot()
    snapshot.replace(
        with: [("n1", own, 1), ("n2", other, 2)].map { name, address, number in
            var node = Node(metadata: ObjectMeta(name: name))
            node.status.addresses = [Node.Address(.internalIP, address.description)]
            node.spec.podCIDRs = ["10.244.\(number).0/24", "fd00:10:244:\(number)::/64"].compactMap { IPPrefix($0) }
            return node
        })
    let uplink = NodeFacts.Uplink(device: "eth0", segment: IPPrefix(host: own), mtu: uplinkMTU)
    return NodePlan(
        facts: NodeFacts(name: "n1", uplinks: [own: uplink]), snapshot: snapshot, attachments: [:],
        network: NetworkSettings(backend: .vxlan(.init()))
    ).tunnelTargets()
}

@Suite("trying tunnels")
struct TunnelProbeTests {
    @Test(
        "what came back decides what is wrong, and a node that is silent anyhow is not judged",
        arguments: [
            (TunnelFindings(small: true, full: true, datagram: true), .well),
            (TunnelFindings(), .unknown), (TunnelFindings(answersEcho: true), .silent),
            (TunnelFindings(answersEcho: true, answersDatagrams: true, small: true), .narrow),
            (TunnelFindings(answersEcho: true, answersDatagrams: true, small: true, full: true), .checksum),
            (TunnelFindings(answersEcho: true, small: true, full: true), .unknown),
        ] as [(TunnelFindings, TunnelFindings.Verdict)])
    func verdicts(_ findings: TunnelFindings, _ verdict: TunnelFindings.Verdict) throws {
        #expect(findings.verdict == verdict)
        let target = try #require(targets(try ip("192.0.2.1"), try ip("192.0.2.66")).first)
        #expect((findings.problem(target) == nil) == [.well, .unknown].contains(verdict))
    }

    private func expect(
        begins: Bool, _ schedule: inout ProbeSchedule, _ wanted: [TunnelTarget], at now: Duration,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let begun = schedule.begin(wanted, at: now)
        #expect(begun == begins, sourceLocation: sourceLocation)
    }

    @Test("once is no problem, twice in a row is one, and it is tried less often while all is well")
    func schedule() throws {
        let wanted = try targets(ip("192.0.2.1"), ip("192.0.2.66"))
        let problem = Problem(.tunnelSilent, ObjectKey(Node.resource.kind, name: "n2"), "silent")
        var schedule = ProbeSchedule(period: .seconds(60))
        expect(begins: false, &schedule, [], at: .zero)
        let began = [schedule.begin(wanted, at: .zero), schedule.begin(wanted, at: .zero)]
        #expect(began == [true, false], "one at a time")
        schedule.ended(with: [problem], at: .seconds(1))
        #expect(schedule.problems == [] && schedule.waking == .seconds(16))
        expect(begins: false, &schedule, wanted, at: .seconds(15))
        expect(begins: true, &schedule, wanted, at: .seconds(16))
        schedule.ended(with: [problem], at: .seconds(17))
        #expect(schedule.problems == [problem] && schedule.waking == .seconds(77))
        expect(begins: true, &schedule, wanted, at: .seconds(77))
        schedule.ended(with: [], at: .seconds(78))
        #expect(schedule.problems == [] && schedule.waking == .seconds(678))
        // Another node, another size: at once.
        expect(begins: true, &schedule, try targets(ip("192.0.2.1"), ip("192.0.2.67")), at: .seconds(80))
        schedule.ended(with: [problem], at: .seconds(81))
        expect(begins: false, &schedule, [], at: .seconds(82))
        #expect(schedule.problems == [] && schedule.waking == nil)
        var never = ProbeSchedule(period: nil)
        expect(begins: false, &never, wanted, at: .zero)
    }

    @Test(
        "answers are told from everything else that comes to an ICMP socket",
        arguments: [
            [], [0x45], Array(repeating: 0, count: 40), Array(repeating: 0xFF, count: 64),
            // A packet that was too large, and one that came too late.
            [0x45] + Array(repeating: 0, count: 19) + [3, 4] + Array(repeating: 0, count: 40),
            [0x45] + Array(repeating: 0, count: 19) + [11, 0] + Array(repeating: 0, count: 40),
        ] as [[UInt8]])
    func noise(_ bytes: [UInt8]) {
        #expect(ProbeAnswer(bytes, .v4) == nil || bytes.count == 40)
        #expect(ProbeAnswer(bytes, .v6) == nil)
    }
}

extension KernelTests {
    @Suite("the agent tries tunnels")
    struct TunnelTrialTests {
        /// A rule in the router, for packets that are forwarded.
        private func nft(_ world: RoutedNodes, _ words: String...) throws {
            for line in words {
                let outcome = try Program.run(
                    ["nsenter", "--net=/proc/\(world.router.holder)/ns/net", "nft"] + line.split(separator: " ").map(String.init))
                guard outcome.status == 0 else { throw Broken("nft \(line): \(outcome)") }
            }
        }

        private let chain = ["add table inet t", "add chain inet t f { type filter hook forward priority 0 ; }"]

        @Test("over both families of the packets around, and finds what is broken on the way", arguments: [IPFamily.v4, .v6])
        func findings(_ family: IPFamily) throws {
            let world = try RoutedNodes(2, families: [family])
            try world.start("--backend", "vxlan", "--probe-period", "0")
            let (own, other) = try (world.address(of: 1, family), world.address(of: 2, family))
            let wanted = targets(own, other)
            #expect(wanted.map(\.mtu) == [family == .v4 ? 1450 : 1430])
            let probe = try TunnelProbe(in: world.nodes[0].namespace, mark: 77)
            func found() throws -> TunnelFindings { try #require(probe.findings(wanted).first) }
            #expect(try found() == TunnelFindings(small: true, full: true, datagram: true))
            for line in chain { try nft(world, line) }
            try nft(world, "add rule inet t f udp dport 8472 meta length > 1400 drop")
            let narrow = try found()
            #expect(narrow.verdict == .narrow)
            let room = 1400 - (family == .v4 ? 50 : 70)
            #expect(narrow.largest.map { (room - 8...room).contains($0) } == true, "\(narrow)")
            try nft(world, "flush chain inet t f", "add rule inet t f udp dport 8472 drop")
            #expect(try found().verdict == .silent)
            // Who is not there at all, or answers to nobody, is not judged.
            try nft(world, "flush chain inet t f", "add rule inet t f drop")
            #expect(try found().verdict == .unknown)
        }

        @Test("says what is wrong for as long as it is, and computes checksums itself where a device does not")
        func problems() throws {
            let world = try RoutedNodes(2)
            for line in chain { try nft(world, line) }
            try nft(world, "add rule inet t f udp dport 8472 drop")
            try world.start("--backend", "vxlan", "--probe-period", "4")
            let node = world.nodes[0]
            func problem(_ id: String, _ word: String) throws {
                try eventually("\(id); there is \(node.status)", within: .seconds(40)) {
                    node.status.problems.contains { $0.contains(" \(id): ") && $0.contains(word) }
                }
            }
            try problem("tunnel-silent", "Node n2: it answers at 192.0.2.66, and through tulle4 it does not")
            // What is in the field where the device was to put the checksum, in the frame inside.
            let target = try #require(targets(ip("192.0.2.1"), ip("192.0.2.66")).first)
            let frame = ProbeFrame(kind: .datagram, size: 512, mark: 1, sequence: 0).bytes(to: target)
            let field = frame[50...51].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            try nft(world, "flush chain inet t f", "add rule inet t f udp dport 8472 @th,312,8 17 @th,448,16 0x\(field) drop")
            try problem("tunnel-checksum", "the kernel does it now")
            #expect(node.log.contains("switched the checksum offload of a tunnel off"))
            #expect(!node.status.problems.contains { $0.contains("tunnel-silent") })
        }

        @Test("a road that is narrower than the links say: senders are told by their node, and no more when it is wide again")
        func workAround() throws {
            let world = try RoutedNodes(2)
            for line in chain { try nft(world, line) }
            try nft(world, "add rule inet t f udp dport 8472 meta length > 1400 drop")
            try world.start("--backend", "vxlan", "--probe-period", "1")
            let node = world.nodes[0]
            let pods = try world.nodes.map { try RoutedPod("c", on: $0) }
            func sizes() throws -> Set<UInt32?> {
                let routes = try node.host.observe(Interest([.routes], routeTables: PacketPath.routeTables)).routes
                return Set(routes.filter { $0.device == "tulle4" }.map(\.mtu))
            }
            try eventually("the routes have the size; there is \(node.status)", within: .seconds(60)) {
                try sizes().count == 1 && sizes().allSatisfy { $0.map { (1342...1350).contains($0) } ?? false }
            }
            #expect(node.status.problems.contains { $0.contains("tunnel-narrow") }, "\(node.status)")
            for family in [IPFamily.v4, .v6] {
                let (near, far) = try (pods[0].address(family), pods[1].address(family))
                let sender = try Datagrams(in: pods[0].namespace, at: near.mapped)
                sender.keepWhole()
                let full = String(repeating: "x", count: 1400)
                try eventually("the pod is told, over \(family)") { (try? sender.send(full, to: far.mapped, port: 4100)) == nil }
                #expect(try exchange(1342, (pods[0].namespace, near), (pods[1].namespace, far)) == [near, far])
            }
            try nft(world, "flush chain inet t f")
            try eventually("the size is taken back; there is \(node.status)", within: .seconds(60)) { try sizes() == [nil] }
        }
    }
}
