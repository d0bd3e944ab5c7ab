import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

@Suite("more than one network in a pod")
struct SecondNetworkTests {
    private func routes(_ document: SmallJSON?) -> [String] {
        (document?["routes"]?.array ?? []).compactMap { $0["dst"]?.string }
    }

    @Test("the first interface has the default route, the others their ranges; over a kill too")
    func first() throws {
        let bench = try PodBench("192.0.2.0/28", "2001:db8::/64")
        #expect(routes(try bench.call("ADD").document) == ["0.0.0.0/0", "::/0"])
        let next = try PodBench("192.0.2.0/28", "2001:db8::/64", after: bench)
        let second = try next.call("ADD", interface: "net1", network: "more")
        #expect(routes(second.document) == ["192.0.2.0/28", "2001:db8::/64"])
        #expect(routes(try next.call("ADD", "c2").document) == ["0.0.0.0/0", "::/0"])
        // GC of one network leaves the other's attachments alone.
        #expect(try next.call("GC", "", network: "more", more: #","cni.dev/valid-attachments":[]"#).failure == nil)
        #expect(next.directory.names(in: "state/attachments") == ["c1:eth0", "c2:eth0"])
    }

    @Test("the configuration may say it otherwise, and a plugin before us may have made the default route")
    func otherwise() throws {
        let bench = try PodBench("192.0.2.0/28")
        #expect(
            routes(try bench.call("ADD", more: #","defaultRoute":false,"routes":["198.51.100.0/24"]"#).document)
                == ["198.51.100.0/24"])
        #expect(routes(try bench.call("ADD", interface: "net1").document) == ["0.0.0.0/0"])
        #expect(routes(try bench.call("ADD", interface: "net2", more: #","routes":[]"#).document) == [])
        let chained = #","prevResult":{"cniVersion":"1.1.0","routes":[{"dst":"0.0.0.0/0","gw":"203.0.113.1"}]}"#
        #expect(routes(try bench.call("ADD", "c2", more: chained).document) == ["0.0.0.0/0", "192.0.2.0/28"])
        #expect(bench.record("c2")?.attachment.reach == .ranges([try net("192.0.2.0/28")]))
    }

    @Test(
        "keys of the configuration that make no sense are refused",
        arguments: [
            #","defaultRoute":"yes""#, #","routes":"192.0.2.0/24""#, #","routes":["192.0.2"]"#, #","sysctl":[]"#,
            #","sysctl":{"kernel.hostname":"x"}"#, #","sysctl":{"net/../kernel/hostname":"x"}"#,
            #","sysctl":{"net.ipv4.ip_forward":1}"#, #","sysctl":{"net.ipv4.ip_forward":"1\n2"}"#, #","dns":7"#,
            #","dns":{"nameservers":[7]}"#,
        ])
    func malformed(_ more: String) throws {
        let bench = try PodBench("192.0.2.0/28")
        #expect(try bench.call("ADD", more: more).failure?.code == .badConfiguration)
    }

    @Test("a plugin for addresses is not called, and to ask for one is refused; dns is handed on")
    func others() throws {
        let bench = try PodBench("192.0.2.0/28")
        let failure = try #require(try bench.call("ADD", more: #","ipam":{"type":"host-local"}"#).failure)
        #expect(failure.code == .unsupportedField && failure.message.contains(#"“ipam” is {"type":"host-local"}"#))
        let dns = #"{"nameservers":["192.0.2.53"],"search":["example.org"]}"#
        #expect(try bench.call("ADD", more: #","ipam":{},"dns":\#(dns)"#).document?["dns"]?.description == dns)
    }

    // Multus attaches eth0 by another plugin and calls us without prevResult.
    @Test("where another plugin has made the default route ours has ranges, and one that must have it is refused")
    func foreign() throws {
        for bridged in [false, true] {
            let bench = try PodBench("192.0.2.0/28", settings: { $0.network.podMode = bridged ? .bridge : .routed })
            bench.dataplane.giveForeignDefaultRoute()
            let asked = #","runtimeConfig":{"ips":["192.0.2.7"]}"#
            #expect(routes(try bench.call("ADD", interface: "net1", more: asked).document) == ["192.0.2.0/28"])
            #expect(bench.record("c1", interface: "net1")?.attachment.reach == .ranges([try net("192.0.2.0/28")]))
            let failure = try #require(try bench.call("ADD", "c2", more: #","defaultRoute":true"#).failure)
            #expect(failure.code == .refused && failure.details.contains(#""defaultRoute": false"#))
            #expect(bench.directory.names(in: "state/attachments") == ["c1:net1"])
        }
    }
}

extension KernelTests {
    @Suite("more than one network in a pod, and plugins around ours")
    struct SecondNetworkKernelTests {
        private let node: TestNode

