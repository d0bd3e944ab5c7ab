import Addressing
import CNI
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan

/// What the verbs do to the kernel, and how they say what came of it.
extension PodService {
    /// Both ends, from nothing.
    func build(_ attachment: Plan.Attachment, _ pod: NetworkNamespace) throws {
        let network = PodNetwork(attachment)
        let node = try KernelHost(namespace)
        node.namespaces = [PodNetwork.podNamespace: pod]
        try carryOut(difference(from: State(), to: network.node, owned: NodePlan.ownership), on: node)
        let inside = try KernelHost(pod)
        // The link is there already, made as the other end's peer: it is only set up.
        var made: State = [.link(Link("lo", .loopback, isUp: false))]
        if case .link(var link)? = network.pod[.link(attachment.id.interface)] {
            link.isUp = false
            link.makesLinkLocal = true
            made.insert(.link(link))
        }
        let owned = Ownership(links: ["lo", attachment.id.interface], proto: PacketPath.routeProtocol)
        try carryOut(difference(from: made, to: network.pod, owned: owned), on: inside)
        // The kernel has acknowledged all of it and not done all of it: without these a pod's first packets can be lost.
        try node.settleCarrier(of: attachment.link)
        for address in attachment.addresses { try inside.settleAddress(address) }
    }

    private func carryOut(_ changes: [HostNetwork.Change], on host: KernelHost) throws {
        if let refusal = try host.apply(changes).first { throw refusal.kernelError }
    }

    func differences(
        _ desired: State, _ namespace: NetworkNamespace, _ owned: Ownership, link: String
    ) throws -> [HostNetwork.Change] {
        let observed = try KernelHost(namespace).observe(Interest(in: desired)).filter { desired[$0.key] != nil }
        return difference(from: observed, to: desired, owned: owned)
    }

    /// Its addresses, routes and neighbours, and the pod's end, go with it. One that is gone already is as good as removed.
    static func removeLink(_ name: String, in namespace: NetworkNamespace) throws(KernelError) {
        do {
            let host = try KernelHost(namespace)
            let refusals = try host.apply([.remove(.link(Link(name, .veth(peer: nil))))])
            guard let refusal = refusals.first, refusal.code != .noSuchDevice else { return }
            throw refusal.kernelError
        } catch let error as KernelError {
            throw error
        } catch {
            throw KernelError(.inputOutput, "remove link \(name)", explanation: "\(error)")
        }
    }

    func result(_ record: AttachmentRecord, sandbox: String?) -> AttachmentResult {
        let attachment = record.attachment
        let families = attachment.addresses.map(\.family)
        return AttachmentResult(
            interfaces: [
                .init(name: attachment.link, mac: attachment.nodeMAC.description, mtu: attachment.mtu),
                .init(name: attachment.id.interface, mac: attachment.podMAC.description, mtu: attachment.mtu, sandbox: sandbox),
            ],
            ips: attachment.addresses.map {
                .init(
                    address: InterfaceAddress(host: $0).description, gateway: PacketPath.podGateway($0.family).description,
                    interface: 1)
            },
            routes: families.map {
                .init(destination: IPPrefix.all($0).description, gateway: PacketPath.podGateway($0).description)
            })
    }
}
