import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("the agent attaches pods")
    struct PodTests {
        private let node: TestNode

        init() throws {
            node = try TestNode()
            try node.start()
        }

        /// A pod with a process, which others can join.
        private struct Pod {
            let program: String
            let pause: Program
            let holder: String
            let namespace: NetworkNamespace

            init() throws {
                program = try Program.product("tulle-pod")
                pause = try Program([program, "pause", "--new", "net"])
                holder = pause.line()
                namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
            }

            func command(_ words: String...) -> [String] { [program, "run", "--join", holder, "--", program] + words }
            func end() { pause.end(by: SIGTERM) }
        }

        private func podText(_ pod: NetworkNamespace) throws -> String {
            let settings: Set<String> = ["net/ipv6/conf/eth0/accept_ra", "net/ipv6/conf/eth0/disable_ipv6"]
            return try TestNode.text(KernelHost(pod), sysctls: settings, hasLoopback: true)
        }

        private func planned(_ container: String, _ result: AttachmentResult) throws -> Plan.Attachment {
            Plan.Attachment(id: id(container), addresses: try result.addresses.map(ip), mtu: 1500)
        }

        @Test("ADD answers what it made, and it made what is planned, in the pod and in the node")
        func add() throws {
            let pod = try NetworkNamespace.new()
            let before = try node.network()
            let outcome = try node.call("ADD", "c1", pod.path)
            let attachment = Plan.Attachment(
                id: id("c1"), addresses: [try ip("10.244.1.1"), try ip("fd00:10:244:1::1")], mtu: 1500)
            #expect(
                outcome.output
                    == #"{"cniVersion":"1.1.0","interfaces":[{"name":"\#(attachment.link)","mac":"\#(attachment.nodeMAC)","mtu":1500},"#
                    + #"{"name":"eth0","mac":"\#(attachment.podMAC)","mtu":1500,"sandbox":"\#(pod.path)"}],"#
                    + #""ips":[{"address":"10.244.1.1/32","gateway":"169.254.1.1","interface":1},"#
                    + #"{"address":"fd00:10:244:1::1/128","gateway":"fe80::1","interface":1}],"#
                    + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"# + "\n")
            // What is planned, and of lo and IPv6 what the kernel sets by itself.
            expect(
                try podText(pod),
                is: """
                    link lo loopback up mtu 65536 mac 00:00:00:00:00:00
                    link eth0 veth up mtu 1500 mac \(attachment.podMAC) nolinklocal
                    sysctl net/ipv6/conf/eth0/accept_ra = 0
                    sysctl net/ipv6/conf/eth0/disable_ipv6 = 0
                    address 10.244.1.1/32 dev eth0
                    address fd00:10:244:1::1/128 dev eth0
                    neighbour 169.254.1.1 mac \(attachment.nodeMAC) dev eth0
                    neighbour fe80::1 mac \(attachment.nodeMAC) dev eth0
                    route 0.0.0.0/0 via 169.254.1.1 dev eth0 onlink proto 84
                    route ::/0 via fe80::1 dev eth0 onlink proto 84
                    """)
            let added = Set(try node.network().split(separator: "\n")).subtracting(before.split(separator: "\n"))
            #expect(
                added == [
                    "link \(attachment.link) veth up mtu 1500 mac \(attachment.nodeMAC) nolinklocal alias \"pods c1:eth0\"",
                    "neighbour 10.244.1.1 mac \(attachment.podMAC) dev \(attachment.link)",
                    "neighbour fd00:10:244:1::1 mac \(attachment.podMAC) dev \(attachment.link)",
                    "route 10.244.1.1/32 dev \(attachment.link) proto 84 scope link",
                    "route fd00:10:244:1::1/128 dev \(attachment.link) proto 84",
                ])
            // The plan says the same.
            let network = PodNetwork(attachment)
            let inNode = try node.host.observe(Interest(in: network.node)).filter { network.node[$0.key] != nil }
            #expect(difference(from: inNode, to: network.node, owned: NodePlan.ownership) == [])
            let inPod = try KernelHost(pod).observe(Interest(in: network.pod)).filter { network.pod[$0.key] != nil }
            #expect(difference(from: inPod, to: network.pod, owned: Ownership(links: ["lo", "eth0"], proto: 84)) == [])
            #expect(node.directory.read("state/attachments/c1:eth0").contains(#""pod":"default/c1""#))

            #expect(try node.call("DEL", "c1", pod.path) == .quiet)
            #expect(try node.network() == before)
            expect(try podText(pod), is: "link lo loopback up mtu 65536 mac 00:00:00:00:00:00")
            #expect(node.attachments == [])
            #expect(node.directory.names(in: "state/resting") == ["10.244.1.1", "fd00:10:244:1::1"])
        }

        @Test("bytes go from the node to a pod, and from pod to pod, over both families and protocols")
        func exchange() throws {
            let (web, walker) = (try Pod(), try Pod())
            defer { for pod in [web, walker] { pod.end() } }
            let addresses = try node.add("web", web.namespace).addresses
            let own = try node.add("walker", walker.namespace).addresses
            let echo = try Program(web.command("echo", "--tcp", "80", "--udp", "53", "--name", "web"))
            defer { echo.end(by: SIGTERM) }
            #expect([echo.line(), echo.line()] == ["listening tcp 80", "listening udp 53"])
            for (index, address) in addresses.enumerated() {
                for (transport, port) in [("tcp", "80"), ("udp", "53")] {
                    let fromPod = try Program.run(walker.command("ask", "--\(transport)", address, port))
                    let client = index == 0 ? own[0] : "[\(own[1])]"
                    #expect(fromPod.status == 0 && fromPod.output.contains(" client=\(client):"), "\(fromPod)")
                    let program = try Program.product("tulle-pod")
                    let fromNode = try Program.run(
                        [program, "run", "--join", node.holder, "--", program, "ask", "--\(transport)", address, port])
                    let nodeAddress = index == 0 ? "192.0.2.1" : "[2001:db8::1]"
                    #expect(fromNode.status == 0 && fromNode.output.contains(" client=\(nodeAddress):"), "\(fromNode)")
                }
            }
        }

        @Test("DEL is quiet about what is not there: twice, without a namespace, without an ADD")
        func deletions() throws {
            let before = try node.whole()
            for container in ["c1", "c2"] {
                do {
                    let pod = try NetworkNamespace.new()
                    try node.add(container, pod)
                    if container == "c1" { #expect(try node.call("DEL", container, pod.path) == .quiet) }
                }
                // Of c2 the namespace is gone, and with it the link.
                #expect(try node.call("DEL", container, "/run/netns/gone") == .quiet)
                #expect(try node.call("DEL", container, "") == .quiet)
            }
            #expect(try node.call("DEL", "never", "/run/netns/gone") == .quiet)
            #expect(try node.whole() == before)
        }

        @Test("ADD refuses what is attached, the node's own namespace, and an interface that is there, and leaves nothing")
        func refusals() throws {
            let pod = try NetworkNamespace.new()
            try node.add("c1", pod)
            let before = try node.whole()
            #expect(try node.call("ADD", "c1", pod.path).failure?.code == .refused)
            #expect(try node.call("ADD", "c2", "/proc/\(node.holder)/ns/net").failure?.code == .badEnvironment)
            let taken = try #require(try node.call("ADD", "c3", pod.path).failure)
            #expect(taken.code == .refused)
            #expect(taken.message == "the pod's namespace already has an eth0")
            #expect(try node.whole() == before)
            #expect(try node.call("CHECK", "c1", pod.path, more: #","prevResult":{"cniVersion":"1.1.0"}"#) == .quiet)
        }

        @Test("CHECK is quiet until something is not as it was made, and says what")
        func check() throws {
            let pod = try NetworkNamespace.new()
            let result = try node.add("c1", pod)
            let previous = #","prevResult":\#(result.json(.latest))"#
            func check() throws -> Failure? { try node.call("CHECK", "c1", pod.path, more: previous).failure }
            #expect(try check() == nil)
            let inside = try KernelHost(pod)
            let route = Object.route(
                Route(try net("0.0.0.0/0"), via: try ip("169.254.1.1"), device: "eth0", isOnlink: true, proto: 84))
            #expect(try inside.apply([.remove(route)]) == [])
            let failure = try #require(try check())
            #expect(failure.code == .differs)
            #expect(failure.details == "pod: + \(route)")
            #expect(try inside.apply([.add(route)]) == [])
            #expect(try check() == nil)
            let attachment = try planned("c1", result)
            #expect(try inside.apply([.remove(.link(Link("eth0", .veth(peer: nil))))]) == [])
            #expect(try check()?.details.contains("node: + link \(attachment.link)") == true)
            #expect(try node.call("CHECK", "c9", pod.path, more: previous).failure?.code == .unknownContainer)
            // The agent sees it as well, and stops seeing it once the pod is gone.
            try eventually("a problem; there is \(node.status)") {
                node.status.problems.contains { $0.contains("pod-link-missing") }
            }
            #expect(try node.call("DEL", "c1", pod.path) == .quiet)
            try eventually("the problem is solved; there is \(node.status)") { node.status.problems == [] }
        }

        @Test("GC takes away what is not in the list, and STATUS is quiet")
        func garbage() throws {
            let pods = try (1...3).map { _ in try NetworkNamespace.new() }
            for (index, pod) in pods.enumerated() { try node.add("c\(index)", pod) }
            #expect(try node.call("STATUS", "", "") == .quiet)
            let valid =
                #","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"},{"containerID":"x","ifname":"eth0"}]"#
            #expect(try node.call("GC", "", "", more: valid) == .quiet)
            #expect(node.attachments == ["c1:eth0"])
            #expect(try node.host.observe(Interest([])).links.filter { PacketPath.isPodLink($0.name) }.count == 1)
            #expect(try node.call("GC", "", "").failure?.code == .badConfiguration)
            #expect(node.attachments == ["c1:eth0"])
        }

        @Test("what an agent that was away could not take away is taken away when it is back")
        func queued() throws {
            let before = try node.whole()
            let pods = try (1...2).map { _ in try NetworkNamespace.new() }
            for (index, pod) in pods.enumerated() { try node.add("c\(index)", pod) }
            node.stop(by: SIGKILL)
            #expect(try node.call("ADD", "c9", pods[0].path).failure?.code == .tryAgainLater)
            #expect(try node.call("DEL", "c0", pods[0].path) == .quiet)
            #expect(node.directory.names(in: "state/deletions") == ["c0:eth0"])
            try node.start()
            #expect(node.attachments == ["c1:eth0"])
            #expect(node.status.problems == [])
            #expect(try node.call("DEL", "c1", pods[1].path) == .quiet)
            #expect(try node.whole() == before)
        }

        @Test("a hundred ADDs at once all succeed with addresses of their own, and a hundred DELs leave nothing")
        func hundred() throws {
            let before = try node.whole()
            let pods = try (0..<100).map { _ in try NetworkNamespace.new() }
            let clock = ContinuousClock()
            var adding: [Program] = []
            let addTime = try clock.measure {
                adding = try pods.enumerated().map { try node.begin("ADD", "c\($0.offset)", $0.element.path) }
                for program in adding where try program.finishQuietly() != 0 {
                    Issue.record("an ADD failed\n\(node.log.suffix(2000))")
                }
            }
            let records = node.attachments.compactMap {
                AttachmentRecord(bytes: Array(node.directory.read("state/attachments/\($0)").utf8))
            }
            #expect(records.count == 100)
            #expect(Set(records.flatMap(\.attachment.addresses)).count == 200)
            #expect(try node.host.observe(Interest([])).links.filter { PacketPath.isPodLink($0.name) }.count == 100)
            try eventually("no problems; there is \(node.status)") { node.status.problems == [] }
            #expect(!node.log.contains("change-refused") && !node.log.contains("pod-link-missing"), "\(node.log.suffix(3000))")
            let deleteTime = try clock.measure {
                let deleting = try pods.enumerated().map { try node.begin("DEL", "c\($0.offset)", $0.element.path) }
                for program in deleting { #expect(try program.finishQuietly() == 0) }
            }
            #expect(try node.whole() == before)
            print("100 ADDs at once: \(addTime); 100 DELs at once: \(deleteTime)")
        }

        @Test("one ADD after the other takes this long", .enabled(if: getenv("TULLE_MEASURE") != nil, "measures only when asked"))
        func measure() throws {
            let pods = try (0..<100).map { _ in try NetworkNamespace.new() }
            func median(_ verb: String) throws -> Duration {
                try pods.enumerated().map { index, pod in
                    try ContinuousClock().measure { _ = try node.call(verb, "c\(index)", pod.path) }
                }.sorted()[pods.count / 2]
            }
            print("ADD \(try median("ADD")), DEL \(try median("DEL")), whole process, median of 100")
            let status = try Program.run(["grep", "-E", "VmRSS|Threads", "/proc/\(node.agent?.process ?? 0)/status"]).output
            print(status)
        }
    }
}

extension Program {
    /// The output is not looked at.
    fileprivate func finishQuietly() throws -> Int32 { try finish().status }
}