        init() throws {
            node = try TestNode()
            try node.start()
        }

        private func add(_ interface: String, _ pod: PodProcess, more: String = "") throws -> AttachmentResult {
            let outcome = try node.call("ADD", "c1", pod.namespace.path, interface: interface, more: more)
            guard outcome.status == 0, let document = outcome.document else { throw Broken("ADD: \(outcome)\n\(node.log)") }
            return try AttachmentResult(json: document)
        }

        @Test("each interface answers by itself, settings of the pod hold, and one is taken away without the other")
        func two() throws {
            let pod = try PodProcess()
            defer { pod.end() }
            let first = try add("eth0", pod)
            // The kernel answers the last with a tab.
            let more = """
                ,"sysctl":{"net.ipv4.conf.IFNAME.rp_filter":"1","net/ipv4/conf/IFNAME/forwarding":"1",\
                "net.ipv4.ping_group_range":"0 100"}
                """
            let second = try add("net1", pod, more: more)
            let echo = try Program(pod.command("echo", "--tcp", "80", "--udp", "53"))
            defer { echo.end(by: SIGTERM) }
            _ = [echo.line(), echo.line()]
            let program = try Program.product("tulle-pod")
            // The neighbour is behind the node: without a table of its own, net1's answers would leave by eth0.
            let far = try KernelHost(node.neighbour)
            for (prefix, gateway) in [("10.244.1.0/24", "192.0.2.1"), ("fd00:10:244:1::/64", "2001:db8::1")] {
                let route = Object.route(Route(try net(prefix), via: try ip(gateway), device: "eth0", proto: 4))
                #expect(try far.apply([.add(route)]) == [])
            }
            for address in first.addresses + second.addresses {
                for transport in ["--tcp", "--udp"] {
                    let answer = try Program.run([
                        "nsenter", "--net=\(node.neighbour.path)", "--", program, "ask", transport, address,
                        transport == "--tcp" ? "80" : "53",
                    ])
                    #expect(answer.status == 0, "\(address) \(transport): \(answer)")
                }
            }
            let previous = #","prevResult":\#(second.json(.latest))"#
            #expect(try node.call("CHECK", "c1", pod.namespace.path, interface: "net1", more: more + previous) == .quiet)
            #expect(try node.call("DEL", "c1", pod.namespace.path, interface: "net1", more: more) == .quiet)
            #expect(node.attachments == ["c1:eth0"])
            func rules() throws -> [String] {
                try KernelHost(pod.namespace).observe(Interest([.rules])).objects.values.map(\.description).filter {
                    $0.contains("8400")
                }
            }
            #expect(try rules() == [])
            // Of a DEL that did not know the namespace.
            let stale = HostNetwork.Rule(
                .v4, priority: 8400, from: try net("198.51.100.7/32"), table: id("c1", "net1").table,
                proto: PacketPath.routeProtocol)
            #expect(try KernelHost(pod.namespace).apply([.add(.rule(stale))]) == [])
            #expect(try rules().count == 1)
            let third = try add("net1", pod, more: more)
            #expect(try rules().count == 2 && !rules().contains { $0.contains("198.51.100.7") }, "\(third.addresses)")
            #expect(try node.call("DEL", "c1", pod.namespace.path, interface: "net1") == .quiet)
            #expect(try node.call("DEL", "c1", pod.namespace.path) == .quiet)
            #expect(try node.podLinks() == [])
        }

        private static let isDebian = access("/usr/lib/cni/tuning", X_OK) == 0 || getenv("REQUIRE_KERNEL") != nil

