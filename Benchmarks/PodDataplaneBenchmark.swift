import Addressing
import Agent
import CLinux
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan

/// How long it takes until a pod has its network: a veth whose other end is made in the pod's namespace, addresses, routes and
/// neighbours of both families, both ends up, and ready to carry packets: a datagram goes to each pod and back over each family
/// right after the clock stopped, and a lost one ends the benchmark. It is what an agent does for an ADD, by the agent's own
/// plan and hands (`PodNetwork`, `PodPlumbing`). Measured against forked `ip`, in the same run.
///
/// Namespaces are made before the clock starts: the container runtime makes them. All of it vanishes with the last descriptor.
enum PodDataplaneBenchmark {
    static func run(runs: Int) throws {
        let scene = try Scene(pods: runs + warmUps)
        for number in 0..<warmUps { _ = try scene.netlink(number) }
        var ours: [Duration] = []
        var forked: [Duration] = []
        for run in 0..<runs {
            ours.append(try scene.netlink(warmUps + run))
            // At once: a pod that is answered a moment later than promised loses its first packet, and waits a second for it.
            try scene.verify(warmUps + run)
            // A few are enough to tell milliseconds from tens of them, and spread over the run they see the same machine.
            if run % max(1, runs / 10) == 0 { forked.append(try ForkedPod(scene.node.namespace).measure(run)) }
        }
        print("pod dataplane, veth + IPv4 + IPv6, \(runs) pods (figure: median ≤ 1.5 ms)")
        print("  netlink     \(Summary(ours))")
        print("  forked ip   \(Summary(forked))  (\(forked.count) pods)")
        print("  ratio       \((Summary(forked).median / Summary(ours).median).rounded())")
    }

    private static let warmUps = 5
}

/// A node and pods that have nothing yet.
private struct Scene {
    let node: KernelHost
    private let plumbing: PodPlumbing
    private let pods: [NetworkNamespace]

    init(pods count: Int) throws {
        node = try KernelHost(.new())
        plumbing = PodPlumbing(node: node.namespace)
        pods = try (0..<count).map { _ in try NetworkNamespace.new() }
        let refusals = try node.apply([
            .change(from: .link(Link("lo", .loopback, isUp: false)), to: .link(Link("lo", .loopback))),
            .add(.address(Address(InterfaceAddress(host: .v4(IPv4Address(192, 0, 2, 11))), on: "lo"))),
            .add(.address(Address(InterfaceAddress(host: .v6(IPv6Address(rawValue: Self.documentation | 11))), on: "lo"))),
        ])
        if let refusal = refusals.first { throw refusal.kernelError }
    }

    /// 2001:db8::/32
    private static let documentation: UInt128 = 0x2001_0DB8 << 96

    private func address(_ number: Int, _ family: IPFamily) -> IPAddress {
        let host = UInt32(number) + 1
        // 198.18.0.0/15 is set aside for benchmarks (RFC 2544).
        return family == .v4
            ? .v4(IPv4Address(rawValue: 198 << 24 | 18 << 16 | host))
            : .v6(IPv6Address(rawValue: Self.documentation | 1 << 64 | UInt128(host)))
    }

    /// Makes a pod's network and returns how long it took.
    func netlink(_ number: Int) throws -> Duration {
        let attachment = Attachment(
            id: .init(container: "pod-\(number)", interface: PacketPath.podInterface),
            addresses: IPFamily.allCases.map { address(number, $0) }, mtu: 1450)
        // An agent is in its node's namespace, and so is the thread that is measured.
        return try node.namespace.perform { () throws(KernelError) in
            let start = ContinuousClock.now
            do { try plumbing.make(attachment, in: pods[number]) } catch {
                throw error as? KernelError ?? .init(.inputOutput, "\(error)")
            }
            return ContinuousClock.now - start
        }
    }

    /// A datagram to the pod and back, of each family.
    func verify(_ number: Int) throws {
        for family in IPFamily.allCases {
            let echo = try Echo(pod: pods[number], at: address(number, family))
            try echo.exchange(from: node.namespace)
        }
    }
}

// MARK: - The same, by `ip`

/// A pod made the way shell scripts and many agents do it: one process per object.
private struct ForkedPod {
    private let node: NetworkNamespace
    private let pod: NetworkNamespace

    init(_ node: NetworkNamespace) throws {
        self.node = node
        pod = try .new()
    }

