import Addressing
import CLinux
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Logging
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("a pod's dataplane")
    struct PodPlumbingTests {
        private let node: KernelHost
        private let plumbing: PodPlumbing

        init() throws {
            node = try KernelHost(.new())
            plumbing = PodPlumbing(node: node.namespace)
            let lo = Change.change(from: .link(Link("lo", .loopback, isUp: false)), to: .link(Link("lo", .loopback)))
            let settings = NodePlan.settings.map { Change.add(.sysctl(Sysctl($0, "1"))) }
            try #require(node.apply([lo] + settings) == [])
        }

        private func attachment(_ name: String, _ addresses: String...) throws -> Plan.Attachment {
            Plan.Attachment(id: id(name), addresses: try addresses.map(ip), mtu: 1500)
        }

        private func pod(_ name: String, _ addresses: String...) throws -> NetworkNamespace {
            let pod = try NetworkNamespace.new()
            try plumbing.make(Plan.Attachment(id: id(name), addresses: try addresses.map(ip), mtu: 1500), in: pod)
            return pod
        }

        private func set(_ path: String, _ value: String, in namespace: NetworkNamespace) throws {
            try #require(KernelHost(namespace).apply([.add(.sysctl(Sysctl(path, value)))]) == [])
        }

        /// `TcpExt` of the node: how many packets the reverse path filter has dropped.
        private func filtered() throws -> Int {
            let text = try node.namespace.perform { () throws(KernelError) in try Disk.read("/proc/thread-self/net/netstat") }
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("TcpExt:") }
            let (names, numbers) = (lines[0].split(separator: " "), lines[1].split(separator: " "))
            return try #require(names.firstIndex(of: "IPReversePathFilter").flatMap { Int(numbers[$0]) })
        }

        // A pod could send in another pod's name, and policies would have believed it.
        @Test("a packet with a foreign source goes no further than the node; the pod's own goes to another pod")
        func spoofing() throws {
            let (sender, receiver) = (try pod("a", "10.244.1.2"), try pod("b", "10.244.1.3"))
            let ear = try UDP(in: receiver, at: ip("10.244.1.3"))
            for lie in ["192.0.2.99", "10.244.1.3", "10.244.1.4"] {
                let before = try filtered()
                try UDP(in: sender, at: ip(lie)).send("lie", to: ear)
                try eventually("the packet from \(lie) is dropped") { try filtered() == before + 1 }
            }
            try UDP(in: sender, at: ip("10.244.1.2")).send("truth", to: ear)
            #expect(try ear.receive() == "truth")
        }

        @Test("what the node's end takes from a pod is looked at by CHECK, and so is what the pod's end takes")
        func check() throws {
            let attachment = try attachment("a", "10.244.1.2", "fd00:10:244:1::2")
            let pod = try NetworkNamespace.new()
            try plumbing.make(attachment, in: pod)
            func found() throws -> [String] {
                let (inNode, inPod) = try plumbing.differences(of: attachment, in: pod)
                return inNode.map { "node: \($0)" } + inPod.map { "pod: \($0)" }
            }
            #expect(try found() == [])
            for (path, namespace, end, right) in [
                ("net/ipv4/conf/\(attachment.link)/rp_filter", node.namespace, "node", "1"),
                ("net/ipv6/conf/\(attachment.link)/accept_ra", node.namespace, "node", "0"),
                ("net/ipv6/conf/eth0/accept_ra", pod, "pod", "0"),
            ] {
                try set(path, "2", in: namespace)
                #expect(try found() == ["\(end): ~ sysctl \(path) = \(right)"])
                try set(path, right, in: namespace)
            }
            #expect(try found() == [])
        }

        @Test("of a pod on the bridge CHECK looks at the bridge and the gateway's addresses too")
        func checkBridge() throws {
            var attachment = try attachment("a", "10.244.1.2", "fd00:10:244:1::2")
            attachment.bridgedRanges = try [net("10.244.1.0/24"), net("fd00:10:244:1::/64")]
            let pod = try NetworkNamespace.new()
            try plumbing.make(attachment, in: pod)
            func found() throws -> [String] { try plumbing.differences(of: attachment, in: pod).node.map(\.description) }
            #expect(try found() == [])
            let gateway = try #require(
                node.observe(Interest([.addresses])).objects.values.first { "\($0)".contains("fd00:10:244:1::1/64") })
            #expect(try node.apply([.remove(gateway)]) == [])
            #expect(try found() == ["+ \(gateway)"])
            // A pod from before has it.
            let held = try plumbing.differences(of: attachment, mtu: nil, besides: [ip("fd00:10:244:1::1")], in: pod)
            #expect(held.node.isEmpty && held.pod.isEmpty)
        }

        @Test("of a pod without IPv6 neither end has any")
        func onlyIPv4() throws {
            let pod = try pod("a", "10.244.1.2")
            for (namespace, link) in [(pod, "eth0"), (node.namespace, id("a").link)] {
                let path = "net/ipv6/conf/\(link)/disable_ipv6"
                #expect(try KernelHost(namespace).observe(Interest(sysctls: [path])).sysctls == [Sysctl(path, "1")])
            }
        }

        // ADD failed there with "permission denied", and a pod made so had no ::1.
        @Test(
            "a pod's namespace that comes with IPv6 off, as runtimes make it for IPv4 alone, has both families",
            arguments: [["default"], ["all"], ["all", "default", "lo"]])
        func disabled(_ conf: [String]) throws {
            let pod = try NetworkNamespace.new()
            for name in conf { try set("net/ipv6/conf/\(name)/disable_ipv6", "1", in: pod) }
            let attachment = try attachment("a", "10.244.1.2", "fd00:10:244:1::2")
            try plumbing.make(attachment, in: pod)
            let other = try self.pod("b", "10.244.1.3", "fd00:10:244:1::3")
            for (address, sender) in [("10.244.1.2", other), ("fd00:10:244:1::2", other), ("::1", pod)] {
                let ear = try UDP(in: pod, at: ip(address))
                try UDP(in: sender, at: nil, family: ip(address).family).send("hello", to: ear)
                #expect(try ear.receive() == "hello", "\(address)")
            }
            let differences = try plumbing.differences(of: attachment, in: pod)
            #expect(differences.node.isEmpty && differences.pod.isEmpty)
        }

        @Test("a name that is taken is told by its end, and nothing is changed on either")
        func taken() throws {
            let pod = try pod("a", "10.244.1.2", "fd00:10:244:1::2")
            let before = try [node, KernelHost(pod)].map { try TestNode.text($0) }
            let second = try attachment("b", "10.244.1.3", "fd00:10:244:1::3")
            #expect(throws: LinkTaken(name: "eth0", end: .pod)) { try plumbing.make(second, in: pod) }
            let again = try attachment("a", "10.244.1.4", "fd00:10:244:1::4")
            let fresh = try NetworkNamespace.new()
            #expect(throws: LinkTaken(name: again.link, end: .node)) { try plumbing.make(again, in: fresh) }
            #expect(try [node, KernelHost(pod)].map { try TestNode.text($0) } == before)
            try plumbing.remove(link: again.link)
            try plumbing.remove(link: again.link)
            #expect(try TestNode.text(node).contains("tl") == false)
        }
    }
}

