import Addressing
import HostNetwork
import Testing

extension Clause {
    /// All of one node's network, as an overlay with one pod and one other node has it.
    static func node(overlay id: UInt32 = 1) throws -> State {
        State([
            .link(Link("lo", .loopback)),
            veth("tl1", peer: "eth0", in: "pod"), vxlan("tl.v", id: id),
            .sysctl(Sysctl("net/ipv4/conf/tl1/rp_filter", "0")), .sysctl(Sysctl("net/ipv6/conf/tl1/accept_ra", "0")),
            try address("192.0.2.1/32", on: "tl.v"), try address("2001:db8::1/128", on: "tl.v"),
            .neighbour(Neighbour(try ip("192.0.2.65"), on: "tl.v", .mac(mac(65)))),
            .neighbour(Neighbour(try ip("192.0.2.7"), on: "tl1", .mac(mac(2)))),
            .forwarding(Forwarding(mac(65), on: "tl.v", to: try ip("203.0.113.2"))),
            try route("192.0.2.7/32", dev: "tl1"), try route("2001:db8::7/128", dev: "tl1"),
            try route("192.0.2.64/26", via: "192.0.2.65", dev: "tl.v", onlink: true, src: "192.0.2.1"),
            try route("2001:db8:1::/64", via: "2001:db8:1::1", dev: "tl.v", onlink: true, src: "2001:db8::1"),
            .rule(Rule(.v4, priority: 100, from: try net("192.0.2.0/24"), table: 7, proto: 84)),
        ])
    }

    static let ours = Ownership(links: ["lo"], linkPrefixes: ["tl"], proto: 84)

    private static func settle(_ stage: Stage, _ desired: State) throws -> String {
        let (changes, refusals) = try stage.node.settle(desired, owned: ours)
        #expect(refusals.map(\.description) == [])
        let again = try stage.node.settle(desired, owned: ours).changes.map(\.description)
        #expect(again == [], "the second time")
        return changes.map { $0.description + "\n" }.joined()
    }

