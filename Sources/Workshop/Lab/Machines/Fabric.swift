import Addressing
import HostNetwork
import HostNetworkKernel
import Netlink

/// The wire between the nodes: a bridge in a namespace of its own; or several, and the namespace is the router between them.
///
/// ```
///   node-1          fabric                    node-2
///   eth0 ─────── to-node-1 ┐
///                          ├── wire (bridge)
///                          └─ to-node-2 ─────── eth0
/// ```
final class Fabric {
    /// What a wire is called, by its position.
    static func bridge(_ wire: Int = 0) -> String { wire == 0 ? "wire" : "wire-\(wire + 1)" }

    /// What a node's own link is called.
    static let uplink = "eth0"

    /// `RTPROT_STATIC`: as a person would have made them.
    private static let routeProtocol: UInt8 = 4

    let holder: Holder
    private let host: KernelHost
    private var plugged = 0

    init(tools: Tools, wires: Int = 1) throws {
        holder = try Holder("fabric", kinds: "net,uts,pid", tools: tools)
        host = try KernelHost(holder.namespace)
        for wire in 0..<wires {
            try host.carryOut([.add(.link(Link(Self.bridge(wire), .bridge, mac: Self.mac(wire), makesLinkLocal: false)))])
        }
        if wires > 1 { try host.carryOut((0..<wires).flatMap(Self.routing)) }
    }

    /// One that is there, for a node more.
    init(_ holder: Holder) throws {
        self.holder = holder
        host = try KernelHost(holder.namespace)
    }

    /// A bridge without an address of its own takes one of its ports', and another one with the next node that comes or goes: what is
    /// on its way to the router then is lost.
    private static func mac(_ wire: Int) -> MACAddress? { MACAddress("02:74:75:6c:00:0\(wire + 1)") }

    /// The router passes what it could answer on the same wire, as routers of clouds do: nothing with a pod's address.
    private static func routing(_ wire: Int) -> [HostNetwork.Change] {
        // Without a link-local address the kernel does not ask for a next hop.
        let linkLocal = InterfaceAddress(.v6(IPv6Address(rawValue: 0xFE80 << 112 | UInt128(0xFF00 + wire))), length: 64)
        return [HostNetwork.Change.add(.address(Address(linkLocal, on: bridge(wire))))]
            + [
                Sysctl("net/ipv4/conf/\(bridge(wire))/rp_filter", "1"), Sysctl("net/ipv4/ip_forward", "1"),
                Sysctl("net/ipv6/conf/all/forwarding", "1"),
            ].map { .add(.sysctl($0)) }
    }

    /// Plugs a node in, with its addresses.
    ///
    /// - Parameters:
    ///   - lengths: how long the segment's prefix is, by family.
    ///   - wire: which one, by its position.
    ///   - plug: the cable's number, from 1; no other node has had it. `nil` for the next.
    ///   - routers: where the node sends what is for none of its neighbours.
    /// - Returns: what its port on the bridge is called.
    @discardableResult
    func connect(
        _ node: Holder, addresses: [IPAddress], lengths: [IPFamily: Int], wire: Int = 0, routers: [IPAddress] = [],
        plug: Int? = nil
    ) throws -> String {
        plugged = plug ?? plugged + 1
        // The kernel allows fifteen bytes; names of real nodes are longer.
        let port = node.name.utf8.count <= 12 ? "to-\(node.name)" : "to-\(plugged)"
        host.namespaces[node.name] = node.namespace
        let peer = Link.Peer(Self.uplink, in: node.name, mtu: 1500)
        try host.carryOut([
            .add(.link(Link(port, .veth(peer: peer), mtu: 1500, master: Self.bridge(wire), makesLinkLocal: false)))
        ])
        // The kernel's own link-local address could not be used for a second or two (duplicate address detection), and a router
        // without one cannot ask for its neighbours: the first packets to cross would wait.
        var wanted: State = [.link(Link(Self.uplink, .veth(peer: nil), mtu: 1500, makesLinkLocal: false))]
        let linkLocal = IPAddress.v6(IPv6Address(rawValue: 0xFE80 << 112 | UInt128(plugged)))
        wanted.insert(.address(Address(InterfaceAddress(linkLocal, length: 64), on: Self.uplink)))
        for address in addresses {
            let length = lengths[address.family] ?? address.family.bitWidth
            wanted.insert(.address(Address(InterfaceAddress(address, length: length), on: Self.uplink)))
        }
        for router in routers {
            wanted.insert(.route(Route(.all(router.family), via: router, device: Self.uplink, proto: Self.routeProtocol)))
        }
        let inside = try KernelHost(node.namespace)
        let outcome = try inside.settle(wanted, owned: Ownership(links: [Self.uplink]))
        if let refusal = outcome.refusals.first { throw refusal.kernelError }
        try host.settleCarrier(of: port)
        for address in addresses { try inside.settleAddress(address) }
        return port
    }
}

extension Fabric {
    /// Pulls a node's cable out, for good. Its namespace may outlive it a while, and with it the link.
    static func unplug(_ port: String, from fabric: Holder) throws {
        let host = try KernelHost(fabric.namespace)
        guard let link = try host.observe(Interest([])).link(port) else { return }
        try host.carryOut([.remove(.link(link))])
    }

    /// Gives a node other addresses on the wire that it is plugged in to. What somebody took away or added before is no fault: this is
    /// also how such a node is mended.
    ///
    /// - Parameter routers: the default routes go with the last address of a family, and are made again.
    static func renumber(
        _ node: Holder, from old: [IPAddress], to new: [IPAddress], lengths: [IPFamily: Int], routers: [IPAddress]
    ) throws {
        let inside = try KernelHost(node.namespace)
        func address(_ address: IPAddress) -> HostNetwork.Object {
            .address(Address(InterfaceAddress(address, length: lengths[address.family] ?? address.family.bitWidth), on: uplink))
        }
        let there = Set(try inside.observe(Interest([.addresses])).addresses.filter { $0.link == uplink }.map(\.address.address))
        try inside.carryOut(
            old.filter(there.contains).map { .remove(address($0)) }
                + new.filter { !there.contains($0) }.map { .add(address($0)) })
        for address in old { try inside.unsettleAddress(address) }
        for address in new { try inside.settleAddress(address) }
        let wanted = routers.map { Route(.all($0.family), via: $0, device: uplink, proto: routeProtocol) }
        let kept = try inside.observe(Interest([.routes])).routes
        try inside.carryOut(
            wanted.filter { route in !kept.contains { $0.prefix == route.prefix && $0.gateway == route.gateway } }
                .map { .add(.route($0)) })
    }
}

extension KernelHost {
    /// Carries out the changes; the first refusal is an error.
    func carryOut(_ changes: [HostNetwork.Change]) throws {
        if let refusal = try apply(changes).first { throw refusal.kernelError }
    }
}