/// A datagram socket in a namespace.
private struct UDP {
    private let socket: Descriptor
    private let address: IPAddress
    private let port: UInt16

    /// - Parameter address: its own, which need not be one of the namespace's; `nil` is any.
    init(in namespace: NetworkNamespace, at address: IPAddress?, family: IPFamily = .v4) throws {
        let family = address?.family ?? family
        let opened = try namespace.perform { () throws(KernelError) -> Descriptor in
            let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
            let opened = Glibc.socket(family == .v4 ? AF_INET : AF_INET6, type, 0)
            guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
            return Descriptor(owning: opened)
        }
        var on: CInt = 1
        // `IP_TRANSPARENT`: may be bound to, and send from, an address of somebody else.
        if family == .v4 { setsockopt(opened.rawValue, CInt(IPPROTO_IP), 19, &on, socklen_t(MemoryLayout<CInt>.size)) }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(opened.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let name = Self.name(address ?? .any(family), 0)
        guard Self.call(name, { bind(opened.rawValue, $0, $1) }) == 0 else { throw Broken("bind: errno \(errno)") }
        var bytes = [UInt8](repeating: 0, count: 28)
        var length = socklen_t(bytes.count)
        let code = bytes.withUnsafeMutableBytes {
            getsockname(opened.rawValue, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard code == 0 else { throw Broken("getsockname: errno \(errno)") }
        socket = opened
        self.address = address ?? .any(family)
        port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }

    func send(_ text: String, to other: UDP) throws {
        let bytes = Array(text.utf8)
        let sent = Self.call(Self.name(other.address, other.port)) { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
        guard sent == bytes.count else { throw Broken("send: errno \(errno)") }
    }

    func receive() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(socket.rawValue, &buffer, buffer.count, 0)
        guard count >= 0 else { throw Broken("receive: errno \(errno)") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// struct `sockaddr_in` or `sockaddr_in6`
    private static func name(_ address: IPAddress, _ port: UInt16) -> [UInt8] {
        let family = UInt8(address.family == .v4 ? AF_INET : AF_INET6)
        let head = [family, 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        let zeros = [UInt8](repeating: 0, count: address.family == .v4 ? 8 : 4)
        return address.family == .v4 ? head + address.bytes + zeros : head + zeros + address.bytes + zeros
    }

    private static func call<Value>(_ name: [UInt8], _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Value) -> Value {
        name.withUnsafeBytes { body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    }
}
