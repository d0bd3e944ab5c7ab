import Addressing
import CNI
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

extension KernelTests {
    @Suite("the agent keeps its node")
    struct NodeTests {
        @Test("as the objects in a file ask: settings, routes and tables")
        func made() throws {
            let node = try TestNode()
            try node.start()
            expect(
                try node.network(),
                is: """
                    link eth0 veth up mtu 1500 mac 02:00:00:00:00:01 nolinklocal
                    sysctl net/ipv4/ip_forward = 1
                    sysctl net/ipv6/conf/all/forwarding = 1
                    address 192.0.2.1/24 dev eth0
                    address 2001:db8::1/64 dev eth0
                    route unreachable 10.244.1.0/24 proto 84
                    route unreachable fd00:10:244:1::/64 proto 84
                    route 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84 src 192.0.2.1
                    route fd00:10:244:2::/64 via 2001:db8::2 dev eth0 proto 84 src 2001:db8::1
                    """)
            expect(
                try node.tables(),
                is: """
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
                    \t\tip saddr @pod-ranges ip daddr != @pod-ranges ip daddr != @node-addresses masquerade fully-random \
                    comment "a pod talks to the world outside the cluster"
                    \t}
                    }
                    table ip6 tulle-pods {
                    \tset node-addresses {
                    \t\ttype ipv6_addr
                    \t\telements = { 2001:db8::1,
                    \t\t\t     2001:db8::2 }
                    \t}

                    \tset pod-ranges {
                    \t\ttype ipv6_addr
                    \t\tflags interval
                    \t\telements = { fd00:10:244:1::/64,
                    \t\t\t     fd00:10:244:2::/64 }
                    \t}

                    \tchain postrouting {
                    \t\ttype nat hook postrouting priority srcnat; policy accept;
                    \t\tip6 saddr @pod-ranges ip6 daddr != @pod-ranges ip6 daddr != @node-addresses masquerade fully-random \
                    comment "a pod talks to the world outside the cluster"
                    \t}

                    \tchain prerouting {
                    \t\ttype filter hook prerouting priority raw; policy accept;
                    \t\tiifname "tl*" fib saddr . iif oif missing drop comment "a pod sends from its own address alone"
                    \t\tiifname "tl*" ip6 saddr >= fe80:: ip6 saddr <= febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff drop \
                    comment "which is no link-local one"
                    \t}
                    }
                    """)
            #expect(node.status.problems == [])
            #expect(node.stop() == 0)
        }

        @Test("what somebody takes away comes back at once; what is somebody else's stays")
        func drift() throws {
            let node = try TestNode()
            // Foreign things, there before the agent and in its way nowhere.
            try node.change(
                .add(.route(Route(net("198.51.100.0/24"), via: ip("192.0.2.2"), device: "eth0", proto: 4))),
                .add(.route(Route(net("203.0.113.0/24"), .blackhole, proto: 3))),
                .add(.neighbour(Neighbour(try ip("192.0.2.77"), on: "eth0", .mac(MACAddress(local: 77))))),
                .add(.link(Link("tlan0", .veth(peer: Link.Peer("tlan1")), isUp: false))))
            let foreign = Table(.ip, "theirs", chains: [Chain("input", .init(.filter, .input, priority: 0))])
            let tables = try KernelTables(in: node.namespace)
            _ = try tables.settleInPlace(foreign)
            try node.start()
            let pod = try NetworkNamespace.new()
            let address = try #require(try node.add("c1", pod).addresses.first)
            func routes() throws -> [Route] {
                try node.host.observe(Interest()).routes.filter { $0.proto == PacketPath.routeProtocol }
            }
            // The agent serves as soon as it looked once; what was refused then it tries again.
            try eventually("two routes each: to the other node, to nobody, to the pod") { try routes().count == 6 }
            let ours = try routes()
            let whole = try node.whole()
            let link = id("c1").link

            for route in ours { try node.change(.remove(.route(route))) }
            try eventually("the routes are back") { try node.whole() == whole }
            try node.change(.remove(.neighbour(Neighbour(ip(address), on: link, .mac(MACAddress.zero)))))
            try eventually("the neighbour is back") { try node.whole() == whole }
            for id in NodePlan.tables { try tables.apply([.deleteTable(id)]) }
            try eventually("the tables are back") { try node.whole() == whole }
            try tables.apply([.flushChain(NodePlan.tables[0], "postrouting")])
            try eventually("the rule is back") { try node.whole() == whole }
            try node.change(
                .change(from: .sysctl(Sysctl("net/ipv4/ip_forward", "1")), to: .sysctl(Sysctl("net/ipv4/ip_forward", "0"))))
            try eventually("forwarding is back") { try node.whole() == whole }
            #expect(whole.contains("table ip theirs"))
            #expect(whole.contains("route 198.51.100.0/24 via 192.0.2.2 dev eth0 proto 4"))
            #expect(whole.contains("link tlan0 veth down"))
            #expect(whole.contains("neighbour 192.0.2.77"))
        }

