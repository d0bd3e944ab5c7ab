import Addressing
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
    @Suite("link-local addresses of pods", .timeLimit(.minutes(5)))
    struct LinkLocalTests {
        /// No policy knows whose such an address is. A pod that gave itself one reached its node under a policy of the cluster that keeps
        /// it from nodes, as soon as the node's end of its link had one too.
        @Test(
            "what a pod sends from a link-local address comes nowhere, to its node, beside it or elsewhere, whatever policies say",
            arguments: PodMode.allCases, [false, true])
        func dropped(_ mode: PodMode, isFenced: Bool) throws {
            let node = try TestNode()
            let objects = [PolicyTexts.namespace, PolicyTexts.pod("db"), PolicyTexts.pod("web")].map { "---\n" + $0 }
            try node.directory.write(
                TestNode.objects(1, 2) + objects.joined() + (isFenced ? "---\n" + PolicyTexts.fence : ""), to: "objects.yaml")
            try node.start("--pod-mode", mode.rawValue)
            let (pod, other) = try (NetworkNamespace.new(), NetworkNamespace.new())
            let own = try #require(try node.add("db", pod).addresses.compactMap(IPAddress.init).first { $0.family == .v6 })
            // While the pod's is the only one.
            let links = try node.host.observe(Interest([])).links
            let end = try #require(
                links.first { mode == .bridge ? $0.name == PacketPath.podBridge : PacketPath.isPodLink($0.name) })
            let beside = try #require(try node.add("web", other).addresses.compactMap(IPAddress.init).first { $0.family == .v6 })
            if isFenced { try eventually("the pod is kept from its node\n\(node.log)") { try isGuarded(own, node) } }
            // It would take away what somebody else gives its links. Its tables stay.
            #expect(node.stop() == 0)
            try node.change(.add(.neighbour(Neighbour(ip("2001:db8::2"), on: "eth0", .mac(MACAddress(local: 2))))))

            // Both ends get one by hand, and know each other: nothing but a rule keeps them apart.
            let (near, far) = try (ip("fe80::77"), ip("fe80::99"))
            let inside = try KernelHost(pod)
            try #require(
                inside.apply([
                    .add(.address(Address(#require(InterfaceAddress("fe80::77/64")), on: "eth0"))),
                    .add(.neighbour(Neighbour(far, on: "eth0", .mac(#require(end.mac))))),
                ]) == [])
            try inside.settleAddress(near)
            try node.change(.add(.address(Address(#require(InterfaceAddress("fe80::99/64")), on: end.name))))
            try node.host.settleAddress(far)

            let targets = try [
                (node.namespace, far, end.name), (node.namespace, ip("2001:db8::1"), ""),
                (node.neighbour, ip("2001:db8::2"), ""), (other, beside, ""),
            ]
            func inboxes(_ port: UInt16) throws -> [Datagrams] {
                try targets.map { try Datagrams(in: $0.0, at: $0.1, port: port, link: $0.2) }
            }
            let (thief, honest) = try (
                Datagrams(in: pod, at: near, link: "eth0"), Datagrams(in: pod, at: own, link: "eth0")
            )
            func send(_ text: String, from socket: Datagrams, _ port: UInt16) throws {
                for target in targets { try socket.send(text, to: target.1, port: port) }
            }
            // What was sent first would come first.
            let watched = try inboxes(4242)
            for _ in 0..<3 { try send("spoofed", from: thief, 4242) }
            try send("proper", from: honest, 4242)
            for (inbox, target) in zip(watched, targets).dropFirst(isFenced ? 3 : 0) {
                let received = try #require(try? inbox.receive(), "nothing came to \(target.1)")
                #expect(received.source == own && received.text == "proper")
            }
            if isFenced {
                try eventually("what goes to nodes is refused") { try refused(own, node) == 3 }
                for inbox in watched { #expect(inbox.isEmpty) }
            }

            // Without the rules it would have come: the silence is due to them.
            for table in [PacketPath.podTable] + (mode == .bridge ? [PacketPath.sourceTable] : []) {
                try KernelTables(in: node.namespace).apply([.flushChain(Table.ID(.ip6, table), "prerouting")])
            }
            let bare = try inboxes(4243)
            try send("spoofed", from: thief, 4243)
            for (inbox, target) in zip(bare, targets).prefix(2) {
                #expect((try? inbox.receive())?.text == "spoofed", "to \(target.1)")
            }
        }

        private let table = Table.ID(.ip6, PacketPath.policyTable)

        private func isGuarded(_ pod: IPAddress, _ node: TestNode) throws -> Bool {
            let found = try KernelTables(in: node.namespace).observe(table)?.table
            return found?.sets["guarded"]?.elements[Value(.address(pod))] != nil
        }

        private func refused(_ pod: IPAddress, _ node: TestNode) throws -> UInt64 {
            try KernelTables(in: node.namespace).counters(of: "refused-senders", in: table)[Value(.address(pod))]?.packets ?? 0
        }
    }
}