        /// One of Debian's plugins, called as a runtime calls it.
        private func plugin(_ verb: String, _ type: String, _ pod: PodProcess, _ more: String) throws
            -> Program.Outcome
        {
            try Program(
                [
                    try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--",
                    "/usr/lib/cni/\(type)",
                ],
                environment: [
                    "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0",
                    "CNI_NETNS": "/proc/\(pod.holder)/ns/net", "CNI_PATH": "/usr/lib/cni",
                ]
            ).finish(#"{"cniVersion":"1.0.0","name":"pods","type":"\#(type)"\#(more)}"#)
        }

        @Test(
            "Debian's ptp has the pod's first interface and ours is the second, without being told",
            .enabled(if: isDebian, "needs containernetworking-plugins"))
        func behindAnother() throws {
            let pod = try PodProcess()
            defer { pod.end() }
            let ipam = """
                ,"ipam":{"type":"host-local","dataDir":"\(node.directory.path)/ipam","ranges":[[{"subnet":"198.51.100.0/24"}]],\
                "routes":[{"dst":"0.0.0.0/0"}]}
                """
            let first = try plugin("ADD", "ptp", pod, ipam)
            try #require(first.status == 0, "\(first)")
            let failure = try node.call("ADD", "c1", pod.namespace.path, interface: "net1", more: #","defaultRoute":true"#)
                .failure
            #expect(failure?.code == .refused && failure?.details.contains(#""defaultRoute": false"#) == true)
            let second = try add("net1", pod)
            let echo = try Program(pod.command("echo", "--tcp", "80"))
            defer { echo.end(by: SIGTERM) }
            _ = echo.line()
            for address in second.addresses + ["198.51.100.2"] {
                let answer = try Program.run([
                    "nsenter", "--net=\(node.namespace.path)", "--", try Program.product("tulle-pod"), "ask", "--tcp", address,
                    "80",
                ])
                #expect(answer.status == 0, "\(address): \(answer)")
            }
            let previous = #","prevResult":\#(second.json(.latest))"#
            #expect(try node.call("CHECK", "c1", pod.namespace.path, interface: "net1", more: previous) == .quiet)
            #expect(try node.call("DEL", "c1", pod.namespace.path, interface: "net1") == .quiet)
            #expect(try plugin("DEL", "ptp", pod, ipam).status == 0)
            #expect(try node.podLinks() == [])
        }

        @Test(
            "Debian's tuning and portmap work behind us in a chain: ADD, CHECK and DEL",
            .enabled(if: isDebian, "needs containernetworking-plugins"))
        func chain() throws {
            let pod = try PodProcess()
            defer { pod.end() }
            let ours = try node.call("ADD", "c1", pod.namespace.path)
            try #require(ours.status == 0)
            // A result of 1.1.0 in a chain of 1.0.0 would not be read: the call says the version.
            let result = try AttachmentResult(json: try #require(ours.document))
            func previous(_ result: String) -> String { #","prevResult":\#(result)"# }
            let tuning = #","mtu":1400,"sysctl":{"net.ipv4.conf.IFNAME.arp_ignore":"1"}"#
            let tuned = try plugin("ADD", "tuning", pod, tuning + previous("\(result.json(.v1_0_0))"))
            #expect(tuned.status == 0 && tuned.document?["ips"]?.array?.count == 2, "\(tuned)")
            let inside = try KernelHost(pod.namespace)
            let settings = ["net/ipv4/conf/eth0/arp_ignore"]
            let there = try inside.observe(Interest([], sysctls: Set(settings)))
            #expect(there.sysctls.map(\.value) == ["1"] && there.link("eth0")?.mtu == 1400)
            let ports = #","runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]},"snat":true"#
            let mapped = try plugin("ADD", "portmap", pod, ports + previous(tuned.output))
            #expect(mapped.status == 0, "\(mapped)")
            let echo = try Program(pod.command("echo", "--tcp", "80"))
            defer { echo.end(by: SIGTERM) }
            _ = echo.line()
            let answer = try Program.run([
                "nsenter", "--net=\(node.neighbour.path)", "--", try Program.product("tulle-pod"), "ask", "--tcp", "192.0.2.1",
                "8080",
            ])
            #expect(answer.status == 0, "\(answer)")
            #expect(try node.call("CHECK", "c1", pod.namespace.path, more: previous(mapped.output)) == .quiet)
            // What the chain says the MTU is, it has to be; and what nobody said must not be more than the link's.
            let said = "\(result.json(.latest))"
            let differs = try node.call("CHECK", "c1", pod.namespace.path, more: previous(said)).failure
            #expect(differs?.code == .differs && differs?.details.contains("mtu 1500") == true)
            #expect(
                try node.call("CHECK", "c1", pod.namespace.path, more: previous(said.replacing("1500", with: "1400"))) == .quiet)
            for (type, more) in [("portmap", ports), ("tuning", tuning)] {
                let dropped = try plugin("DEL", type, pod, more + previous(mapped.output))
                #expect(dropped.status == 0, "\(dropped)")
            }
            #expect(try node.call("DEL", "c1", pod.namespace.path, more: previous(mapped.output)) == .quiet)
            #expect(node.attachments == [])
        }
    }
}

extension Plan.Attachment.ID {
    /// The table of what is sent from such an interface.
    fileprivate var table: UInt32 { Plan.Attachment(id: self, addresses: [], mtu: 1500).routeTable }
}
