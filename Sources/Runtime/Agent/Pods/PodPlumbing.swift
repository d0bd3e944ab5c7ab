import Addressing
import HostNetwork
import HostNetworkKernel
package import Netlink
package import Plan

/// Who makes a pod's link and takes it away.
protocol PodDataplane: Sendable {
    /// Makes both ends. What was made before something was refused stays: ``remove(link:)`` takes it away.
    ///
    /// - Throws: ``LinkTaken`` when nothing was made, because a link of that name is there; ``DefaultRouteTaken``.
    func make(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws

    /// Addresses, routes and neighbours, and the pod's end, go with it. One that is gone already is as good as removed.
    func remove(link: String) throws(KernelError)

    /// Takes away what does not go with the link: a bridged pod's entries on the bridge. Those that are gone are as good as removed.
    func forget(_ attachment: Plan.Attachment) throws(KernelError)

    /// Takes away what would stay in a pod that lives on: the rules of an interface without the default route.
    func leave(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws

    /// The node's ends that are there, by their looks, and the network that each says it is of: empty where it does not say.
    func podLinks() throws(KernelError) -> [String: String]

    /// - Throws: when pods cannot be ports of the bridge.
    func checkBridge() throws

    /// What would have to be done for both ends to be as they were made.
    ///
    /// - Parameters:
    ///   - mtu: of the pod's end, as the chain left it; `nil` when nobody said: then it may be smaller than it was made.
    ///   - held: addresses that pods have who are not on the bridge, which does without them.
    func differences(
        of attachment: Plan.Attachment, mtu: Int?, besides held: Set<IPAddress>, in pod: NetworkNamespace
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
        if attachment.reach != .everything {
            let stale = try Self.rules(of: attachment, inside).filter { network.pod[$0.key] == nil }
            _ = try inside.apply(stale.map(Change.remove))
        }
        // A rule outlives the interface it was for: an earlier attachment of the same name has left it.
        let unexpected = try inside.apply(changes).first { refusal in
            if case .add(.rule) = refusal.change { refusal.code != .exists } else { true }
        }
        if let unexpected {
            if let route = Self.defaultRoute(unexpected) { throw DefaultRouteTaken(route: route) }
            throw unexpected.kernelError
        }
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
            // Of the addresses alone: what it was given besides need not make sense any more.
            let plain = PodNetwork(Plan.Attachment(onBridge: attachment))
            let objects = plain.node.objects.values.filter { $0.podAddressOnBridge != nil }
            let refusals = try KernelHost(node).apply(objects.sorted(by: >).map(Change.remove))
            if let refusal = refusals.first(where: { !gone.contains($0.code) }) { throw refusal.kernelError }
        } catch let error as KernelError {
            throw error
        } catch {
            throw KernelError(.inputOutput, "take \(attachment.id) off the bridge", explanation: "\(error)")
        }
    }

    package func leave(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {
        let inside = try KernelHost(pod)
        let refusals = try inside.apply(try Self.rules(of: attachment, inside).map(Change.remove))
        // The pod may be at its end.
        if let refusal = refusals.first(where: { $0.code != .noSuchEntry }) { throw refusal.kernelError }
    }

    package func podLinks() throws(KernelError) -> [String: String] {
        var networks: [String: String] = [:]
        for link in try NetlinkSocket(.route, in: node).links() {
            guard let name = link.name, PacketPath.isPodLink(name) else { continue }
            networks[name] = link.alias.flatMap(Plan.Attachment.network(inAlias:)) ?? ""
        }
        return networks
    }

    package func checkBridge() throws { _ = try hasBridge(KernelHost(node)) }

    func differences(
        of attachment: Plan.Attachment, mtu: Int?, besides held: Set<IPAddress>, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change]) {
        var network = try Self.network(attachment, on: KernelHost(node))
        if attachment.isBridged {
            // Its MTU is of the pods that come.
            for object in PodBridge.state(attachment.bridgedRanges, mtu: attachment.mtu, held: held).objects.values {
                guard case .link(var bridge) = object else {
                    network.node.insert(object)
                    continue
                }
                bridge.mtu = nil
                network.node.insert(.link(bridge))
            }
        }
        if mtu != attachment.mtu, case .link(var link)? = network.pod[.link(attachment.id.interface)] {
            let there = try KernelHost(pod).observe(Interest([], links: [link.name])).link(link.name)?.mtu
            link.mtu = mtu ?? there.map { min($0, attachment.mtu) }
            network.pod.insert(.link(link))
        }
        let links: Set<String> = attachment.isBridged ? [attachment.link, PacketPath.podBridge] : [attachment.link]
        return (
            try Self.steps(in: node, to: network.node, owned: NodePlan.ownership(links: links)),
            try Self.steps(in: pod, to: network.pod, owned: Self.ownership(of: attachment))
        )
    }
}

extension PodDataplane {
    /// As it was made, where nobody else has a say.
    func differences(
        of attachment: Plan.Attachment, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change]) {
        try differences(of: attachment, mtu: attachment.mtu, besides: [], in: pod)
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
        guard try !hasBridge(host) else { return }
        let state = PodBridge.state(attachment.bridgedRanges, mtu: attachment.mtu)
        let refusals = try host.apply(difference(from: State(), to: state, owned: NodePlan.ownership))
        // Somebody else was faster.
        if let refusal = refusals.first, refusal.code != .exists { throw refusal.kernelError }
    }

    /// - Throws: when a link that is no bridge has its name.
    private func hasBridge(_ host: KernelHost) throws -> Bool {
        let name = PacketPath.podBridge
        switch try host.observe(Interest([], links: [name])).link(name)?.kind {
        case .bridge: return true
        case nil: return false
        case let kind?:
            throw KernelError(
                .fileExists, "make the pods' bridge \(name)", explanation: "the name belongs to a link of another kind, \(kind)",
                remedy: "remove that link, or start the agent with --pod-mode routed")
        }
    }

    /// Those that lead to the attachment's table, of whatever address.
    private static func rules(of attachment: Plan.Attachment, _ inside: KernelHost) throws -> [Object] {
        try inside.observe(Interest([.rules])).objects.values.filter { object in
            guard case .rule(let rule) = object else { return false }
            return rule.proto == PacketPath.routeProtocol && rule.table == attachment.routeTable
        }
    }

    /// The route that was refused because the pod has another of the kind.
    private static func defaultRoute(_ refusal: Refusal) -> Route? {
        guard refusal.code == .exists, case .add(.route(let route)) = refusal.change, route.prefix.length == 0,
            route.table == Route.mainTable
        else { return nil }
        return route
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

extension Plan.Attachment {
    /// What the bridge knows of it.
    fileprivate init(onBridge attachment: Self) {
        self.init(id: attachment.id, addresses: attachment.addresses, mtu: attachment.mtu, mac: attachment.askedMAC)
        bridgedRanges = attachment.bridgedRanges
    }
}

/// The pod has a default route that is not ours, in one of the attachment's families.
struct DefaultRouteTaken: Error, Hashable {
    var route: Route
}

/// A link could not be made because one of that name is there. Nothing was changed.
struct LinkTaken: Error, Hashable {
    var name: String
    var end: End

    enum End: Hashable { case node, pod }
}
