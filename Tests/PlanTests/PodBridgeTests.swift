import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

@Suite("pods on a bridge")
struct PodBridgeTests {
    private func bridged(
        _ container: String, _ addresses: [String], _ ranges: [String] = ["10.244.1.0/24", "2001:db8:1:1::/64"]
    ) throws -> Plan.Attachment {
        var attachment = try attachment(container, addresses)
        attachment.bridgedRanges = try ranges.map(net)
        return attachment
    }

    private let bridge = NetworkSettings(podMode: .bridge)

    @Test("a pod's link is a locked port, its address has its range's length, and its gateway is the bridge")
    func twoEnds() throws {
        let network = PodNetwork(try bridged("web", ["10.244.1.2", "2001:db8:1:1::2"]))
        #expect(
            network.node.description == """
                link tlc4b5ae041a0 veth peer eth0 in pod mtu 1450 mac 1a:96:b5:c0:83:41 up mtu 1450 mac 1a:96:b5:c0:83:40 master tlbridge port nolearning,isolated,locked nolinklocal
                sysctl net/ipv6/conf/tlc4b5ae041a0/disable_ipv6 = 1
                neighbour 10.244.1.2 mac 1a:96:b5:c0:83:41 dev tlbridge
                neighbour 2001:db8:1:1::2 mac 1a:96:b5:c0:83:41 dev tlbridge
                forwarding 1a:96:b5:c0:83:41 dev tlc4b5ae041a0
                route 2001:db8:1:1::2/128 dev tlbridge proto 84 mtu 1450
                route 10.244.1.2/32 via 10.244.1.2 dev tlbridge onlink proto 84 mtu 1450

                """)
        #expect(
            network.pod.description == """
                link lo loopback up
                link eth0 veth up mtu 1450 mac 1a:96:b5:c0:83:41 nolinklocal
                sysctl net/ipv6/conf/eth0/accept_ra = 0
                sysctl net/ipv6/conf/eth0/disable_ipv6 = 0
                sysctl net/ipv6/conf/lo/disable_ipv6 = 0
                address 10.244.1.2/24 dev eth0 noprefixroute
                address 2001:db8:1:1::2/64 dev eth0 noprefixroute
                neighbour 10.244.1.1 mac 02:54:75:6c:6c:65 dev eth0
                neighbour 2001:db8:1:1::1 mac 02:54:75:6c:6c:65 dev eth0
                route 0.0.0.0/0 via 10.244.1.1 dev eth0 onlink proto 84
                route ::/0 via 2001:db8:1:1::1 dev eth0 onlink proto 84

                """)
    }

    @Test("ports are isolated, unless what passes bridges is filtered: then a pod reaches itself by its port")
    func ports() throws {
        func port(_ filters: Bool) throws -> Link.Port? {
            PodNetwork(try bridged("web", ["10.244.1.2"]), filtersBridges: filters).node.links.first?.port
        }
        #expect(try port(false) == Link.Port(isLearning: false, isIsolated: true, isLocked: true))
        #expect(try port(true) == Link.Port(isLearning: false, isLocked: true, isHairpin: true))
        var facts = try facts(1)
        facts.filtersBridges = true
        let plan = NodePlan(facts, [try node(1)], [try bridged("web", ["10.244.1.2"])], network: bridge)
        #expect(plan.whole.network.link("tlc4b5ae041a0")?.port?.isHairpin == true)
        func isFiltered(_ settings: Sysctl...) -> Bool { PodBridge.isFiltered(State(settings.map(Object.sysctl))) }
        #expect(!isFiltered() && !isFiltered(Sysctl("net/bridge/bridge-nf-call-iptables", "0")))
        #expect(isFiltered(Sysctl("net/bridge/bridge-nf-call-ip6tables", "1")))
    }

    @Test("the bridge has the gateways' addresses, and the node speaks under none of them")
    func ofTheNode() throws {
        let plan = NodePlan(try facts(1), [try node(1)], network: bridge)
        #expect(
            plan.part(.bridge).network.description == """
                link tlbridge bridge up mtu 1500 mac 02:54:75:6c:6c:65 nolinklocal
                sysctl net/ipv4/conf/tlbridge/route_localnet = 1
                sysctl net/ipv4/conf/tlbridge/rp_filter = 1
                sysctl net/ipv6/conf/tlbridge/accept_ra = 0
                sysctl net/ipv6/conf/tlbridge/disable_ipv6 = 0
                address 10.244.1.1/24 dev tlbridge scope link noprefixroute
                address 2001:db8:1:1::1/64 dev tlbridge noprefixroute deprecated

                """)
        #expect(plan.whole.problems == [])
        // An address that no pod has is still unreachable at once.
        #expect(plan.whole.network.routes.contains { $0.kind == .unreachable && $0.prefix.description == "10.244.1.0/24" })
        #expect(plan.whole.network.link("tlbridge")?.mtu == 1500)
        let narrow = NodePlan(
            try facts(1), [try node(1), try node(2)], network: .init(backend: .vxlan(.init()), podMode: .bridge))
        #expect(narrow.part(.bridge).network.link("tlbridge")?.mtu == 1450)
    }

    @Test("there is none in routed mode, but as long as a pod is a port of it")
    func modes() throws {
        let (old, routed) = try (bridged("web", ["10.244.1.2"]), attachment("db", ["10.244.1.3"]))
        #expect(NodePlan(try facts(1), [try node(1)], [routed]).part(.bridge).isEmpty)
        #expect(!NodePlan(try facts(1), [try node(1)], [old, routed]).part(.bridge).isEmpty)
        var snapshot = Snapshot()
        snapshot.replace(with: [try node(1)])
        let others = NodePlan(
            facts: try facts(1), snapshot: snapshot, attachments: [:], bridging: NodePlan.Bridging([old]))
        #expect(!others.part(.bridge).isEmpty, "of all attachments, whichever are planned")
        let roads = NodePlan(
            facts: try facts(1), snapshot: snapshot, attachments: [:], duties: [.overlay], network: bridge)
        #expect(roads.part(.bridge).isEmpty, "pods are somebody else's")
        #expect(NodePlan(try facts(1), [try node(1, pods: [])], network: bridge).part(.bridge).isEmpty, "no range yet")
    }

    @Test("a pod from before that has the gateway's address keeps it, and the bridge does without")
    func heldGateway() throws {
        let plan = NodePlan(try facts(1), [try node(1)], [try attachment("old", ["10.244.1.1"])], network: bridge)
        let part = plan.part(.bridge)
        #expect(part.network.addresses.map(\.address.description) == ["2001:db8:1:1::1/64"])
        #expect(part.problems.map(\.id) == [.podHoldsGateway])
        #expect(part.problems.first?.message.contains("10.244.1.1") == true)
    }

    @Test("a range that holds no gateway is a problem", arguments: ["10.244.1.4/32", "10.244.1.4/31", "2001:db8:1:1::/127"])
    func tooSmall(_ range: String) throws {
        let plan = NodePlan(try facts(1), [try node(1, pods: [range])], network: bridge)
        #expect(plan.part(.bridge).problems.map(\.id) == [.podRangeTooSmall])
        #expect(PodBridge.gateway(of: try net(range)) == nil)
    }

    @Test("who sends is known by MAC and address together, in a table that is there with the first pod on a bridge")
    func sources() throws {
        let routed = try attachment("db", ["10.244.1.3"])
        #expect(SourceTable.tables(of: [routed]).isEmpty)
        let tables = SourceTable.tables(of: [try bridged("web", ["10.244.1.2", "2001:db8:1:1::2"]), routed])
        let text = SourceTable.tables.compactMap { tables[$0]?.text }.joined()
        #expect(text.contains("1a:96:b5:c0:83:41 . 10.244.1.2") && text.contains("1a:96:b5:c0:83:41 . 2001:db8:1:1::2"))
        #expect(!text.contains("10.244.1.3"))
        #expect(text.contains(#"iifname "tlbridge" @ll,48,48 . ip saddr != @sources drop"#), "\(text)")
        #expect(text.contains(#"iifname "tlbridge" @ll,48,48 . ip6 saddr != @sources drop"#))
        // Rules about what comes from pods are about what comes from the bridge.
        #expect(PacketPath.podBridge.hasPrefix(PacketPath.podLinkPrefix) && !PacketPath.isPodLink(PacketPath.podBridge))
    }

    @Test("a pod's second interface has a gateway that no route of the first covers")
    func second() throws {
        var attachment = try bridged("web", ["10.244.1.2", "2001:db8:1:1::2"])
        attachment.reach = .ranges([try net("10.244.1.0/24"), try net("2001:db8:1:1::/64")])
        let gateways = Set(PodNetwork(attachment).pod.routes.compactMap(\.gateway?.description))
        #expect(gateways == ["10.244.1.1", "fe80::1"])
    }

    // A UDP client that went on sending reached the pod that had the port before, for as long as it sent.
    @Test("connections by ports that went or came are named by protocol, family and who answered")
    func flows() throws {
        var pod = try attachment("dns", ["10.244.1.2", "2001:db8:1:1::2"])
        pod.ports = [
            PortMapping(.udp, .any, 53, to: 5353), PortMapping(.tcp, .any, 53, to: 5353),
            PortMapping(.sctp, .one(try ip("192.0.2.1")), 7, to: 8),
        ]
        #expect(
            HostPorts.flows(answeredBy: pod) == [
                ServiceFlow(.v4, .udp, at: nil, 53, answeredBy: .endpoint(SocketAddress(try ip("10.244.1.2"), 5353))),
                ServiceFlow(.v6, .udp, at: nil, 53, answeredBy: .endpoint(SocketAddress(try ip("2001:db8:1:1::2"), 5353))),
                ServiceFlow(
                    .v4, .sctp, at: try ip("192.0.2.1"), 7, answeredBy: .endpoint(SocketAddress(try ip("10.244.1.2"), 8))),
            ])
        #expect(
            HostPorts.flows(before: pod, nodeAddresses: [try ip("192.0.2.1"), try ip("2001:db8::1")]) == [
                ServiceFlow(.v4, .udp, at: try ip("192.0.2.1"), 53, answeredBy: .untranslated),
                ServiceFlow(.v6, .udp, at: try ip("2001:db8::1"), 53, answeredBy: .untranslated),
                ServiceFlow(.v4, .sctp, at: try ip("192.0.2.1"), 7, answeredBy: .untranslated),
            ])
    }
}
