package import HostNetwork
import HostNetworkKernel
package import Netlink
package import Plan

/// Who makes a pod's link and takes it away.
protocol PodDataplane: Sendable {
    /// Makes both ends. What was made before something was refused stays: ``remove(link:)`` takes it away.
    ///
    /// - Throws: ``LinkTaken`` when nothing was made, because a link of that name is there.
    func make(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws

    /// Addresses, routes and neighbours, and the pod's end, go with it. One that is gone already is as good as removed.
    func remove(link: String) throws(KernelError)

    /// Takes away what does not go with the link: a bridged pod's entries on the bridge. Those that are gone are as good as removed.
    func forget(_ attachment: Plan.Attachment) throws(KernelError)

    /// The node's ends that are there, by their looks.
    func podLinks() throws(KernelError) -> Set<String>

    /// What would have to be done for both ends to be as they were made.
    func differences(
        of attachment: Plan.Attachment, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change])
}

/// A pod's network in the kernel: ``PodNetwork`` made true in two namespaces. The agent attaches pods with it, and the benchmark
/// measures it.
package struct PodPlumbing: PodDataplane {
    private let node: NetworkNamespace
    private let settings: SettingsFolder
    private let remover: LinkRemover
    /// The kernel makes one link at a time, whoever asks. While two are at it, one can get ready as the other is served; more would
    /// wait in the kernel and keep its processors busy with waiting.
    private let lanes = Lanes(2)

    /// - Parameter node: the namespace of the node's ends.
    package init(node: NetworkNamespace) {
        self.node = node
        settings = SettingsFolder(of: node)
        remover = LinkRemover(in: node, group: PacketPath.leavingLinks)
    }

    package func make(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {
        try lanes.enter { try makeNow(attachment, in: pod) }
    }

    private func makeNow(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {
        let host = try KernelHost(node, settings: settings)
        let network = try Self.network(attachment, on: host)
        host.namespaces = [PodNetwork.podNamespace: pod]
        if attachment.isBridged { try makeBridge(for: attachment, on: host) }
        let refusals = try host.apply(difference(from: State(), to: network.node, owned: NodePlan.ownership))
        if let refusal = refusals.first {
            throw try obstacle(attachment, pod, refusals, on: host) ?? refusal.kernelError
        }
        // Before the link goes up: what it must not do it never does.
        let inside = try KernelHost(pod, setting: network.pod.sysctls.sorted { $0.path < $1.path })
        inside.takeIndices(from: host, as: PodNetwork.podNamespace)
        let changes = difference(from: Self.made(attachment, network), to: network.pod, owned: Self.ownership(of: attachment))
        // A rule outlives the interface it was for: an earlier attachment of the same name has left it.
        let unexpected = try inside.apply(changes).first { refusal in
            if case .add(.rule) = refusal.change { refusal.code != .exists } else { true }
        }
        if let unexpected { throw unexpected.kernelError }
        // The kernel has acknowledged all of it and not done all of it: without these a pod's first packets can be lost.
        try host.settleCarrier(of: attachment.link)
        if attachment.isBridged { try host.settleCarrier(of: PacketPath.podBridge) }
        for address in attachment.addresses { try inside.settleAddress(address) }
    }

    package func remove(link: String) throws(KernelError) {
        do { try remover.remove(link) } catch { guard error.code == .noSuchDevice else { throw error } }
    }

    package func forget(_ attachment: Plan.Attachment) throws(KernelError) {
        let gone: Set<Refusal.Code> = [.noSuchObject, .noSuchEntry, .noSuchDevice]
        do {
            let objects = PodNetwork(attachment).node.objects.values.filter { $0.podAddressOnBridge != nil }
            let refusals = try KernelHost(node).apply(objects.sorted(by: >).map(Change.remove))
            if let refusal = refusals.first(where: { !gone.contains($0.code) }) { throw refusal.kernelError }
        } catch let error as KernelError {
            throw error
        } catch {
            throw KernelError(.inputOutput, "take \(attachment.id) off the bridge", explanation: "\(error)")
        }
    }

    package func podLinks() throws(KernelError) -> Set<String> {
        Set(try NetlinkSocket(.route, in: node).links().compactMap(\.name).filter(PacketPath.isPodLink))
    }

    package func differences(
        of attachment: Plan.Attachment, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change]) {
        let network = try Self.network(attachment, on: KernelHost(node))
        return (
            try Self.steps(in: node, to: network.node, owned: NodePlan.ownership(links: [attachment.link])),
            try Self.steps(in: pod, to: network.pod, owned: Self.ownership(of: attachment))
        )
    }
}

extension PodPlumbing {
    private static func network(_ attachment: Plan.Attachment, on host: KernelHost) throws -> PodNetwork {
        guard attachment.isBridged else { return PodNetwork(attachment) }
        let settings = try host.observe(Interest([], sysctls: PodBridge.filterSettings, links: []))
        return PodNetwork(attachment, filtersBridges: PodBridge.isFiltered(settings))
    }

    /// The reconciler keeps it; a pod may come before its first round.
    private func makeBridge(for attachment: Plan.Attachment, on host: KernelHost) throws {
        let name = PacketPath.podBridge
        switch try host.observe(Interest([], links: [name])).link(name)?.kind {
        case .bridge: return
        case nil:
            let state = PodBridge.state(attachment.bridgedRanges, mtu: attachment.mtu)
            let refusals = try host.apply(difference(from: State(), to: state, owned: NodePlan.ownership))
            // Somebody else was faster.
            if let refusal = refusals.first, refusal.code != .exists { throw refusal.kernelError }
        case let kind?:
            throw KernelError(
                .fileExists, "make the pods' bridge \(name)", explanation: "the name belongs to a link of another kind, \(kind)",
                remedy: "remove that link, or start the agent with --pod-mode routed")
        }
    }

    private static func steps(
        in namespace: NetworkNamespace, to desired: State, owned: Ownership
    ) throws -> [HostNetwork.Change] {
        let observed = try KernelHost(namespace).observe(Interest(in: desired)).filter { desired[$0.key] != nil }
        return difference(from: observed, to: desired, owned: owned)
    }

    private static func ownership(of attachment: Plan.Attachment) -> Ownership {
        Ownership(
            links: ["lo", attachment.id.interface], proto: PacketPath.routeProtocol, qdiscHandle: PacketPath.qdiscHandle)
    }

    /// What is in the pod once the node's side is made: the link as the other end's peer, which is only to be set up, and the
    /// settings.
    private static func made(_ attachment: Plan.Attachment, _ network: PodNetwork) -> State {
        var made = State(network.pod.sysctls.map(Object.sysctl))
        made.insert(.link(Link("lo", .loopback, isUp: false)))
        if case .link(var link)? = network.pod[.link(attachment.id.interface)] {
            link.isUp = false
            link.makesLinkLocal = link.hasRoomForIPv6
            made.insert(.link(link))
        }
        return made
    }

    /// Whether the pair was refused because one of its names is taken: the kernel does not say which.
    private func obstacle(
        _ attachment: Plan.Attachment, _ pod: NetworkNamespace, _ refusals: [Refusal], on host: KernelHost
    ) throws -> LinkTaken? {
        guard let first = refusals.first, first.code == .exists, case .add(.link) = first.change else { return nil }
        if try KernelHost(pod).observe(Interest([])).link(attachment.id.interface) != nil {
            return LinkTaken(name: attachment.id.interface, end: .pod)
        }
        // A link that is not ours has got what was meant for ours.
        let refused = Set(refusals.map(\.change.object))
        let stray = PodNetwork(attachment).node.objects.values.filter { object in
            if case .sysctl = object { return false }
            return !refused.contains(object)
        }
        _ = try host.apply(stray.sorted(by: >).map(Change.remove))
        return LinkTaken(name: attachment.link, end: .node)
    }
}

/// A link could not be made because one of that name is there. Nothing was changed.
struct LinkTaken: Error, Hashable {
    var name: String
    var end: End

    enum End: Hashable { case node, pod }
}
