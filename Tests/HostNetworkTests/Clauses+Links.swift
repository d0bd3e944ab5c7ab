import Addressing
import HostNetwork
import Testing

extension Clause {
    static let links = [
        Clause("a new namespace holds a loopback link that is down") { stage in
            let lo = try #require(try stage.node.observe(Interest()).link("lo"))
            #expect(lo.description == "link lo loopback down mtu 65536 mac 00:00:00:00:00:00")
        },
        Clause("a pair is made across namespaces with name, MAC and MTU, the other end down") { stage in
            try stage.node.accept(.add(veth("tl1", peer: "eth0", in: "pod")))
            try expect(stage.node.text(), is: "link tl1 veth up mtu 1400 mac 02:00:00:00:00:01 nolinklocal\n")
            try expect(stage.pod.text(), is: "link eth0 veth down mtu 1400 mac 02:00:00:00:00:02\n")
        },
        Clause("a pair is made within one namespace") { stage in
            try stage.node.accept(.add(veth("a", peer: "b")))
            try expect(
                stage.node.text(),
                is: """
                    link a veth up mtu 1400 mac 02:00:00:00:00:01 nolinklocal
                    link b veth down mtu 1400 mac 02:00:00:00:00:02

                    """)
        },
        Clause("a link whose name is taken is refused, and the one that is there stays as it was") { stage in
            try stage.node.accept(.add(veth("tl1", peer: "eth0", in: "pod", isUp: false)))
            let before = try stage.node.text()
            try stage.node.refuse(.add(veth("tl1", peer: "eth1", in: "pod")), .exists)
            try expect(stage.node.text(), is: before)
        },
        Clause("a pair whose other end's name is taken is refused whole") { stage in
            try stage.node.accept(.add(veth("tl1", peer: "eth0", in: "pod")))
            try stage.node.refuse(.add(veth("tl2", peer: "eth0", in: "pod")), .exists)
            #expect(try stage.node.observe(Interest()).link("tl2") == nil)
        },
        Clause("a pair into an unknown namespace is refused") { stage in
            try stage.node.refuse(.add(veth("tl1", peer: "eth0", in: "nowhere")), .noSuchObject)
        },
        Clause("removing one end takes the other along") { stage in
            try stage.node.accept(.add(veth("tl1", peer: "eth0", in: "pod")), .add(veth("tl2", peer: "eth1", in: "pod")))
            try stage.node.accept(.remove(veth("tl1", peer: "eth0")))
            try stage.pod.accept(.remove(veth("eth1", peer: "tl2")))
            try expect(stage.node.text(), is: "")
            try expect(stage.pod.text(), is: "")
        },
        Clause("a link that is not there cannot be removed or changed") { stage in
            try stage.node.refuse(.remove(.link(Link("tl1", .veth(peer: nil)))), .noSuchDevice)
            try stage.node.refuse(
                .change(from: .link(Link("tl1", .bridge, isUp: false)), to: .link(Link("tl1", .bridge))), .noSuchDevice)
        },
        Clause("the loopback link cannot be removed") { stage in
            try stage.node.refuse(.remove(.link(Link("lo", .loopback))), .notSupported)
        },
        Clause("a kind nobody knows is refused") { stage in
            try stage.node.refuse(.add(.link(Link("x", .other("no-such-kind")))), .notSupported)
        },
        Clause("MAC, MTU, alias, being up and making a link-local address can be changed") { stage in
            try stage.node.accept(.add(veth("a", peer: "b", isUp: false)))
            let before = try #require(try stage.node.observe(Interest()).link("a"))
            let after = Link("a", .veth(peer: nil), isUp: true, mac: mac(7), mtu: 1300, alias: "pod web-0", makesLinkLocal: true)
            try stage.node.accept(.change(from: .link(before), to: .link(after)))
            try expect(
                stage.node.text(without: ["lo", "b"]), is: "link a veth up mtu 1300 mac 02:00:00:00:00:07 alias \"pod web-0\"\n")
        },
        Clause("a port knows its bridge, at birth or later, and outlives it") { stage in
            let bridge = Object.link(Link("br0", .bridge, mac: mac(5), mtu: 1500, makesLinkLocal: false))
            try stage.node.accept(
                .add(bridge),
                .add(.link(Link("a", .veth(peer: Link.Peer("b", mac: mac(2))), mac: mac(1), mtu: 1400, master: "br0"))))
            let b = try #require(try stage.node.observe(Interest()).link("b"))
            try stage.node.accept(.change(from: .link(b), to: .link(Link("b", .veth(peer: nil), mac: mac(2), master: "br0"))))
            #expect(try stage.node.observe(Interest()).links.filter { $0.master == "br0" }.count == 2)
            try stage.node.accept(.remove(bridge))
            #expect(try stage.node.observe(Interest()).links.map(\.master) == [nil, nil, nil] + noneOfTunnels(stage))
        },
        Clause(
            "what a bridge does with a port's frames is said at birth or later, and goes with the bridge, with what is behind it"
        ) {
            stage in
            let bridge = Object.link(Link("br0", .bridge, mac: mac(5), mtu: 1500, makesLinkLocal: false))
            let port = Link.Port(isLearning: false, isIsolated: true, isLocked: true)
            let made = Link(
                "a", .veth(peer: Link.Peer("b", mac: mac(2))), mac: mac(1), mtu: 1400, master: "br0", port: port,
                makesLinkLocal: false)
            try stage.node.accept(.add(bridge), .add(.link(made)))
            let b = try #require(try stage.node.observe(Interest()).link("b"))
            var later = b
            (later.isUp, later.makesLinkLocal, later.master) = (true, false, "br0")
            try stage.node.accept(.change(from: .link(b), to: .link(later)))
            let plain = try #require(try stage.node.observe(Interest()).link("b"))
            #expect(plain.port == Link.Port())
            later.port = Link.Port(isLearning: true, isIsolated: true, isLocked: false, isHairpin: true)
            try stage.node.accept(.change(from: .link(plain), to: .link(later)))
            let behind = Object.forwarding(Forwarding(mac(9), on: "a"))
            try stage.node.accept(.add(behind))
            try stage.node.refuse(.add(behind), .exists)
            try expect(
                stage.node.text(without: ["lo", "br0"]),
                is: """
                    link a veth up mtu 1400 mac 02:00:00:00:00:01 master br0 port nolearning,isolated,locked nolinklocal
                    link b veth up mtu 1500 mac 02:00:00:00:00:02 master br0 port learning,isolated,hairpin nolinklocal
                    forwarding 02:00:00:00:00:09 dev a

                    """)
            try stage.node.accept(.remove(behind), .add(behind))
            try stage.node.accept(.remove(bridge))
            try expect(
                stage.node.text(),
                is: """
                    link a veth up mtu 1400 mac 02:00:00:00:00:01 nolinklocal
                    link b veth up mtu 1500 mac 02:00:00:00:00:02 nolinklocal

                    """)
            try stage.node.refuse(.add(behind), .notSupported)
        },
        Clause("an unknown bridge is refused") { stage in
            try stage.node.refuse(.add(.link(Link("a", .veth(peer: Link.Peer("b")), master: "br0"))), .noSuchDevice)
        },
        Clause("an overlay link is made as asked, and two with one id and port are refused") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(try address("192.0.2.11/24", on: "a")),
                .add(
                    .link(
                        Link(
                            "tulle.1", .vxlan(Link.Overlay(id: 1, port: 8472, local: try ip("192.0.2.11"), device: "a")),
                            mac: mac(9), mtu: 1350))))
            #expect(
                try #require(try stage.node.observe(Interest()).link("tulle.1")).description
                    == "link tulle.1 vxlan id 1 port 8472 local 192.0.2.11 dev a up mtu 1350 mac 02:00:00:00:00:09")
            try stage.node.refuse(.add(vxlan("other")), .exists)
            try stage.node.refuse(
                .add(.link(Link("t", .vxlan(Link.Overlay(id: 2, port: 1, device: "none"))))), .noSuchDevice)
        },
        Clause("a link that goes takes all that stands on it along") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(try address("192.0.2.1/24", on: "a")),
                .add(try address("2001:db8::1/64", on: "a")),
                .add(try route("198.51.100.0/24", via: "192.0.2.2", dev: "a")),
                .add(try route("2001:db8:1::/64", via: "2001:db8::2", dev: "a")),
                .add(.neighbour(Neighbour(try ip("192.0.2.2"), on: "a", .mac(mac(2))))))
            try stage.node.accept(.remove(veth("a", peer: "b")))
            try expect(stage.node.text(), is: "")
        },
        Clause("a link that goes down keeps IPv4 addresses and forwarding entries, and loses all else") { stage in
            try stage.node.accept(
                .add(veth("a", peer: "b")), .add(vxlan("v")), .add(try address("192.0.2.1/24", on: "a")),
                .add(try address("2001:db8::1/64", on: "a")),
                .add(try route("198.51.100.0/24", via: "192.0.2.2", dev: "a")),
                .add(try route("203.0.113.0/24", dev: "a")),
                .add(try route("2001:db8:1::/64", dev: "a")),
                .add(.neighbour(Neighbour(try ip("192.0.2.2"), on: "a", .mac(mac(2))))),
                .add(.neighbour(Neighbour(try ip("2001:db8::2"), on: "a", .mac(mac(2))))),
                .add(.neighbour(Neighbour(try ip("192.0.2.3"), on: "a", .proxy))),
                .add(.forwarding(Forwarding(mac(3), on: "v", to: try ip("192.0.2.3")))))
            let state = try stage.node.observe(Interest())
            for name in ["a", "v"] {
                var down = try #require(state.link(name))
                down.isUp = false
                try stage.node.accept(.change(from: .link(try #require(state.link(name))), to: .link(down)))
            }
            try expect(
                stage.node.text(),
                is: """
                    link a veth down mtu 1400 mac 02:00:00:00:00:01 nolinklocal
                    link b veth down mtu 1400 mac 02:00:00:00:00:02
                    link v vxlan id 1 port 8472 down mtu 1350 mac 02:00:00:00:00:09 nolinklocal
                    address 192.0.2.1/24 dev a
                    forwarding 02:00:00:00:00:03 dev v to 192.0.2.3

                    """)
        },
    ]

    /// As many `nil` as this kernel puts tunnels into every namespace.
    private static func noneOfTunnels(_ stage: Stage) throws -> [String?] {
        try stage.node.observe(Interest([])).links.filter { if case .other = $0.kind { true } else { false } }.map { _ in nil }
    }
}