        @Test("nodes come and go with the file, and foreign routes stay")
        func nodes() throws {
            let node = try TestNode()
            try node.change(.add(.route(Route(net("198.51.100.0/24"), via: ip("192.0.2.2"), device: "eth0", proto: 4))))
            try node.start()
            let two = try (node.network(), node.tables())
            try node.directory.write(TestNode.objects(1, 2, 3), to: "objects.yaml")
            let route = "route 10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84 src 192.0.2.1\n"
            try eventually("a route to n3") {
                try node.network().contains(route) && node.tables().contains("10.244.3.0/24")
                    && node.tables().contains("2001:db8::3")
            }
            try node.directory.write(TestNode.objects(1, 2), to: "objects.yaml")
            try eventually("the route is gone") { try (node.network(), node.tables()) == two }
            #expect(two.0.contains("route 198.51.100.0/24 via 192.0.2.2"))
            // What a foreign route keeps us from is said, and done once it is out of the way.
            let foreign = Object.route(Route(try net("10.244.3.0/24"), .blackhole, proto: 4))
            try node.change(.add(foreign))
            try node.directory.write(TestNode.objects(1, 2, 3), to: "objects.yaml")
            try eventually("a problem\n\(node.status)") { node.status.problems.contains { $0.contains("change-refused") } }
            #expect(try node.network().contains("route blackhole 10.244.3.0/24 proto 4"))
            try node.change(.remove(foreign))
            try eventually("a route to n3") { try node.network().contains(route) && node.status.problems == [] }
        }

        @Test("files that are wrong are told with place and remedy, and what was in force stays in force")
        func badFiles() throws {
            let node = try TestNode()
            node.directory.remove("objects.yaml")
            try node.launch()
            try eventually("a missing file is told\n\(node.log)") {
                node.status.problems.contains {
                    $0.contains("source-unreadable: \(node.directory.path)/objects.yaml: ") && $0.contains("no such file")
                        && $0.contains("make the file readable")
                }
            }
            #expect(node.log.contains("source-unreadable"))
            #expect(node.status.rounds == 0)
            // Nothing is known: nothing is done, and nobody is served.
            let pod = try NetworkNamespace.new()
            #expect(try node.call("ADD", "c1", pod.path).failure?.code == .tryAgainLater)

            let good = TestNode.objects(1, 2)
            try node.directory.write(good, to: "objects.yaml")
            // The endpoint opens after the round is written down.
            try eventually("the file is read\n\(node.log)") {
                try node.isReady && node.status.problems == [] && node.network().contains("10.244.2.0/24 via")
            }
            let whole = try node.whole()

            for (text, id, place) in [
                (String(good.prefix(good.count - 30)), "source-unreadable", "objects.yaml, line "),
                (
                    good.replacing("10.244.2.0/24", with: "10.244.2.0/33"), "object-invalid",
                    "document 2 (line 7): spec.podCIDRs[0]"
                ),
                (good.replacing("{name: n2}", with: "{nam: n2}"), "object-invalid", "document 2 (line 7): metadata.name"),
                (good.replacing("apiVersion: v1", with: "apiVersion: [v1]"), "object-invalid", "document 1 (line 1): apiVersion"),
            ] {
                try node.directory.write(text, to: "objects.yaml")
                try eventually("“\(place)” is told; there is \(node.status)") {
                    node.status.problems.contains { $0.contains(id) && $0.contains(place) }
                }
                #expect(try node.whole() == whole, "\(place)")
                #expect(node.log.contains(place))
            }
            try node.directory.write(good, to: "objects.yaml")
            try eventually("the problems are gone; there is \(node.status)") { node.status.problems == [] }
            #expect(try node.whole() == whole)
        }

        @Test(
            "a second agent on the same directory or in the same namespace ends with a word, and the first one is none the worse",
            arguments: [("state", "works on this directory"), ("other", "works in this network namespace; stop it first")])
        func second(_ state: String, _ word: String) throws {
            let node = try TestNode()
            try node.start()
            let process = try #require(node.agent?.process)
            let whole = try node.whole()
            let other = try node.tulle(
                [
                    "--node", "n1", "--objects", "\(node.directory.path)/objects.yaml", "--state",
                    "\(node.directory.path)/\(state)",
                ],
                log: "other.log")
            #expect(try other.finish().status == 1)
            let said = node.directory.read("other.log")
            #expect(said.contains(word), "\(said)")
            #expect(state == "state" || said.contains("(process \(process))"), "\(said)")
            #expect(try node.whole() == whole)
            try node.add("c1", try .new())
        }
    }
}

extension KernelTables {
    /// A table of somebody else.
    fileprivate func settleInPlace(_ table: Table) throws -> Int {
        let steps = difference(from: try observe(table.id), to: table)
        try apply(steps)
        return steps.count
    }
}
