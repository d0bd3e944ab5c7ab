import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

@Suite("the roads through tunnels")
struct TunnelTests {
    static let vxlan = NetworkSettings(backend: .vxlan(.init()))
    static let direct = NetworkSettings(backend: .vxlan(.init(isDirectOnSegment: true)))

    /// Without sysctls, which other tests are about, and ranges of its own.
    private func lines(_ plan: NodePlan) -> String {
        plan.whole.network.filter { object in
            switch object {
            case .sysctl: false
            case .route(let route): route.kind == .unicast
            default: true
            }
        }.description
    }

    @Test("both families over IPv4: a link, and for each node one forwarding entry, and per family a neighbour and two routes")
    func dual() throws {
        let plan = NodePlan(try facts(1), [try node(1), try node(2)], network: Self.vxlan)
        #expect(plan.whole.problems.isEmpty)
        #expect(
            lines(plan) == """
                link tulle4 vxlan id 84 port 8472 local 192.0.2.1 up mtu 1450 mac 7a:d0:b2:0b:f4:cf nolinklocal
                neighbour 192.0.2.2 mac 7a:d0:b2:0b:f4:02 dev tulle4
                neighbour fe80::78d0:b2ff:fe0b:f402 mac 7a:d0:b2:0b:f4:02 dev tulle4
                forwarding 7a:d0:b2:0b:f4:02 dev tulle4 to 192.0.2.2
                route 10.244.2.0/24 via 192.0.2.2 dev tulle4 onlink proto 84 src 192.0.2.1
                route 2001:db8:1:2::/64 via fe80::78d0:b2ff:fe0b:f402 dev tulle4 proto 84 src 2001:db8::1
                route 192.0.2.2/32 via 192.0.2.2 dev tulle4 onlink table 8484 proto 84 src 192.0.2.1
                route 2001:db8::2/128 via fe80::78d0:b2ff:fe0b:f402 dev tulle4 table 8484 proto 84 src 2001:db8::1
                rule 8484 IPv4 from 10.244.1.0/24 table 8484 proto 84
                rule 8484 IPv6 from 2001:db8:1:1::/64 table 8484 proto 84

                """)
        #expect(plan.podMTU == 1450)
    }

    @Test("over IPv6: the packets around are 20 bytes longer, and nothing else differs")
    func overIPv6() throws {
        var facts = try facts(1)
        facts.uplinks = facts.uplinks.filter { $0.key.family == .v6 }
        let nodes = try [node(1, at: ["2001:db8::1"]), node(2, at: ["2001:db8::2"], pods: ["10.244.2.0/24"])]
        let plan = NodePlan(facts, nodes, network: Self.vxlan)
        #expect(
            lines(plan) == """
                link tulle6 vxlan id 84 port 8472 local 2001:db8::1 up mtu 1430 mac 7a:d0:b2:0b:f4:cf nolinklocal
                neighbour 10.244.2.0 mac 7a:d0:b2:0b:f4:02 dev tulle6
                neighbour fe80::78d0:b2ff:fe0b:f402 mac 7a:d0:b2:0b:f4:02 dev tulle6
                forwarding 7a:d0:b2:0b:f4:02 dev tulle6 to 2001:db8::2
                route 10.244.2.0/24 via 10.244.2.0 dev tulle6 onlink proto 84
                route 2001:db8::2/128 via fe80::78d0:b2ff:fe0b:f402 dev tulle6 table 8484 proto 84 src 2001:db8::1
                rule 8484 IPv4 from 10.244.1.0/24 table 8484 proto 84
                rule 8484 IPv6 from 2001:db8:1:1::/64 table 8484 proto 84

                """)
        #expect(plan.podMTU == 1430)
        #expect(plan.whole.problems.allSatisfy { $0.id == .nodeWithoutAddress })
    }

    @Test("a peer that has IPv6 alone is reached by a second link, which goes with it")
    func mixed() throws {
        let (v4, v6) = try (node(2, at: ["192.0.2.2"], pods: ["10.244.2.0/24"]), node(3, at: ["2001:db8::3"], pods: []))
        func links(_ nodes: Node...) throws -> [String] {
            NodePlan(try facts(1), [try node(1)] + nodes, network: Self.vxlan).whole.network.links.map(\.name).sorted()
        }
        #expect(try links() == ["tulle4"])
        #expect(try links(v4) == ["tulle4"])
        #expect(try links(v4, v6) == ["tulle4", "tulle6"])
        let plan = NodePlan(try facts(1), [try node(1), v4, v6], network: Self.vxlan)
        #expect(plan.podMTU == 1430, "what fits both")
        #expect(plan.part(.peer("n3")).network.description.contains("forwarding 7e:d0:b2:0b:ed:55 dev tulle6 to 2001:db8::3"))
    }

    @Test("where no family is common there is no road, and a problem instead")
    func noCommonFamily() throws {
        var facts = try facts(1)
        facts.uplinks = facts.uplinks.filter { $0.key.family == .v4 }
        let nodes = try [
            node(1, at: ["192.0.2.1"], pods: ["10.244.1.0/24"]), node(2, at: ["2001:db8::2"], pods: ["10.244.2.0/24"]),
        ]
        let part = NodePlan(facts, nodes, network: Self.vxlan).part(.peer("n2"))
        #expect(part.network.isEmpty)
        #expect(part.problems.map(\.id) == [.peerOfOtherFamily])
        #expect(part.problems.first?.message == "it has no address of IPv4, and this node no other")
    }

    @Test("with direct routes who is on the segment gets one, and everybody else the tunnel")
    func directRoutes() throws {
        let nodes = try [node(1), node(2), node(3, at: ["203.0.113.3", "2001:db8:9::3"])]
        let plan = NodePlan(try facts(1), nodes, network: Self.direct)
        #expect(
            plan.part(.peer("n2")).network.description == """
                route 10.244.2.0/24 via 192.0.2.2 dev uplink proto 84 src 192.0.2.1
                route 2001:db8:1:2::/64 via 2001:db8::2 dev uplink proto 84 src 2001:db8::1

                """)
        #expect(plan.part(.peer("n3")).network.routes.allSatisfy { $0.device == "tulle4" })
        #expect(plan.part(.peer("n3")).network.routes.count == 4)
        #expect(plan.podMTU == 1450, "the same on all nodes, whoever is near")
    }

    @Test("the link takes what comes by another way than the answer goes, and no advertisement")
    func settings() throws {
        let part = NodePlan(try facts(1), [try node(1)], network: Self.vxlan).part(.tunnel(.v4))
        #expect(
            part.network.sysctls.map(\.description).sorted() == [
                "sysctl net/ipv4/conf/tulle4/rp_filter = 0", "sysctl net/ipv6/conf/tulle4/accept_ra = 0",
                "sysctl net/ipv6/conf/tulle4/disable_ipv6 = 0",
            ])
    }

    @Test("a kernel without IPv6 gets nothing of it")
    func withoutIPv6() throws {
        var facts = try facts(1)
        facts.families = [.v4]
        facts.uplinks = facts.uplinks.filter { $0.key.family == .v4 }
        let text = NodePlan(facts, [try node(1), try node(2)], network: Self.vxlan).whole.network.description
        #expect(!text.contains("ipv6") && !text.contains("2001:") && !text.contains("fe80"))
        #expect(text.contains("route 10.244.2.0/24 via 192.0.2.2 dev tulle4"))
    }

    @Test("no backend: no road, no link, no rule, and everything else as ever")
    func none() throws {
        let plan = NodePlan(try facts(1), [try node(1), try node(2)], network: NetworkSettings(backend: .none))
        let routed = NodePlan(try facts(1), [try node(1), try node(2)])
        #expect(plan.whole.network.routes.allSatisfy { $0.kind == .unreachable })
        #expect(plan.whole.tables == routed.whole.tables && plan.part(.node) == routed.part(.node))
        #expect(plan.whole.problems.isEmpty && plan.podMTU == 1500)
    }

    @Test(
        "number, port and size are as asked for; what does not fit is said and made smaller",
        arguments: [
            (9000, 1500, 1450, 1450, [Problem.ID.mtuUnfit]), (1400, 1500, 1400, 1400, []), (nil, 9000, 8950, 8950, []),
            // Pods have IPv6 among each other, and IPv4 through the tunnel.
            (nil, 1320, 1280, 1270, [.mtuUnfit]), (1200, 1500, 1280, 1280, [.mtuUnfit]),
        ] as [(Int?, Int, Int, Int, [Problem.ID])])
    func sizes(_ asked: Int?, _ below: Int, _ pods: Int, _ mtu: Int, _ problems: [Problem.ID]) throws {
        var facts = try facts(1)
        for address in facts.uplinks.keys { facts.uplinks[address]?.mtu = below }
        let network = NetworkSettings(backend: .vxlan(.init(id: 7, port: 4789)), mtu: asked)
        let plan = NodePlan(facts, [try node(1), try node(2)], network: network)
        #expect(plan.podMTU == pods)
        let link = try #require(plan.whole.network.link("tulle4"))
        #expect(plan.whole.network.routes.contains { $0.prefix.family == .v6 && $0.device == "tulle4" } == (mtu >= 1280))
        #expect(link.mtu == mtu)
        #expect(link.kind == .vxlan(Link.Overlay(id: 7, port: 4789, local: try ip("192.0.2.1"))))
        #expect(plan.whole.problems.map(\.id) == problems)
    }

    @Test(
        "without a tunnel too, what does not fit is said, and pods with IPv6 have room for it",
        arguments: [[.v4], [.v4, .v6]] as [[IPFamily]])
    func sizesOfDirectRoads(_ families: [IPFamily]) throws {
        var facts = try facts(1)
        facts.families = Set(families)
        let hasIPv6 = families.contains(.v6)
        for (asked, mtu, problems) in [(1000, hasIPv6 ? 1280 : 1000, hasIPv6 ? 1 : 0), (9000, 1500, 1), (1400, 1400, 0)] {
            let plan = NodePlan(facts, [try node(1), try node(2)], network: NetworkSettings(mtu: asked))
            #expect(plan.podMTU == mtu)
            #expect(plan.whole.problems.filter { $0.id == .mtuUnfit }.count == problems)
        }
    }

    // 1,000 nodes with names as clouds give them, and as people do.
    @Test("no two of ten thousand names have one MAC, another number means other MACs, and each is a unicast one")
    func macs() throws {
        func mac(_ name: String, id: UInt32 = 84) throws -> MACAddress {
            var own = Node(metadata: ObjectMeta(name: name))
            own.status.addresses = [Node.Address(.internalIP, "192.0.2.1")]
            var facts = try facts(1)
            facts.name = name
            let plan = NodePlan(facts, [own], network: NetworkSettings(backend: .vxlan(.init(id: id))))
            return try #require(plan.whole.network.link("tulle4")?.mac)
        }
        let names = (0..<5000).flatMap { ["node-\($0)", "ip-10-0-\($0 / 250)-\($0 % 250).eu-central-1.compute.internal"] }
        let macs = Set(try names.map { try mac($0) })
        #expect(macs.count == names.count)
        #expect(macs.allSatisfy { $0.bytes[0] & 3 == 2 })
        #expect(try mac("n1") != mac("n1", id: 85))
    }

    @Test("settled on a host it changes nothing the second time; a link with another number is made again with all on it")
    func settles() throws {
        let host = try host(1)
        let plan = NodePlan(try facts(1), [try node(1), try node(2), try node(3)], network: Self.vxlan)
        let wanted = plan.whole.network
        #expect(try host.settle(wanted, owned: NodePlan.ownership).refusals.isEmpty)
        #expect(try host.settle(wanted, owned: NodePlan.ownership).changes.isEmpty)
        let whole = host.state

        for (wrong, isMadeAgain) in [
            (Link.Overlay(id: 85, port: 8472, local: try ip("192.0.2.1")), true),
            (Link.Overlay(id: 84, port: 4789, local: try ip("192.0.2.1")), true),
            (Link.Overlay(id: 84, port: 8472, local: try ip("192.0.2.9")), true),
            (Link.Overlay(id: 84, port: 8472, local: try ip("192.0.2.1"), isLearning: true), true),
            (Link.Overlay(id: 84, port: 8472, local: try ip("192.0.2.1")), false),
        ] {
            var link = try #require(wanted.link("tulle4"))
            #expect(host.apply([.remove(.link(link))]).isEmpty)
            link.kind = .vxlan(wrong)
            link.mtu = 1400
            link.mac = MACAddress(local: 1)
            #expect(host.apply([.add(.link(link))]).isEmpty)
            let outcome = try host.settle(wanted, owned: NodePlan.ownership(links: [], in: host.state))
            #expect(outcome.refusals.isEmpty, "\(outcome.refusals)")
            #expect(outcome.changes.contains { if case .remove(.link) = $0 { true } else { false } } == isMadeAgain)
            #expect(host.state == whole)
        }
    }

    @Test(
        "from one backend to another nothing of the old one is left",
        arguments: [
            (NetworkSettings(), vxlan), (vxlan, NetworkSettings()), (vxlan, direct), (direct, vxlan),
            (vxlan, .init(backend: .none)),
        ])
    func changes(_ old: NetworkSettings, _ new: NetworkSettings) throws {
        let (host, fresh) = try (host(1), host(1))
        let nodes = try [node(1), node(2), node(3, at: ["203.0.113.3", "2001:db8:9::3"])]
        for (host, network) in [(host, old), (host, new), (fresh, new)] {
            let wanted = NodePlan(try facts(1), nodes, network: network).whole.network
            #expect(try host.settle(wanted, owned: NodePlan.ownership).refusals.isEmpty)
        }
        let sysctls = { (object: Object) in if case .sysctl = object { false } else { true } }
        #expect(host.state.filter(sysctls) == fresh.state.filter(sysctls))
    }

    @Test("a link of another kind that has the tunnel's name is somebody else's")
    func namesake() throws {
        let stranger = State([.link(Link("tulle4", .bridge))])
        #expect(!NodePlan.ownership(links: ["a"], in: stranger).owns(link: "tulle4"))
        #expect(NodePlan.ownership(links: ["a"], in: stranger).owns(link: "a"))
        #expect(NodePlan.ownership(links: [], in: State()).owns(link: "tulle4"))
    }
}

@Suite("who keeps its address")
struct MasqueradeTests {
    @Test("ranges that pods reach with their own address are a set of their own, without those inside others")
    func reachable() throws {
        let network = NetworkSettings(reachable: try [net("192.168.0.0/16"), net("192.168.7.0/24"), net("fd00::/8")])
        let tables = NodePlan(try facts(1), [try node(1)], network: network).whole.tables
        let text = try #require(tables[Table.ID(.ip, "tulle-pods")]).text
        #expect(text.contains("ip daddr != @node-addresses ip daddr != @reachable-ranges masquerade"))
        #expect(text.contains("elements = { 192.168.0.0/16 }"))
        #expect(try #require(tables[Table.ID(.ip6, "tulle-pods")]).text.contains("elements = { fd00::/8 }"))
    }

    @Test("without masquerading the check of sources is left")
    func none() throws {
        let tables = NodePlan(try facts(1), [try node(1)], network: NetworkSettings(masquerades: false)).whole.tables
        #expect(Set(tables.keys) == [Table.ID(.ip6, "tulle-pods")])
        let text = try #require(tables[Table.ID(.ip6, "tulle-pods")]).text
        #expect(text.contains("chain prerouting") && !text.contains("masquerade") && !text.contains("set "))
    }
}
