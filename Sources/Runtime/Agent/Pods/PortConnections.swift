import Addressing
import Netlink
import Plan

/// Where connections by ports of the node are ended that lead to where they no longer should.
protocol PortConnections: Sendable {
    /// The pod is gone, and so are its ports.
    func end(answeredBy gone: Plan.Attachment) throws
    /// The pod's ports have just come to be.
    func end(before new: Plan.Attachment) throws
}

/// In the kernel. A pod without a port of UDP or SCTP costs no look.
struct KernelPortConnections: PortConnections {
    let namespace: NetworkNamespace

    func end(answeredBy gone: Plan.Attachment) throws { try end(HostPorts.flows(answeredBy: gone)) }

    func end(before new: Plan.Attachment) throws {
        guard new.ports.contains(where: { $0.transport != .tcp }) else { return }
        let addresses = try NetlinkSocket(.route, in: namespace).list(AddressMessage(all: .any), operation: "list addresses")
        try end(HostPorts.flows(before: new, nodeAddresses: addresses.compactMap { $0.address?.address }))
    }

    private func end(_ flows: Set<ServiceFlow>) throws {
        guard !flows.isEmpty else { return }
        try KernelConnections(in: namespace).end(flows)
    }
}
