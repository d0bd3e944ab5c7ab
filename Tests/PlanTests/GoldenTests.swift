import Addressing
import Cluster
import HostNetwork
import NFTables
import Plan
import Testing

@Suite("the plan as text")
struct GoldenTests {
    @Test("of two nodes and a pod, both families")
    func twoNodes() throws {
        let plan = NodePlan(
            try facts(1), [try node(1), try node(2)], [try attachment("web", ["10.244.1.1", "2001:db8:1:1::1"])])
        let whole = plan.whole
        #expect(whole.problems.isEmpty)
        #expect(
            whole.network.description == """
                link tlc4b5ae041a0 veth peer eth0 in pod mtu 1450 mac 1a:96:b5:c0:83:41 up mtu 1450 mac 1a:96:b5:c0:83:40 nolinklocal
                sysctl net/ipv4/conf/tlc4b5ae041a0/rp_filter = 1
                sysctl net/ipv6/conf/tlc4b5ae041a0/accept_ra = 0
                sysctl net/ipv4/ip_forward = 1
                sysctl net/ipv6/conf/all/forwarding = 1
                neighbour 10.244.1.1 mac 1a:96:b5:c0:83:41 dev tlc4b5ae041a0
                neighbour 2001:db8:1:1::1 mac 1a:96:b5:c0:83:41 dev tlc4b5ae041a0
                route unreachable 10.244.1.0/24 proto 84
                route 10.244.1.1/32 dev tlc4b5ae041a0 proto 84 scope link
                route unreachable 2001:db8:1:1::/64 proto 84
                route 2001:db8:1:1::1/128 dev tlc4b5ae041a0 proto 84
                route 10.244.2.0/24 via 192.0.2.2 dev uplink proto 84 src 192.0.2.1
                route 2001:db8:1:2::/64 via 2001:db8::2 dev uplink proto 84 src 2001:db8::1

                """)
        #expect(
            whole.tables[Table.ID(.ip, "tulle-pods")]?.text == """
                table ip tulle-pods {
                \tset node-addresses {
                \t\ttype ipv4_addr
                \t\telements = { 192.0.2.1,
                \t\t\t     192.0.2.2 }
                \t}

                \tset pod-ranges {
                \t\ttype ipv4_addr
                \t\tflags interval
                \t\telements = { 10.244.1.0/24,
                \t\t\t     10.244.2.0/24 }
                \t}

                \tchain postrouting {
                \t\ttype nat hook postrouting priority srcnat; policy accept;
                \t\tip saddr @pod-ranges ip daddr != @pod-ranges ip daddr != @node-addresses masquerade fully-random comment "a pod talks to the world outside the cluster"
                \t}
                }

                """)
        #expect(
            whole.tables[Table.ID(.ip6, "tulle-pods")]?.text == """
                table ip6 tulle-pods {
                \tset node-addresses {
                \t\ttype ipv6_addr
                \t\telements = { 2001:db8::1,
                \t\t\t     2001:db8::2 }
                \t}

                \tset pod-ranges {
                \t\ttype ipv6_addr
                \t\tflags interval
                \t\telements = { 2001:db8:1:1::/64,
                \t\t\t     2001:db8:1:2::/64 }
                \t}

                \tchain postrouting {
                \t\ttype nat hook postrouting priority srcnat; policy accept;
                \t\tip6 saddr @pod-ranges ip6 daddr != @pod-ranges ip6 daddr != @node-addresses masquerade fully-random comment "a pod talks to the world outside the cluster"
                \t}

                \tchain prerouting {
                \t\ttype filter hook prerouting priority raw; policy accept;
                \t\tiifname "tl*" fib saddr . iif oif missing drop comment "a pod sends from its own address alone"
                \t\tiifname "tl*" ip6 saddr >= fe80:: ip6 saddr <= febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff drop \
                comment "which is no link-local one"
                \t}
                }

                """)
        #expect(whole.tables.count == 2)
        #expect(Set(whole.tables.keys).isSubset(of: NodePlan.tables))
    }

    @Test("of both ends of a pod's link")
    func podNetwork() throws {
        let network = PodNetwork(try attachment("web", ["10.244.1.1", "2001:db8:1:1::1"]))
        #expect(
            network.node.description == """
                link tlc4b5ae041a0 veth peer eth0 in pod mtu 1450 mac 1a:96:b5:c0:83:41 up mtu 1450 mac 1a:96:b5:c0:83:40 nolinklocal
                sysctl net/ipv4/conf/tlc4b5ae041a0/rp_filter = 1
                sysctl net/ipv6/conf/tlc4b5ae041a0/accept_ra = 0
                neighbour 10.244.1.1 mac 1a:96:b5:c0:83:41 dev tlc4b5ae041a0
                neighbour 2001:db8:1:1::1 mac 1a:96:b5:c0:83:41 dev tlc4b5ae041a0
                route 10.244.1.1/32 dev tlc4b5ae041a0 proto 84 scope link
                route 2001:db8:1:1::1/128 dev tlc4b5ae041a0 proto 84

                """)
        #expect(
            network.pod.description == """
                link lo loopback up
                link eth0 veth up mtu 1450 mac 1a:96:b5:c0:83:41 nolinklocal
                sysctl net/ipv6/conf/eth0/accept_ra = 0
                sysctl net/ipv6/conf/eth0/disable_ipv6 = 0
                sysctl net/ipv6/conf/lo/disable_ipv6 = 0
                address 10.244.1.1/32 dev eth0
                address 2001:db8:1:1::1/128 dev eth0
                neighbour 169.254.1.1 mac 1a:96:b5:c0:83:40 dev eth0
                neighbour fe80::1 mac 1a:96:b5:c0:83:40 dev eth0
                route 0.0.0.0/0 via 169.254.1.1 dev eth0 onlink proto 84
                route ::/0 via fe80::1 dev eth0 onlink proto 84

                """)
    }

    @Test("of a pod without IPv6, which must not give itself an address")
    func onlyIPv4() throws {
        let web = try attachment("web", ["10.244.1.1"])
        let network = PodNetwork(web)
        #expect(network.pod.sysctls == [Sysctl("net/ipv6/conf/eth0/disable_ipv6", "1")])
        #expect(
            Set(network.node.sysctls) == [
                Sysctl("net/ipv4/conf/\(web.link)/rp_filter", "1"), Sysctl("net/ipv6/conf/\(web.link)/disable_ipv6", "1"),
            ])
        #expect(!network.node.description.contains("2001:"))
        #expect(network.pod.routes.count == 1 && network.pod.addresses.count == 1)
    }
}
