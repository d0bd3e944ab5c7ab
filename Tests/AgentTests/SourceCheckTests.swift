import Addressing
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

extension KernelTests {
    @Suite("a pod sends from its own address alone")
    struct SourceCheckTests {
        @Test(
            "what says that it comes from elsewhere does not leave the node, and what comes from the pod does",
            arguments: [
                ("fd00:10:244:1::77", "an address of this node's range that no pod has"),
                ("fd00:10:244:1::2", "the other pod's"), ("fd00:10:244:2::5", "a pod's of the other node"),
                ("2001:db8::77", "one on the nodes' segment"), ("2001:db8:ffff::1", "somebody's in the world"),
            ])
        func spoofed(_ source: String, _ meaning: String) throws {
            let node = try TestNode()
            try node.start()
            // eth0 has no link-local address here, and without one the kernel does not ask for a next hop.
            try node.change(.add(.neighbour(Neighbour(ip("2001:db8::2"), on: "eth0", .mac(MACAddress(local: 2))))))
            let pod = try NetworkNamespace.new()
            let own = try #require(try node.add("c1", pod).addresses.compactMap(IPAddress.init).first { $0.family == .v6 })
            let other = try NetworkNamespace.new()
            let neighbour = try #require(
                try node.add("c2", other).addresses.compactMap(IPAddress.init).first { $0.family == .v6 })
            #expect(neighbour == (try ip("fd00:10:244:1::2")))
            let inside = try KernelHost(pod)
            try #require(inside.apply([.add(.address(Address(InterfaceAddress(host: try ip(source)), on: "eth0")))]) == [])
            try inside.settleAddress(try ip(source))
            let (thief, honest) = try (Datagrams(in: pod, at: ip(source)), Datagrams(in: pod, at: own))

            // To another node, to this one, and to a pod beside it. What was sent first would come first.
            for (namespace, address) in try [
                (node.neighbour, ip("2001:db8::2")), (node.namespace, ip("2001:db8::1")), (other, neighbour),
            ] where address.description != source {
                let target = try Datagrams(in: namespace, at: address, port: 4242)
                for _ in 0..<3 { try thief.send("spoofed", to: address, port: 4242) }
                try honest.send("proper", to: address, port: 4242)
                let received = try target.receive()
                #expect(received.source == own && received.text == "proper", "\(meaning)")
            }

            // Without the rule it would have come: it is the rule that the silence is due to.
            #expect(node.stop() == 0)
            try KernelTables(in: node.namespace).apply([.flushChain(Table.ID(.ip6, PacketPath.podTable), "prerouting")])
            let target = try Datagrams(in: node.neighbour, at: ip("2001:db8::2"), port: 4243)
            try thief.send("spoofed", to: ip("2001:db8::2"), port: 4243)
            #expect(try target.receive().text == "spoofed")
        }
    }
}