    static let settling = [
        Clause("settling twice changes nothing the second time, and settling for nothing leaves nothing of ours") { stage in
            let empty = try stage.node.text()
            _ = try settle(stage, try node())
            #expect(try stage.node.text().split(separator: "\n").count == 12)
            _ = try settle(stage, [.link(Link("lo", .loopback))])
            try expect(stage.node.text(), is: empty)
        },
        Clause("an overlay link with another id is made again, and what stood on it is put back") { stage in
            _ = try settle(stage, try node(overlay: 1))
            let changes = try settle(stage, try node(overlay: 2))
            #expect(
                changes == """
                    - link tl.v vxlan id 1 port 8472 up mtu 1350 mac 02:00:00:00:00:09 nolinklocal
                    + link tl.v vxlan id 2 port 8472 up mtu 1350 mac 02:00:00:00:00:09 nolinklocal
                    + address 192.0.2.1/32 dev tl.v
                    + address 2001:db8::1/128 dev tl.v
                    + neighbour 192.0.2.65 mac 02:00:00:00:00:41 dev tl.v
                    + forwarding 02:00:00:00:00:41 dev tl.v to 203.0.113.2
                    + route 192.0.2.64/26 via 192.0.2.65 dev tl.v onlink proto 84 src 192.0.2.1
                    + route 2001:db8:1::/64 via 2001:db8:1::1 dev tl.v onlink proto 84 src 2001:db8::1

                    """)
        },
        Clause("an address that moves takes its routes along, and they are put back") { stage in
            let before: State = [
                veth("tl1", peer: "tl2"), try address("192.0.2.1/24", on: "tl1"),
                try route("198.51.100.0/24", via: "192.0.2.9", dev: "tl1"),
            ]
            let after: State = [
                veth("tl1", peer: "tl2"), try address("192.0.2.1/25", on: "tl1"),
                try route("198.51.100.0/24", via: "192.0.2.9", dev: "tl1"),
            ]
            let peer = Object.link(Link("tl2", .veth(peer: nil), isUp: false))
            _ = try settle(stage, State(before.objects.values + [peer]))
            let changes = try settle(stage, State(after.objects.values + [peer]))
            #expect(
                changes == """
                    - address 192.0.2.1/24 dev tl1
                    + address 192.0.2.1/25 dev tl1
                    + route 198.51.100.0/24 via 192.0.2.9 dev tl1 proto 84

                    """)
        },
        Clause("what is not ours stays, whatever we wish") { stage in
            try stage.node.accept(
                .add(veth("eth0", peer: "eth1")), .add(try address("192.0.2.1/24", on: "eth0")),
                .add(try route("198.51.100.0/24", dev: "eth0", proto: 3)),
                .add(.neighbour(Neighbour(try ip("192.0.2.2"), on: "eth0", .mac(mac(2))))),
                .add(.rule(Rule(.v4, priority: 50, table: 9, proto: 3))))
            let before = try stage.node.text()
            _ = try settle(stage, [])
            try expect(stage.node.text(), is: before)
            let (_, refusals) = try stage.node.settle([try route("198.51.100.0/24", .blackhole)], owned: ours)
            #expect(refusals.map(\.code) == [.exists])
            try expect(stage.node.text(), is: before)
        },
        Clause("our routes and rules between foreign ones are found and removed") { stage in
            try stage.node.accept(
                .add(veth("eth0", peer: "eth1")), .add(try address("198.51.100.1/32", on: "eth0")),
                .add(try route("198.51.100.0/24", dev: "eth0", proto: 3)))
            let before = try stage.node.text()
            _ = try settle(
                stage,
                [
                    try route("203.0.113.0/24", dev: "eth0"), try address("192.0.2.9/32", on: "eth0", proto: 84),
                    .rule(Rule(.v6, priority: 50, table: 9, proto: 84)),
                ])
            #expect(try stage.node.text() != before)
            _ = try settle(stage, [])
            try expect(stage.node.text(), is: before)
        },
        Clause("a pod of one family has the other turned off") { stage in
            try stage.node.accept(.add(veth("tl1", peer: "eth0", in: "pod")))
            let path = "net/ipv6/conf/eth0/disable_ipv6"
            let pod: State = [
                .link(Link("lo", .loopback)), .link(Link("eth0", .veth(peer: nil), makesLinkLocal: false)),
                .sysctl(Sysctl(path, "1")), try address("192.0.2.7/32", on: "eth0"),
                .neighbour(Neighbour(try ip("169.254.1.1"), on: "eth0", .mac(mac(1)))),
                try route("0.0.0.0/0", via: "169.254.1.1", dev: "eth0", onlink: true),
            ]
            let owned = Ownership(links: ["lo", "eth0"], proto: 84)
            let refusals = try stage.pod.settle(pod, owned: owned).refusals
            #expect(refusals == [])
            let again = try stage.pod.settle(pod, owned: owned).changes
            #expect(again == [])
            try expect(
                stage.pod.text(sysctls: [path]),
                is: """
                    link eth0 veth up mtu 1400 mac 02:00:00:00:00:02 nolinklocal
                    sysctl net/ipv6/conf/eth0/disable_ipv6 = 1
                    address 192.0.2.7/32 dev eth0
                    neighbour 169.254.1.1 mac 02:00:00:00:00:01 dev eth0
                    route 0.0.0.0/0 via 169.254.1.1 dev eth0 onlink proto 84

                    """)
        },
        Clause("a link made again in one go has its own new things on it") { stage in
            try stage.node.accept(.add(vxlan("v")), .add(try route("198.51.100.0/24", dev: "v")))
            try stage.node.accept(
                .add(try route("198.51.101.0/24", dev: "v")), .remove(vxlan("v")), .add(vxlan("v", id: 2)),
                .add(try route("198.51.102.0/24", dev: "v")))
            try expect(
                stage.node.text(without: ["lo", "v"]), is: "route 198.51.102.0/24 dev v proto 84 scope link")
        },
        Clause("a refused change does not stop those behind it") { stage in
            try stage.node.accept(.add(veth("a", peer: "b")))
            let bad = Change.add(try route("198.51.100.0/24", via: "203.0.113.1", dev: "a"))
            let worse = Change.add(veth("a", peer: "c"))
            let refusals = try stage.node.apply([
                .add(try route("198.51.101.0/24", dev: "a")), bad, .add(try route("198.51.102.0/24", dev: "a")), worse,
                .add(try route("198.51.103.0/24", dev: "a")),
            ])
            #expect(refusals.map(\.change) == [bad, worse])
            #expect(refusals.first?.explanation == "Nexthop has invalid gateway")
            #expect(try stage.node.observe(Interest()).routes.count == 3)
        },
    ]
}
