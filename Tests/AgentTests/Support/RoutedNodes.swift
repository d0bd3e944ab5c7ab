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

/// Nodes n1, n2 … with a router between them that drops what comes from an address it would not answer that way: a pod's.
///
/// ```
///   n1 eth0 ─── to-n1 ┐ router ┌ to-n2 ─── eth0 n2        n1 and n3 on the first wire, n2 on the second
///   n3 eth0 ─── to-n3 ┘        └
///       192.0.2.0/26, 2001:db8:0::/64    192.0.2.64/26, 2001:db8:1::/64
/// ```
final class RoutedNodes {
    let router: TestNode
    let nodes: [TestNode]
    let families: [IPFamily]

    /// - Parameter families: of the nodes' own addresses; pods have both.
    init(_ count: Int, families: [IPFamily] = [.v4, .v6]) throws {
        self.families = families
        router = try TestNode(name: "router", neighbour: .new())
        let router = router
        nodes = try (1...count).map { try TestNode(name: "n\($0)", neighbour: router.namespace) }
        for wire in 0...1 {
            try router.change(.add(.link(Link("wire\(wire)", .bridge, makesLinkLocal: false))))
            try router.change(
                .add(.sysctl(Sysctl("net/ipv4/conf/wire\(wire)/rp_filter", "1"))),
                // Without one the kernel does not ask for a next hop.
                .add(.address(Address(try #require(InterfaceAddress("fe80::62/64")), on: "wire\(wire)"))),
                .add(.address(Address(try Self.address(62, .v4, wire), on: "wire\(wire)"))),
                .add(.address(Address(try Self.address(62, .v6, wire), on: "wire\(wire)"))))
        }
        try router.change(
            .add(.sysctl(Sysctl("net/ipv4/ip_forward", "1"))), .add(.sysctl(Sysctl("net/ipv6/conf/all/forwarding", "1"))))
        for number in 1...count { try plug(number) }
        try write(Array(1...count))
    }

    private func plug(_ number: Int) throws {
        let (node, wire) = (nodes[number - 1], Self.wire(of: number))
        router.host.namespaces[node.name] = node.namespace
        let link = Link(
            "to-\(node.name)", .veth(peer: Link.Peer("eth0", in: node.name, mac: MACAddress(local: UInt64(number)))),
            master: "wire\(wire)", makesLinkLocal: false)
        try router.change(.add(.link(link)))
        let made = Link("eth0", .veth(peer: nil), isUp: false, makesLinkLocal: true)
        let up = Link("eth0", .veth(peer: nil), mac: MACAddress(local: UInt64(number)), makesLinkLocal: false)
        let linkLocal = try #require(InterfaceAddress("fe80::\(number)/64"))
        try node.change(.change(from: .link(made), to: .link(up)), .add(.address(Address(linkLocal, on: "eth0"))))
        for family in families {
            let own = try Self.address(number, family, wire)
            let router = try Self.address(62, family, wire).address
            try node.change(
                .add(.address(Address(own, on: "eth0"))),
                .add(.route(Route(.all(family), via: router, device: "eth0", proto: 4))))
            try node.host.settleAddress(own.address)
        }
        try self.router.host.settleCarrier(of: "to-\(node.name)")
    }

    static func wire(of number: Int) -> Int { (number + 1) % 2 }

    static func address(_ number: Int, _ family: IPFamily, _ wire: Int) throws -> InterfaceAddress {
        let text = family == .v4 ? "192.0.2.\(64 * wire + number)/26" : "2001:db8:\(wire)::\(number)/64"
        return try #require(InterfaceAddress(text))
    }

    func address(of number: Int, _ family: IPFamily) throws -> IPAddress {
        try Self.address(number, family, Self.wire(of: number)).address
    }

    /// Tells every node that there are these.
    func write(_ numbers: [Int]) throws {
        let text = try text(numbers)
        for node in nodes { try node.directory.write(text, to: "objects.yaml") }
    }

    /// The nodes' objects.
    func text(_ numbers: [Int]) throws -> String {
        try numbers.map { number in
            let addresses = try families.map { "{type: InternalIP, address: \"\(try address(of: number, $0))\"}" }
            return """
                apiVersion: v1
                kind: Node
                metadata: {name: n\(number)}
                spec: {podCIDRs: [10.244.\(number).0/24, "fd00:10:244:\(number)::/64"]}
                status: {addresses: [\(addresses.joined(separator: ", "))]}

                """
        }.joined(separator: "---\n")
    }

    func start(_ options: String...) throws { try start(options) }

    func start(_ options: [String]) throws {
        for node in nodes { try node.launch(options: options) }
        for node in nodes {
            try eventually("the agent of \(node.name) is ready\n\(node.log)") { node.status.rounds > 0 && node.isReady }
        }
    }
}

/// A pod with a process, which others can join.
final class RoutedPod {
    private let program: String
    private let pause: Program
    private var servers: [Program] = []
    let namespace: NetworkNamespace
    let addresses: [IPAddress]
    let holder: String

    init(_ name: String, on node: TestNode) throws {
        program = try Program.product("tulle-pod")
        pause = try Program([program, "pause", "--new", "net"])
        holder = pause.line()
        namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
        addresses = try node.add(name, namespace).addresses.map(ip)
    }

    deinit {
        for server in servers { server.end(by: SIGKILL) }
        pause.end(by: SIGTERM)
    }

    func address(_ family: IPFamily) throws -> IPAddress { try #require(addresses.first { $0.family == family }) }
}

extension Datagrams {
    /// From now on nothing larger than the way takes is sent in pieces.
    func keepWhole() {
        // `IP_PMTUDISC_DO` and `IPV6_PMTUDISC_DO`
        var value: Int32 = 2
        setsockopt(socket.rawValue, Int32(IPPROTO_IP), IP_MTU_DISCOVER, &value, 4)
        setsockopt(socket.rawValue, Int32(IPPROTO_IPV6), IPV6_MTU_DISCOVER, &value, 4)
    }
}

/// Sends one datagram of a packet's whole size, from one namespace to another and back, in one piece.
///
/// - Returns: from which address each of them came.
func exchange(
    _ size: Int, _ one: (NetworkNamespace, IPAddress), _ other: (NetworkNamespace, IPAddress)
) throws -> [IPAddress] {
    let (near, far) = try (
        Datagrams(in: one.0, at: one.1.mapped, port: 4001), Datagrams(in: other.0, at: other.1.mapped, port: 4002)
    )
    let text = String(repeating: "x", count: size - (one.1.family == .v4 ? 28 : 48))
    near.keepWhole()
    far.keepWhole()
    try near.send(text, to: other.1.mapped, port: 4002)
    let there = try far.receive()
    try far.send(text, to: there.source, port: 4001)
    let back = try near.receive()
    guard there.text == text, back.text == text else { throw Broken("a datagram came in part") }
    return [there.source.unmapped, back.source.unmapped]
}

extension IPAddress {
    /// As IPv6 sockets write it.
    var mapped: IPAddress {
        guard case .v4(let address) = self else { return self }
        return .v6(IPv6Address(rawValue: 0xFFFF << 32 | UInt128(address.rawValue)))
    }

    var unmapped: IPAddress {
        guard case .v6(let address) = self, address.rawValue >> 32 == 0xFFFF else { return self }
        return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.rawValue)))
    }
}
