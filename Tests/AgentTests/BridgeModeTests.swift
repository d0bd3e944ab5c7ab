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
    @Suite("pods on a bridge", .timeLimit(.minutes(5)))
    struct BridgeModeTests {
        private static let families = [IPFamily.v4, .v6]
        private static let mode = ["--pod-mode", "bridge"]

        /// A datagram there and one back, of full size, each under its sender's own address.
        private func talk(_ one: RoutedPod, _ other: RoutedPod, _ size: Int = 1500) throws {
            for family in Self.families {
                let (near, far) = try (one.address(family), other.address(family))
                #expect(try exchange(size, (one.namespace, near), (other.namespace, far)) == [near, far])
            }
        }

        /// `br_netfilter` of the node's namespace, where the kernel has it.
        private func filterBridges(_ isOn: Bool, on node: TestNode) throws {
            for path in try node.host.observe(Interest([], sysctls: PodBridge.filterSettings, links: [])).sysctls.map(\.path) {
                try node.change(.add(.sysctl(Sysctl(path, isOn ? "1" : "0"))))
            }
        }

        private func redirects(_ namespace: NetworkNamespace) throws -> [Substring] {
            let text = try namespace.perform { () throws(KernelError) in try Disk.read("/proc/thread-self/net/snmp") }
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("Icmp:") }
            let (names, numbers) = (lines[0].split(separator: " "), lines[1].split(separator: " "))
            return zip(names, numbers).filter { $0.0 == "OutRedirects" }.map(\.1)
        }

        @Test(
            "talk with each other and with their node under their own addresses, and ask nobody who has an address",
            arguments: [true, false])
        func oneNode(_ isFiltered: Bool) throws {
            let node = try TestNode()
            try filterBridges(isFiltered, on: node)
            try node.start(Self.mode)
            let before = try node.network()
            let (one, other) = try (RoutedPod("a", on: node), RoutedPod("b", on: node))
            #expect(one.addresses == (try [ip("10.244.1.2"), ip("fd00:10:244:1::2")]), "the first is the bridge's")
            try talk(one, other)
            for (family, own) in [(IPFamily.v4, "192.0.2.1"), (.v6, "2001:db8::1")] {
                let (pod, host) = try (one.address(family), ip(own))
                #expect(try exchange(1500, (one.namespace, pod), (node.namespace, host)) == [pod, host])
                #expect(try exchange(1500, (node.namespace, host), (one.namespace, pod)) == [host, pod])
                let gateway = try ip(family == .v4 ? "10.244.1.1" : "fd00:10:244:1::1")
                #expect(try exchange(1500, (one.namespace, pod), (node.namespace, gateway)) == [pod, gateway])
            }
            // The node speaks to pods under its own address, though the bridge has another.
            for family in Self.families {
                let ear = try Datagrams(in: one.namespace, at: one.address(family).mapped, port: 4010)
                try Datagrams(in: node.namespace, at: IPAddress.any(.v6)).send(
                    "hello", to: one.address(family).mapped, port: 4010)
                #expect(try ear.receive().source.unmapped == (try ip(family == .v4 ? "192.0.2.1" : "2001:db8::1")))
            }
            #expect(try redirects(node.namespace) == ["0"])
            #expect(node.status.problems == [])
            for (name, pod) in [("a", one), ("b", other)] { #expect(try node.call("DEL", name, pod.namespace.path) == .quiet) }
            #expect(try node.network() == before)
            #expect(try !KernelTables(in: node.namespace).tables().contains { $0.name == PacketPath.sourceTable })
        }

        @Test("reach pods of other nodes and other nodes, and are reached", arguments: ["host-gw", "vxlan"])
        func acrossNodes(_ backend: String) throws {
            let world = try RoutedNodes(3)
            // Nodes 1 and 3 share a segment.
            let other = backend == "vxlan" ? 1 : 2
            try world.start(["--backend", backend] + Self.mode)
            let (near, far) = try (RoutedPod("c", on: world.nodes[0]), RoutedPod("c", on: world.nodes[other]))
            try talk(near, far, backend == "vxlan" ? 1450 : 1500)
            for family in Self.families {
                let (pod, host) = try (near.address(family), world.address(of: other + 1, family))
                let namespace = world.nodes[other].namespace
                #expect(try exchange(1400, (near.namespace, pod), (namespace, host)) == [pod, host])
                #expect(try exchange(1400, (namespace, host), (near.namespace, pod)) == [host, pod])
            }
        }

        @Test("CHECK is quiet, a new agent writes nothing, and what somebody takes away comes back")
        func kept() throws {
            let node = try TestNode()
            try node.start(Self.mode)
            let (one, other) = try (RoutedPod("a", on: node), RoutedPod("b", on: node))
            let previous = try node.call("CHECK", "a", one.namespace.path, more: #","prevResult":{"cniVersion":"1.1.0"}"#)
            #expect(previous == .quiet)
            try eventually("all is said\n\(node.log.suffix(2000))") { node.status.problems == [] }
            let (whole, generation) = (try node.whole(), try node.generation())
            node.stop(by: SIGKILL)
            try node.start(Self.mode)
            #expect(node.status.changes == 0, "\(node.log.suffix(4000))")
            #expect(try node.whole() == whole && node.generation() == generation)

            try node.change(.remove(.link(Link(PacketPath.podBridge, .bridge))))
            try eventually("the bridge is back\n\(node.log.suffix(4000))") { try node.whole() == whole }
            try talk(one, other)
            let link = id("a").link
            let mac = try #require(node.host.observe(Interest([.forwardings])).objects.values.first { $0.link == link })
            try node.change(.remove(mac))
            try eventually("what is behind the port is back") { try node.whole() == whole }
            try KernelTables(in: node.namespace).apply([.deleteTable(Table.ID(.ip, PacketPath.sourceTable))])
            try eventually("the table is back") { try node.whole() == whole }
            try talk(one, other)
        }

        @Test(
            "what a pod sends under another's address, or under another's address and MAC, goes no further",
            arguments: [true, false])
        func spoofing(_ isFiltered: Bool) throws {
            let node = try TestNode()
            try filterBridges(isFiltered, on: node)
            try node.start(Self.mode)
            let pods = try ["a", "b", "c"].map { try RoutedPod($0, on: node) }
            let (thief, victim, target) = (pods[0], pods[1], pods[2])
            let inside = try KernelHost(thief.namespace)
            for family in Self.families {
                let stolen = try victim.address(family)
                try #require(inside.apply([.add(.address(Address(InterfaceAddress(host: stolen), on: "eth0")))]) == [])
                try inside.settleAddress(stolen)
                let destination = try target.address(family)
                let ear = try Datagrams(in: target.namespace, at: destination.mapped, port: 4020)
                let honest = try Datagrams(in: thief.namespace, at: thief.address(family).mapped)
                let liar = try Datagrams(in: thief.namespace, at: stolen.mapped)
                for _ in 0..<3 { try liar.send("spoofed", to: destination.mapped, port: 4020) }
                try honest.send("proper", to: destination.mapped, port: 4020)
                // What was sent first would come first.
                #expect(try ear.receive().text == "proper", "\(family)")
            }
            // With the victim's MAC too nothing gets out of the port, and the victim is still found.
            let own = try #require(inside.observe(Interest([])).link("eth0"))
            var masked = own
            masked.mac = try #require(KernelHost(victim.namespace).observe(Interest([])).link("eth0")?.mac)
            let ear = try Datagrams(in: target.namespace, at: target.address(.v4).mapped, port: 4021)
            try #require(inside.apply([.change(from: .link(own), to: .link(masked))]) == [])
            let liar = try Datagrams(in: thief.namespace, at: victim.address(.v4).mapped)
            for _ in 0..<3 { try liar.send("spoofed", to: target.address(.v4).mapped, port: 4021) }
            try talk(victim, target)
            try Datagrams(in: victim.namespace, at: victim.address(.v4).mapped).send(
                "proper", to: target.address(.v4).mapped, port: 4021)
            #expect(try ear.receive().text == "proper")

            // Without the table the first lie would have come: it is the table that the silence is due to.
            try #require(inside.apply([.change(from: .link(masked), to: .link(own))]) == [])
            #expect(node.stop() == 0)
            try KernelTables(in: node.namespace).apply([.flushChain(Table.ID(.ip, PacketPath.sourceTable), "prerouting")])
            let open = try Datagrams(in: target.namespace, at: target.address(.v4).mapped, port: 4022)
            let again = try Datagrams(in: thief.namespace, at: victim.address(.v4).mapped)
            try again.send("spoofed", to: target.address(.v4).mapped, port: 4022)
            #expect(try open.receive().text == "spoofed")
        }

        @Test("pods from before the mode was changed keep working until they go, beside those of the new mode, both ways")
        func changed() throws {
            let node = try TestNode()
            try node.start()
            // It gets the address that the bridge would have.
            let routed = try RoutedPod("old", on: node)
            #expect(try routed.address(.v4) == ip("10.244.1.1"))
            #expect(node.stop() == 0)
            try node.start(Self.mode)
            let bridged = try RoutedPod("new", on: node)
            try talk(routed, bridged)
            try eventually("it is said: \(node.status.problems)") {
                node.status.problems.contains { $0.contains("pod-holds-gateway") }
            }
            #expect(try node.call("DEL", "old", routed.namespace.path) == .quiet)
            try eventually("the bridge has its address, and nothing is wrong\n\(node.log.suffix(3000))") {
                try node.status.problems == []
                    && node.host.observe(Interest([.addresses])).addresses.contains {
                        $0.link == PacketPath.podBridge && $0.address.description == "10.244.1.1/24"
                    }
            }
            #expect(node.stop() == 0)
            try node.start()
            let newest = try RoutedPod("newest", on: node)
            try talk(newest, bridged)
            #expect(node.status.problems == [])
            #expect(try node.call("DEL", "new", bridged.namespace.path) == .quiet)
            try eventually("nobody needs the bridge, and it goes\n\(node.log.suffix(3000))") {
                try node.host.observe(Interest([])).link(PacketPath.podBridge) == nil
            }
        }

        // The reference plugins send a gratuitous ARP for it.
        @Test("an address that another pod gets is reached there at once, by pods and by the node")
        func moved() throws {
            let node = try TestNode()
            try node.start(Self.mode)
            let caller = try RoutedPod("caller", on: node)
            let first = try NetworkNamespace.new()
            let ask = #","args":{"cni":{"ips":["10.244.1.9","fd00:10:244:1::9"]}}"#
            let outcome = try node.call("ADD", "first", first.path, more: ask)
            try #require(outcome.status == 0, "\(outcome)")
            for family in Self.families {
                let own = try ip(family == .v4 ? "10.244.1.9" : "fd00:10:244:1::9")
                let near = try caller.address(family)
                #expect(try exchange(1500, (caller.namespace, near), (first, own)) == [near, own])
            }
            #expect(try node.call("DEL", "first", first.path) == .quiet)
            #expect(node.stop() == 0)
            // As after its rest.
            for name in node.directory.names(in: "state/resting") { node.directory.remove("state/resting/\(name)") }
            try node.start(Self.mode)
            let second = try NetworkNamespace.new()
            try #require(try node.call("ADD", "second", second.path, more: ask).status == 0)
            #expect(id("first").link != id("second").link)
            for family in Self.families {
                let own = try ip(family == .v4 ? "10.244.1.9" : "fd00:10:244:1::9")
                let near = try caller.address(family)
                #expect(try exchange(1500, (caller.namespace, near), (second, own)) == [near, own])
                let host = try ip(family == .v4 ? "192.0.2.1" : "2001:db8::1")
                #expect(try exchange(1500, (node.namespace, host), (second, own)) == [host, own])
            }
        }

        @Test(
            "a port of the node leads to a pod of the same bridge, also from the pod itself, and to no other than the pod's own address",
            arguments: [true, false])
        func hostPort(_ isFiltered: Bool) throws {
            let node = try TestNode()
            try filterBridges(isFiltered, on: node)
            try node.start(Self.mode)
            let (web, walker) = (try PodProcess(), try PodProcess())
            defer { for pod in [web, walker] { pod.end() } }
            let ports = #","runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#
            try #require(try node.call("ADD", "web", web.namespace.path, more: ports).status == 0)
            let others = try node.add("walker", walker.namespace).addresses
            let echo = try Program(web.command("echo", "--tcp", "80", "--name", "web"))
            defer { echo.end(by: SIGTERM) }
            _ = echo.line()
            for (family, door) in ["192.0.2.1", "2001:db8::1"].enumerated() {
                func ask(_ before: [String]) throws -> Program.Outcome {
                    try Program.run(
                        before + [try Program.product("tulle-pod"), "ask", "--tcp", door, "8080", "--timeout", "5000"])
                }
                let near = try ask(walker.command())
                let client = family == 0 ? others[family] : "[\(others[family])]"
                #expect(near.status == 0 && near.output.contains(" client=\(client):"), "\(near)")
                let own = try ask(web.command())
                #expect(own.status == 0 && own.output.contains("pod=web"), "\(own)")
                let outside = try ask(["nsenter", "--net=\(node.neighbour.path)", "--"])
                #expect(outside.status == 0, "\(outside)")
            }
            let inNode = [try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--"]
            let local = try Program.run(
                inNode + [try Program.product("tulle-pod"), "ask", "--tcp", "127.0.0.1", "8080", "--timeout", "5000"])
            #expect(local.status == 0, "\(local)")
        }

        // In the lab a node's ranges came one after the other, and the bridge had IPv6 switched off for good.
        @Test("a range of IPv6 that comes when the bridge is there is served like the first")
        func laterRange() throws {
            let both = TestNode.objects(1)
            let node = try TestNode(objects: both.replacing(", \"fd00:10:244:1::/64\"", with: ""))
            try node.start(Self.mode)
            let early = try RoutedPod("early", on: node)
            #expect(early.addresses == (try [ip("10.244.1.2")]))
            try node.directory.write(both, to: "objects.yaml")
            try eventually("the bridge has both gateways\n\(node.log.suffix(2000))") {
                try node.host.observe(Interest([.addresses])).addresses.filter { $0.link == PacketPath.podBridge }.count == 2
            }
            let (one, other) = try (RoutedPod("a", on: node), RoutedPod("b", on: node))
            try talk(one, other)
            let (near, far) = try (early.address(.v4), one.address(.v4))
            #expect(try exchange(1500, (early.namespace, near), (one.namespace, far)) == [near, far])
            #expect(node.status.problems == [])
        }

        @Test("ports follow when it is switched whether what passes bridges is filtered")
        func switched() throws {
            let node = try TestNode()
            try filterBridges(false, on: node)
            try node.start(Self.mode + ["--period", "1"])
            let (one, other) = try (RoutedPod("a", on: node), RoutedPod("b", on: node))
            func port() throws -> Link.Port? { try node.host.observe(Interest([])).link(id("a").link)?.port }
            #expect(try port()?.isIsolated == true)
            try filterBridges(true, on: node)
            guard try !node.host.observe(Interest([], sysctls: PodBridge.filterSettings, links: [])).sysctls.isEmpty else {
                return
            }
            try eventually("ports are as they should be\n\(node.log.suffix(2000))") {
                try port() == Link.Port(isLearning: false, isLocked: true, isHairpin: true)
            }
            try talk(one, other)
        }

        @Test("its result names the bridge, and addresses with their range's length")
        func result() throws {
            let node = try TestNode()
            try node.start(Self.mode)
            let result = try node.add("a", .new())
            #expect(result.interfaces.map(\.name) == ["tlbridge", id("a").link, "eth0"])
            #expect(result.ips.map(\.address) == ["10.244.1.2/24", "fd00:10:244:1::2/64"])
            #expect(result.ips.map(\.gateway) == ["10.244.1.1", "fd00:10:244:1::1"])
            #expect(result.ips.map(\.interface) == [2, 2])
            #expect(result.routes.map(\.gateway) == ["10.244.1.1", "fd00:10:244:1::1"])
        }
    }
}
