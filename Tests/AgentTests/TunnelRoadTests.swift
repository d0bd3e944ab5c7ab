import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("the agent makes roads through tunnels")
    struct TunnelRoadTests {
        @Test(
            "pods and nodes reach each other across a router with packets of full size, under their own addresses",
            arguments: [([.v4, .v6], 1450), ([.v4], 1450), ([.v6], 1430)] as [([IPFamily], Int)])
        func reach(_ families: [IPFamily], _ size: Int) throws {
            let world = try RoutedNodes(3, families: families)
            try world.start("--backend", "vxlan")
            let pods = try world.nodes.map { try RoutedPod("c", on: $0) }
            for node in world.nodes {
                // A node that has no address of its pods' family says so.
                #expect(node.status.problems.allSatisfy { $0.contains("node-without-address") }, "\(node.status)")
            }
            for family in [IPFamily.v4, .v6] {
                for (one, other) in [(0, 1), (1, 2), (0, 2)] {
                    let (near, far) = try (pods[one].address(family), pods[other].address(family))
                    #expect(try exchange(size, (pods[one].namespace, near), (pods[other].namespace, far)) == [near, far])
                    guard families.contains(family) else { continue }
                    // From a pod to another node, and from a node to another's pod, whoever begins.
                    let node = try world.address(of: other + 1, family)
                    let host = world.nodes[other].namespace
                    #expect(try exchange(size, (pods[one].namespace, near), (host, node)) == [near, node])
                    #expect(try exchange(size, (host, node), (pods[one].namespace, near)) == [node, near])
                }
            }
        }

        @Test("what leaves the cluster takes the node's address, unless pods are said to be known there")
        func masquerade() throws {
            let world = try RoutedNodes(1)
            let outside = try (ip("192.0.2.62"), ip("2001:db8::3e"))
            try world.router.change(
                .add(.address(Address(try #require(InterfaceAddress("2001:db8::3e/64")), on: "wire0"))),
                .add(.route(Route(net("10.244.1.0/24"), via: ip("192.0.2.1"), device: "wire0", proto: 4))),
                .add(.route(Route(net("fd00:10:244:1::/64"), via: ip("2001:db8::1"), device: "wire0", proto: 4))))
            try world.router.host.settleAddress(outside.1)
            try world.start("--backend", "vxlan")
            let node = world.nodes[0]
            let pod = try RoutedPod("c", on: node)
            func sources() throws -> [IPAddress] {
                try [outside.0, outside.1].map { address in
                    let target = try Datagrams(in: world.router.namespace, at: address.mapped, port: 4100)
                    let own = try pod.address(address.family)
                    try Datagrams(in: pod.namespace, at: own.mapped).send("hello", to: address.mapped, port: 4100)
                    return try target.receive().source.unmapped
                }
            }
            let (nodes, own) = try ([ip("192.0.2.1"), ip("2001:db8::1")], [IPFamily.v4, .v6].map(pod.address))
            #expect(try sources() == nodes)
            #expect(node.stop() == 0)
            try node.start("--backend", "vxlan", "--non-masquerade", "192.0.2.0/24,2001:db8::/32")
            #expect(try sources() == own)
            #expect(node.stop() == 0)
            try node.start("--backend", "vxlan", "--masquerade", "no")
            #expect(try sources() == own)
            #expect(try KernelTables(in: node.namespace).tables() == [Table.ID(.ip6, "tulle-pods")])
        }

        /// Of the tunnel alone, without what every node has.
        private func roads(_ node: TestNode) throws -> String {
            let wanted: Set<String> = ["net/ipv4/conf/tulle4/rp_filter", "net/ipv6/conf/tulle4/accept_ra"]
            return try node.host.observe(Interest(sysctls: wanted)).filter { object in
                if object.description.contains("tulle") { return true }
                if case .rule = object { return true }
                return false
            }.description
        }

        @Test("with one entry of each kind for each node; a new agent writes nothing, and a node that goes takes its own along")
        func entries() throws {
            let world = try RoutedNodes(2)
            let node = world.nodes[0]
            try node.start("--backend", "vxlan")
            let text = """
                link tulle4 vxlan id 84 port 8472 local 192.0.2.1 up mtu 1450 mac 7a:d0:b2:0b:f4:cf nolinklocal
                sysctl net/ipv4/conf/tulle4/rp_filter = 0
                sysctl net/ipv6/conf/tulle4/accept_ra = 0
                neighbour 192.0.2.66 mac 7a:d0:b2:0b:f4:02 dev tulle4
                neighbour fe80::78d0:b2ff:fe0b:f402 mac 7a:d0:b2:0b:f4:02 dev tulle4
                forwarding 7a:d0:b2:0b:f4:02 dev tulle4 to 192.0.2.66
                route 10.244.2.0/24 via 192.0.2.66 dev tulle4 onlink proto 84 src 192.0.2.1
                route fd00:10:244:2::/64 via fe80::78d0:b2ff:fe0b:f402 dev tulle4 proto 84 src 2001:db8::1
                route 192.0.2.66/32 via 192.0.2.66 dev tulle4 onlink table 8484 proto 84 src 192.0.2.1
                route 2001:db8:1::2/128 via fe80::78d0:b2ff:fe0b:f402 dev tulle4 table 8484 proto 84 src 2001:db8::1
                rule 8484 IPv4 from 10.244.1.0/24 table 8484 proto 84
                rule 8484 IPv6 from fd00:10:244:1::/64 table 8484 proto 84
                """
            expect(try roads(node), is: text)
            #expect(node.status.problems == [])
            #expect(node.stop() == 0)
            try node.start("--backend", "vxlan")
            try eventually("it has looked") { node.status(in: "state").wholeRounds > 0 }
            #expect(node.status.changes == 0)
            let lines = text.split(separator: "\n").map(String.init)
            let alone = lines.filter { line in !line.contains("7a:d0:b2:0b:f4:02") && !line.hasPrefix("route") }
            func isThere(_ wanted: [String]) throws -> Bool { try roads(node).split(separator: "\n").map(String.init) == wanted }
            try world.write([1])
            try eventually("n2 is gone") { try isThere(alone) }
            try world.write([1, 2])
            try eventually("n2 is back") { try isThere(lines) }
        }

        @Test("what somebody takes away or changes is put back, what is somebody else's stays")
        func drift() throws {
            let world = try RoutedNodes(2)
            let node = world.nodes[0]
            // Another overlay beside ours, as on a machine that changes from one to the other.
            let theirs = Link(
                "flannel.1", .vxlan(Link.Overlay(id: 1, port: 8472, local: try ip("192.0.2.1"))), mtu: 1450, makesLinkLocal: false
            )
            try node.change(
                .add(.link(theirs)), .add(.forwarding(Forwarding(MACAddress(local: 9), on: "flannel.1", to: ip("192.0.2.66")))),
                .add(.neighbour(Neighbour(ip("10.99.0.0"), on: "flannel.1", .mac(MACAddress(local: 9))))),
                .add(.route(Route(net("10.99.0.0/24"), via: ip("10.99.0.0"), device: "flannel.1", isOnlink: true, proto: 4))),
                .add(.rule(Rule(.v4, priority: 8484, from: net("10.99.0.0/24"), table: 254, proto: 4))))
            try node.start("--backend", "vxlan")
            let whole = try node.network()
            #expect(whole.contains("route 10.99.0.0/24 via 10.99.0.0 dev flannel.1 onlink proto 4"))
            let ours = try node.host.observe(Interest()).filter { NodePlan.ownership.owns($0) }
            let mac = try #require(MACAddress("7a:d0:b2:0b:f4:02"))
            let link = try #require(ours.link("tulle4"))
            var lower = link
            lower.mtu = 1400
            var down = link
            down.isUp = false
            func isBack(_ what: String) throws {
                try eventually("\(what) is back\n\(node.log.suffix(2000))") { try node.network() == whole }
            }

            for object in ours.objects.values.sorted() {
                if case .sysctl = object { continue }
                try node.change(.remove(object))
                try isBack("\(object)")
            }
            try node.change(.change(from: .link(link), to: .link(lower)))
            try isBack("the link's size")
            try node.change(.change(from: .link(link), to: .link(down)))
            try isBack("the link")
            try node.change(
                .change(
                    from: .forwarding(Forwarding(mac, on: "tulle4", to: ip("192.0.2.66"))),
                    to: .forwarding(Forwarding(mac, on: "tulle4", to: ip("192.0.2.77")))))
            try isBack("where the frames go")
            let pods = try (RoutedPod("a", on: node), try startedSecond(world))
            let (near, far) = try (pods.0.address(.v4), pods.1.address(.v4))
            #expect(try exchange(1450, (pods.0.namespace, near), (pods.1.namespace, far)) == [near, far])
        }

        private func startedSecond(_ world: RoutedNodes) throws -> RoutedPod {
            try world.nodes[1].start("--backend", "vxlan")
            return try RoutedPod("b", on: world.nodes[1])
        }

        @Test("an agent with another backend leaves nothing of the one before it; at the end a clean-up leaves nothing at all")
        func backends() throws {
            let world = try RoutedNodes(3)
            let node = world.nodes[0]
            let before = try node.network()
            var texts: [String: String] = [:]
            for words in ["none", "host-gw", "vxlan", "vxlan --vxlan-direct-routing", "vxlan --vxlan-vni 7 --vxlan-port 4789"] {
                try node.launch(options: ["--backend"] + words.split(separator: " ").map(String.init))
                try eventually("ready\n\(node.log)") { node.status.rounds > 0 && node.isReady }
                texts[words] = try node.network()
                #expect(node.stop() == 0)
            }
            #expect(texts["none"]?.contains("route 10.244.2.0/24") == false)
            #expect(texts["host-gw"]?.contains("route 10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84") == true)
            #expect(texts["host-gw"]?.contains("route 10.244.2.0/24") == false)
            #expect(
                texts["vxlan --vxlan-direct-routing"]?.contains("route 10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84") == true)
            #expect(texts["vxlan --vxlan-vni 7 --vxlan-port 4789"]?.contains("link tulle4 vxlan id 7 port 4789") == true)
            // Each once more, after any other.
            for (words, text) in texts.sorted(by: { $0.key > $1.key }) {
                try node.launch(options: ["--backend"] + words.split(separator: " ").map(String.init))
                try eventually("\(words) is as it was") {
                    try node.network() == text && node.status.rounds > 0
                }
                #expect(node.stop() == 0)
            }
            let cleaning = try node.tulle(["--clean", "--state", "\(node.directory.path)/state"], log: "clean.log").finish()
            #expect(cleaning.status == 0, "\(cleaning)")
            #expect(
                try node.network().replacing("= 1", with: "= 0") == before.replacing("= 1", with: "= 0"), "\(cleaning.output)")
        }

        @Test("a number, a port or a name that somebody else has is a problem, the rest works, and once it is free all is well")
        func taken() throws {
            let world = try RoutedNodes(2)
            let node = world.nodes[0]
            let stranger = Link("x", .vxlan(Link.Overlay(id: 84, port: 8472, local: try ip("192.0.2.1"))), makesLinkLocal: false)
            let bridge = Link("tulle4", .bridge, makesLinkLocal: false)
            try node.change(.add(.link(stranger)))
            try node.start("--backend", "vxlan")
            func problem(_ id: String, _ word: String) throws {
                try eventually("\(id); there is \(node.status)\n\(node.log.suffix(1500))") {
                    let problems = node.status.problems
                    return problems.count == 1 && problems[0].contains(" \(id): ") && problems[0].contains(word)
                }
            }
            try problem("tunnel-taken", "VXLAN 84 on UDP port 8472 is taken by link x")
            let pods = try (RoutedPod("a", on: node), RoutedPod("b", on: node))
            func talk() throws {
                for family in [IPFamily.v4, .v6] {
                    let (near, far) = try (pods.0.address(family), pods.1.address(family))
                    #expect(try exchange(1400, (pods.0.namespace, near), (pods.1.namespace, far)) == [near, far])
                }
            }
            try talk()
            try node.change(.remove(.link(stranger)))
            try eventually("free; there is \(node.status)") {
                try node.status.problems == [] && node.network().contains("link tulle4")
            }

            // Now the name.
            #expect(node.stop() == 0)
            try node.change(.remove(.link(Link("tulle4", .bridge))), .add(.link(bridge)))
            try node.start("--backend", "vxlan")
            try problem("tunnel-taken", "the name tulle4 belongs to a link of another kind, bridge")
            try talk()
            let there = try node.network()
            #expect(there.contains("link tulle4 bridge up") && !there.contains("neighbour 192.0.2.66"))
            try node.change(.remove(.link(bridge)))
            try eventually("free; there is \(node.status)") {
                try node.status.problems == [] && node.network().contains("link tulle4 vxlan")
            }

            // Now the port: somebody's own program.
            #expect(node.stop() == 0)
            try node.change(.remove(.link(Link("tulle4", .bridge))))
            do {
                let socket = try Datagrams(in: node.namespace, at: ip("::ffff:192.0.2.1"), port: 8472)
                try node.start("--backend", "vxlan")
                try problem("tunnel-port-taken", "UDP port 8472 is taken")
                try talk()
                withExtendedLifetime(socket) {}
            }
            try eventually("free; there is \(node.status)") {
                try node.status.problems == [] && node.network().contains("link tulle4 vxlan")
            }
        }
    }
}
