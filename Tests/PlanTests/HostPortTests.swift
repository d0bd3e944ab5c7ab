import Addressing
import HostNetwork
import NFTables
import Plan
import Testing

@Suite("ports of the node that lead to pods")
struct HostPortTests {
    private func attachment(_ container: String, _ addresses: String..., ports: PortMapping...) throws -> Plan.Attachment {
        var attachment = Plan.Attachment(
            id: .init(container: container, interface: "eth0"), addresses: try addresses.map(ip), mtu: 1450)
        attachment.ports = ports
        return attachment
    }

    @Test("without a port there is no table, and a port of one family makes the table of that family alone")
    func none() throws {
        #expect(HostPorts.tables(of: [try attachment("a", "192.0.2.1", "2001:db8::1")]).isEmpty)
        let one = try attachment("a", "192.0.2.1", "2001:db8::1", ports: PortMapping(.tcp, .every(.v6), 80, to: 8080))
        #expect(HostPorts.tables(of: [one]).keys.map(\.family) == [.ip6])
        let v4Only = try attachment("b", "192.0.2.1", ports: PortMapping(.tcp, .any, 80, to: 8080))
        #expect(HostPorts.tables(of: [v4Only]).keys.map(\.family) == [.ip])
    }

    @Test("the tables read as a person would write them; each pod costs elements alone")
    func text() throws {
        let pods = [
            try attachment(
                "a", "192.0.2.1", "2001:db8::1", ports: PortMapping(.tcp, .any, 80, to: 8080),
                PortMapping(.sctp, .one(try ip("198.51.100.1")), 90, to: 9)),
            try attachment("b", "192.0.2.2", "2001:db8::2", ports: PortMapping(.udp, .one(try ip("2001:db8:f::1")), 53, to: 53)),
        ]
        let tables = HostPorts.tables(of: pods)
        let v4 = try #require(tables[Table.ID(.ip, "tulle-ports")])
        #expect(
            v4.text == """
                table ip tulle-ports {
                	map bound-ports {
                		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
                		elements = { 198.51.100.1 . sctp . 90 : 192.0.2.1 . 9 }
                	}

                	set hairpin {
                		type ipv4_addr . ipv4_addr
                		elements = { 192.0.2.1 . 192.0.2.1 }
                	}

                	set pods {
                		type ipv4_addr
                		elements = { 192.0.2.1 }
                	}

                	map ports {
                		type inet_proto . inet_service : ipv4_addr . inet_service
                		elements = { tcp . 80 : 192.0.2.1 . 8080 }
                	}

                	chain guard {
                		type filter hook prerouting priority raw; policy accept;
                		iifname "tl*" ip daddr >= 127.0.0.0 ip daddr <= 127.255.255.255 drop comment "what listens on 127.0.0.1 is the node's own"
                	}

                	chain output {
                		type nat hook output priority -100; policy accept;
                		dnat ip to ip daddr . meta l4proto . th dport map @bound-ports comment "ports of one address of this node"
                		fib daddr type local dnat ip to meta l4proto . th dport map @ports comment "ports of every address of this node"
                	}

                	chain postrouting {
                		type nat hook postrouting priority srcnat; policy accept;
                		ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random comment "a pod that reached itself"
                		ct status dnat ip saddr >= 127.0.0.0 ip saddr <= 127.255.255.255 ip daddr @pods masquerade fully-random comment "the node itself, from an address that leads nowhere else"
                	}

                	chain prerouting {
                		type nat hook prerouting priority dstnat; policy accept;
                		dnat ip to ip daddr . meta l4proto . th dport map @bound-ports comment "ports of one address of this node"
                		fib daddr type local dnat ip to meta l4proto . th dport map @ports comment "ports of every address of this node"
                	}
                }

                """)
        let v6 = try #require(tables[Table.ID(.ip6, "tulle-ports")])
        #expect(v6.text.contains("2001:db8:f::1 . udp . 53 : 2001:db8::2 . 53"))
        #expect(v6.text.contains("ip6 daddr != ::1 fib daddr type local dnat ip6 to"))
        #expect(v6.chains["guard"] == nil && v6.sets["pods"] == nil)
    }

    @Test(
        "two ports overlap when one packet could be meant by both",
        arguments: [
            (PortMapping(.tcp, .any, 80, to: 1), PortMapping(.tcp, .any, 80, to: 2), true),
            (PortMapping(.tcp, .any, 80, to: 1), PortMapping(.udp, .any, 80, to: 1), false),
            (PortMapping(.tcp, .any, 80, to: 1), PortMapping(.tcp, .any, 81, to: 1), false),
            (PortMapping(.tcp, .any, 80, to: 1), PortMapping(.tcp, .one(.v6(.loopback)), 80, to: 1), true),
            (PortMapping(.tcp, .every(.v4), 80, to: 1), PortMapping(.tcp, .one(.v6(.loopback)), 80, to: 1), false),
            (PortMapping(.tcp, .every(.v4), 80, to: 1), PortMapping(.tcp, .one(.v4(.loopback)), 80, to: 1), true),
            (PortMapping(.tcp, .every(.v4), 80, to: 1), PortMapping(.tcp, .every(.v6), 80, to: 1), false),
            (
                PortMapping(.tcp, .one(.v4(IPv4Address(192, 0, 2, 1))), 80, to: 1),
                PortMapping(.tcp, .one(.v4(IPv4Address(192, 0, 2, 2))), 80, to: 1), false
            ),
        ])
    func overlap(_ a: PortMapping, _ b: PortMapping, _ overlaps: Bool) {
        #expect(a.overlaps(b) == overlaps && b.overlaps(a) == overlaps)
    }

    @Test("only the link of a pod that is reached by 127.0.0.1 lets such packets out")
    func loopback() throws {
        func setting(_ host: PortMapping.Host) throws -> Bool {
            let pod = try attachment("a", "192.0.2.1", "2001:db8::1", ports: PortMapping(.tcp, host, 80, to: 80))
            return PodNetwork(pod).node[.sysctl("net/ipv4/conf/\(pod.link)/route_localnet")] != nil
        }
        #expect(try setting(.any) && setting(.every(.v4)) && setting(.one(ip("127.0.0.2"))))
        #expect(try !setting(.every(.v6)) && !setting(.one(ip("192.0.2.9"))) && !setting(.one(ip("::1"))))
    }
}