    func measure(_ number: Int) throws -> Duration {
        let name = "fk\(number)"
        let target = "/proc/\(getpid())/fd/\(pod.descriptor.rawValue)"
        let inNode = ["--net=/proc/\(getpid())/fd/\(node.descriptor.rawValue)", "ip"]
        let inPod = ["--net=\(target)", "ip"]
        let lines: [([String], String)] = [
            (inNode, "link add \(name) mtu 1450 type veth peer name eth0 mtu 1450 netns \(target)"),
            (inNode, "link set \(name) addrgenmode none"),
            (inNode, "link set \(name) up"),
            (inPod, "link set lo up"),
            (inPod, "link set eth0 addrgenmode none"),
            (inPod, "link set eth0 up"),
            (inPod, "addr add 203.0.113.7/32 dev eth0"),
            (inPod, "addr add 2001:db8:f::7/128 dev eth0 nodad"),
            (inPod, "neigh add 169.254.1.1 lladdr 02:00:00:00:00:01 dev eth0"),
            (inPod, "neigh add fe80::1 lladdr 02:00:00:00:00:01 dev eth0"),
            (inPod, "route add default via 169.254.1.1 dev eth0 onlink"),
            (inPod, "route add default via fe80::1 dev eth0 onlink"),
            (inNode, "neigh add 203.0.113.7 lladdr 02:00:00:00:00:02 dev \(name)"),
            (inNode, "neigh add 2001:db8:f::7 lladdr 02:00:00:00:00:02 dev \(name)"),
            (inNode, "route add 203.0.113.\(number % 250 + 1)/32 dev \(name) metric \(number + 1)"),
            (inNode, "route add 2001:db8:f::\(number + 1)/128 dev \(name)"),
        ]
        let clock = ContinuousClock()
        let start = clock.now
        for (prefix, line) in lines { try run(["nsenter"] + prefix + line.split(separator: " ").map(String.init)) }
        return clock.now - start
    }

    private func run(_ words: [String]) throws {
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let code = posix_spawnp(&process, "nsenter", nil, nil, &arguments, environ)
        guard code == 0 else { throw KernelError(Errno(rawValue: code), "run \(words.joined(separator: " "))") }
        var status: CInt = 0
        waitpid(process, &status, 0)
        guard status == 0 else { throw KernelError(.inputOutput, "run \(words.joined(separator: " "))") }
    }
}

// MARK: - Does it carry packets?

/// A UDP socket in a pod that answers one datagram with itself.
private struct Echo {
    private let pod: Descriptor
    private let address: IPAddress
    private let port: UInt16

    init(pod namespace: NetworkNamespace, at address: IPAddress) throws {
        self.address = address
        let socket = try namespace.perform { () throws(KernelError) in try Self.socket(address.family) }
        try Self.check(SocketName(address, 0).with { bind(socket.rawValue, $0, $1) }, "bind to \(address)")
        pod = socket
        port = SocketName.local(of: socket, address.family)
    }

    /// Sends a datagram from the node, and waits for it to come back.
    func exchange(from node: NetworkNamespace) throws {
        let client = try node.perform { () throws(KernelError) in try Self.socket(address.family) }
        try Self.check(SocketName(address, port).with { connect(client.rawValue, $0, $1) }, "connect to \(address)")
        try Self.check(send(client.rawValue, "ping", 4, 0) == 4 ? 0 : -1, "send to \(address)")
        var buffer = [UInt8](repeating: 0, count: 16)
        var from = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let received = withUnsafeMutableBytes(of: &from) { bytes in
            recvfrom(
                pod.rawValue, &buffer, buffer.count, 0, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        try Self.check(received == 4 ? 0 : -1, "receive at \(address)")
        let answered = withUnsafeBytes(of: from) { bytes in
            sendto(pod.rawValue, buffer, 4, 0, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), length)
        }
        try Self.check(answered == 4 ? 0 : -1, "answer from \(address)")
        try Self.check(recv(client.rawValue, &buffer, buffer.count, 0) == 4 ? 0 : -1, "hear from \(address)")
    }

    private static func socket(_ family: IPFamily) throws(KernelError) -> Descriptor {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let opened = Glibc.socket(family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(opened, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return Descriptor(owning: opened)
    }

    private static func check(_ code: CInt, _ operation: String) throws(KernelError) {
        if code != 0 { throw KernelError(Errno(rawValue: errno), operation) }
    }
}

/// An address and a port as the socket calls want them.
private struct SocketName {
    private var bytes: [UInt8]

    init(_ address: IPAddress, _ port: UInt16) {
        let family = UInt16(address.family == .v4 ? AF_INET : AF_INET6)
        bytes = [UInt8(truncatingIfNeeded: family), UInt8(family >> 8), UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        bytes +=
            address.family == .v4
            ? address.bytes + [UInt8](repeating: 0, count: 8) : [0, 0, 0, 0] + address.bytes + [0, 0, 0, 0]
    }

    func with(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> CInt) -> CInt {
        bytes.withUnsafeBytes { body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    }

    static func local(of socket: Descriptor, _ family: IPFamily) -> UInt16 {
        var bytes = [UInt8](repeating: 0, count: 28)
        var length = socklen_t(bytes.count)
        bytes.withUnsafeMutableBytes {
            _ = getsockname(socket.rawValue, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
}

/// Least, middle and nearly worst of many durations.
private struct Summary: CustomStringConvertible {
    private let sorted: [Duration]

    init(_ durations: [Duration]) { sorted = durations.sorted() }

    var median: Duration { sorted[sorted.count / 2] }

    var description: String {
        "min \(text(sorted[0]))  median \(text(median))  p99 \(text(sorted[min(sorted.count - 1, sorted.count * 99 / 100)]))"
    }

    private func text(_ duration: Duration) -> String {
        "\(Double((duration / .microseconds(1)).rounded()) / 1000) ms"
    }
}
