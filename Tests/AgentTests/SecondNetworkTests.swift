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
            #","sysctl":{"net.ipv4.ip_forward":1}"#, #","sysctl":{"net.ipv4.ip_forward":"1\n2"}"#,
        ])
    func malformed(_ more: String) throws {
        let bench = try PodBench("192.0.2.0/28")
        #expect(try bench.call("ADD", more: more).failure?.code == .badConfiguration)
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
            let more = #","sysctl":{"net.ipv4.conf.IFNAME.rp_filter":"1","net/ipv4/conf/IFNAME/forwarding":"1"}"#
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
            _ = try add("net1", pod, more: more)
            #expect(try node.call("DEL", "c1", pod.namespace.path, interface: "net1") == .quiet)
            #expect(try node.call("DEL", "c1", pod.namespace.path) == .quiet)
            #expect(try node.podLinks() == [])
        }

        @Test(
            "Debian's tuning and portmap work behind us in a chain: ADD, CHECK and DEL",
            .enabled(
                if: access("/usr/lib/cni/tuning", X_OK) == 0 || getenv("REQUIRE_KERNEL") != nil,
                "needs containernetworking-plugins"))
        func chain() throws {
            let pod = try PodProcess()
            defer { pod.end() }
            let ours = try node.call("ADD", "c1", pod.namespace.path)
            try #require(ours.status == 0)
            func plugin(_ verb: String, _ type: String, _ more: String, previous: String) throws -> Program.Outcome {
                let program = try Program(
                    [
                        try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--",
                        "/usr/lib/cni/\(type)",
                    ],
                    environment: [
                        "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0",
                        "CNI_NETNS": "/proc/\(pod.holder)/ns/net", "CNI_PATH": "/usr/lib/cni",
                    ])
                return try program.finish(
                    #"{"cniVersion":"1.0.0","name":"pods","type":"\#(type)","prevResult":\#(previous)\#(more)}"#)
            }
            // A result of 1.1.0 in a chain of 1.0.0 would not be read: the call says the version.
            let previous = try AttachmentResult(json: try #require(ours.document)).json(.v1_0_0)
            let sysctl = #","sysctl":{"net.ipv4.conf.IFNAME.arp_ignore":"1"}"#
            let tuned = try plugin("ADD", "tuning", sysctl, previous: "\(previous)")
            #expect(tuned.status == 0 && tuned.document?["ips"]?.array?.count == 2, "\(tuned)")
            #expect(
                try KernelHost(pod.namespace).observe(Interest([], sysctls: ["net/ipv4/conf/eth0/arp_ignore"])).sysctls.first?
                    .value == "1")
            #expect(try node.call("CHECK", "c1", pod.namespace.path, more: #","prevResult":\#(tuned.output)"#) == .quiet)
            let dropped = try plugin("DEL", "tuning", sysctl, previous: tuned.output)
            #expect(dropped.status == 0, "\(dropped)")
            #expect(try node.call("DEL", "c1", pod.namespace.path, more: #","prevResult":\#(tuned.output)"#) == .quiet)
            #expect(node.attachments == [])
        }
    }
}
