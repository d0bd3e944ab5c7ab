import Addressing
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan

/// The addresses that an agent puts on `lo`, so that packets to them end on this node.
protocol LoopbackHolding: Sendable {
    /// Makes these the ones that are there, of those that are ours, which the kernel knows by who made them (`IFA_PROTO`).
    ///
    /// - Parameter resting: those that are left as they are, there or not.
    /// - Returns: the steps that were carried out; none when it was so already.
    /// - Throws: the first refusal.
    func hold(_ addresses: Set<IPAddress>, resting: Set<IPAddress>) throws -> [HostNetwork.Change]
}

extension LoopbackHolding {
    func hold(_ addresses: Set<IPAddress>) throws -> [HostNetwork.Change] { try hold(addresses, resting: []) }
}

struct LoopbackAddresses: LoopbackHolding {
    let namespace: NetworkNamespace

    /// Every namespace has it.
    static let link = "lo"

    func hold(_ addresses: Set<IPAddress>, resting: Set<IPAddress>) throws -> [HostNetwork.Change] {
        let host = try KernelHost(namespace)
        let there = try host.observe(Interest([.addresses], links: [Self.link])).addresses.filter { $0.link == Self.link }
        let ours = there.filter { $0.proto == PacketPath.addressProtocol }
        // Somebody else's address serves as well, and stays when it is not ours to keep.
        let missing = addresses.subtracting(there.map(\.address.address)).subtracting(resting)
        let steps =
            ours.filter { !addresses.union(resting).contains($0.address.address) }.map { HostNetwork.Change.remove(.address($0)) }
            + missing.sorted().map { .add(.address(Self.address($0))) }
        guard !steps.isEmpty else { return [] }
        if let refusal = try host.apply(steps).first(where: { !$0.isDone }) { throw refusal }
        return steps
    }

    /// No source of what the node itself sends elsewhere: in IPv4 by its scope, in IPv6 because it is deprecated.
    static func address(_ address: IPAddress) -> Address {
        Address(
            InterfaceAddress(host: address), on: link, scope: .host, isDeprecated: true,
            proto: PacketPath.addressProtocol)
    }
}
