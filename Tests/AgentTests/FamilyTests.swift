import Addressing
import CLinux
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("the agent and the families of a machine")
    struct FamilyTests {
        @Test("settings are made once the Node object is known, for the families that it has ranges of")
        func settings() throws {
            let node = try TestNode(objects: TestNode.objects(2))
            try node.launch()
            try eventually("a round\n\(node.log)") { node.status.rounds > 0 }
            let paths = Set(NodePlan.settings)
            func values() throws -> [String: String] {
                try Dictionary(
                    uniqueKeysWithValues: node.host.observe(Interest([], sysctls: paths)).sysctls.map { ($0.path, $0.value) })
            }
            #expect(try values() == ["net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"])
            let onlyIPv4 = TestNode.objects(1, 2).replacing(#", "fd00:10:244:1::/64""#, with: "")
            try node.directory.write(onlyIPv4, to: "objects.yaml")
            try eventually("IPv4 forwards") { try values()["net/ipv4/ip_forward"] == "1" && node.status.problems == [] }
            #expect(try values()["net/ipv6/conf/all/forwarding"] == "0")
        }

        /// What a machine sees that was started with `ipv6.disable=1`: no settings of IPv6. Its kernel would refuse all else of it.
        @Test("a machine without IPv6 has pods with IPv4 alone; what is skipped is said")
        func withoutIPv6() throws {
            let node = try TestNode()
            let hide = [
                "unshare", "--mount", "--propagation", "private", "sh", "-c",
                #"mount -t tmpfs none /proc/sys/net/ipv6 && exec "$@""#, "sh",
            ]
            try node.launch(around: hide)
            try eventually("ready\n\(node.log)") { node.status.rounds > 0 && node.isServing }
            try eventually("it is said; there is \(node.status)") {
                node.status.problems.count == 1 && node.status.problems[0].contains("family-unavailable")
                    && node.status.problems[0].contains("fd00:10:244:1::/64")
            }
            let network = try node.network()
            #expect(network.contains("route 10.244.2.0/24 via 192.0.2.2"))
            #expect(network.contains("sysctl net/ipv6/conf/all/forwarding = 0"))
            #expect(!network.contains("fd00:10:244"))
            #expect(try !node.tables().contains("ip6"))
            let pod = try NetworkNamespace.new()
            let result = try node.add("c1", pod)
            #expect(result.addresses == ["10.244.1.1"])
            #expect(try node.call("DEL", "c1", pod.path) == .quiet)
            #expect(try node.network() == network)
            #expect(node.status.changes > 0)
        }

        /// A kernel that forwards does not listen to routers any more: hosts with SLAAC lost their default route at once and their
        /// address when it expired.
        @Test("a host that lives by router advertisements keeps its route and hears the next one")
        func advertisements() throws {
            let node = try TestNode()
            try node.change(.add(.address(Address(try #require(InterfaceAddress("fe80::1/64")), on: "eth0", scope: .link))))
            let far = try KernelHost(node.neighbour)
            let refusals = try far.apply([
                .add(.address(Address(try #require(InterfaceAddress("fe80::2/64")), on: "eth0", scope: .link)))
            ])
            #expect(refusals == [])
            try far.settleAddress(ip("fe80::2"))
            func look() throws -> State {
                try node.host.observe(Interest([.addresses, .routes], sysctls: ["net/ipv6/conf/eth0/accept_ra"]))
            }
            func hears(_ prefix: String) throws {
                try eventually("an address in \(prefix)\n\((try? look())?.description ?? "")") {
                    try Advertisement(prefix).send(in: node.neighbour)
                    return try look().addresses.contains { try $0.proto == 2 && net(prefix).contains($0.address.address) }
                }
            }
            func isRouted() throws -> Bool {
                try look().routes.contains { $0.proto == 9 && $0.prefix == .all(.v6) && $0.device == "eth0" }
            }
            try hears("2001:db8:1::/64")
            #expect(try isRouted())
            try node.start()
            #expect(try node.network().contains("sysctl net/ipv6/conf/all/forwarding = 1"))
            #expect(try look().sysctls == [Sysctl("net/ipv6/conf/eth0/accept_ra", "2")])
            #expect(try isRouted())
            try hears("2001:db8:2::/64")
            #expect(node.status.problems == [])
        }
    }
}

/// A router's advertisement of itself and of one prefix (RFC 4861, 4.2 and 4.6.2), to all nodes.
private struct Advertisement {
    private let bytes: [UInt8]

    init(_ prefix: String) throws {
        let prefix = try net(prefix)
        // Type, code, checksum (the kernel's work), hop limit, flags, lifetime 1800 s, two timers.
        let head: [UInt8] = [134, 0, 0, 0, 64, 0, 0x07, 0x08] + [UInt8](repeating: 0, count: 8)
        // Type, length in eights, prefix length, on link and autonomous, valid 3600 s, preferred 1800 s, reserved.
        let option: [UInt8] = [3, 4, UInt8(prefix.length), 0xC0, 0, 0, 0x0E, 0x10, 0, 0, 0x07, 0x08, 0, 0, 0, 0]
        bytes = head + option + prefix.address.bytes
    }

    func send(in namespace: NetworkNamespace) throws {
        let socket = try namespace.perform { () throws(KernelError) -> Descriptor in
            let socket = Glibc.socket(AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMPV6))
            guard socket >= 0 else { throw KernelError(Errno(rawValue: errno), "open a raw socket") }
            return Descriptor(owning: socket)
        }
        var hops: Int32 = 255
        setsockopt(socket.rawValue, Int32(IPPROTO_IPV6), 18, &hops, socklen_t(MemoryLayout<Int32>.size))  // IPV6_MULTICAST_HOPS
        var to = sockaddr_in6()
        to.sin6_family = sa_family_t(AF_INET6)
        to.sin6_scope_id = UInt32(bitPattern: try NetlinkSocket(.route, in: namespace).link(named: "eth0").index)
        inet_pton(AF_INET6, "ff02::1", &to.sin6_addr)
        let sent = withUnsafePointer(to: &to) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket.rawValue, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        guard sent == bytes.count else { throw KernelError(Errno(rawValue: errno), "send an advertisement") }
    }
}
