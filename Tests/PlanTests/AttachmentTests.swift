import Addressing
import NFTables
import Plan
import Testing

@Suite("attachments and names")
struct AttachmentTests {
    @Test("100,000 pods have links of names that fit, all different, and MACs that are never multicast", arguments: Seed.fresh(1))
    func names(_ seed: Seed) {
        var seed = seed
        var names: Set<String> = []
        var macs: Set<MACAddress> = []
        let count = 100_000
        for _ in 0..<count {
            let container = String(seed.next(), radix: 16) + String(seed.next(), radix: 16)
            let attachment = Plan.Attachment(id: .init(container: container, interface: "eth0"), addresses: [], mtu: 1500)
            // IFNAMSIZ is 16 with the terminating zero.
            guard attachment.link.utf8.count <= 15, attachment.link.hasPrefix(PacketPath.podLinkPrefix),
                attachment.nodeMAC.bytes[0] & 3 == 2, attachment.podMAC.bytes[0] & 3 == 2,
                attachment.nodeMAC != attachment.podMAC
            else {
                Issue.record("\(attachment)")
                return
            }
            names.insert(attachment.link)
            macs.insert(attachment.nodeMAC)
            macs.insert(attachment.podMAC)
        }
        // 44 bits: of 100,000 names one pair is equal with a chance of 3 in 10,000, two pairs never. Of MACs (45 bits) likewise.
        #expect(names.count >= count - 1)
        #expect(macs.count >= 2 * count - 2)
    }

    @Test("names that differ little are as different, and each interface of a container has its own")
    func similar() {
        var names: Set<String> = []
        for number in 0..<10_000 {
            for interface in ["eth0", "eth1"] {
                names.insert(
                    Plan.Attachment(id: .init(container: "c\(number)", interface: interface), addresses: [], mtu: 1500).link)
            }
        }
        #expect(names.count == 20_000)
    }

    @Test("a pod's link and MACs stay the same over restarts and versions")
    func stable() {
        let attachment = Plan.Attachment(id: .init(container: "web", interface: "eth0"), addresses: [], mtu: 1500)
        #expect(attachment.link == "tlc4b5ae041a0")
        #expect(attachment.nodeMAC.description == "1a:96:b5:c0:83:40" && attachment.podMAC.description == "1a:96:b5:c0:83:41")
    }

    @Test("no two things in the kernel have the same name, and each name fits")
    func packetPath() {
        let names = [PacketPath.podLinkPrefix, PacketPath.podInterface, PacketPath.podTable]
        #expect(Set(names).count == names.count)
        // A pod's own interface is not taken for the node's end of a link.
        #expect(!PacketPath.podInterface.hasPrefix(PacketPath.podLinkPrefix))
        #expect(Set(NodePlan.tables).count == NodePlan.tables.count)
        #expect(NodePlan.tables.allSatisfy { $0.name.hasPrefix("tulle-") })
        #expect(PacketPath.podLinkPrefix.utf8.count + 11 <= 15)
        // Numbers below 16 or known to iproute2 belong to others (`/etc/iproute2/rt_protos`).
        #expect(
            ![0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 42, 186, 187, 188, 189, 192].contains(PacketPath.routeProtocol)
        )
        #expect(PacketPath.podGateway(.v4).description == "169.254.1.1" && PacketPath.podGateway(.v6).description == "fe80::1")
    }
}
