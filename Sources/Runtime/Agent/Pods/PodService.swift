import Addressing
import CNI
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import Logging
import Netlink
import Plan
import Synchronization

/// Attaches pods and takes them away: the one place that gives out addresses and makes links.
///
/// Called by the courier's workers, several at a time: the book is behind a lock, the kernel's work is done outside it, so that
/// a hundred removals wait for the kernel together and not one after the other.
final class PodService: Sendable {
    private let ledger: Mutex<PodLedger>
    private let store: AddressStore
    private let namespace: NetworkNamespace
    private let surroundings: Surroundings
    private let logger: Logger

    /// Takes back what an agent that was killed had begun and not answered.
    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, surroundings: Surroundings, logger: Logger
    ) throws(KernelError) {
        store = try AddressStore(directory: settings.stateDirectory)
        var contents = try store.contents()
        self.namespace = namespace
        self.surroundings = surroundings
        self.logger = logger
        for path in contents.unreadable {
            logger.error("a record cannot be read and is left alone", metadata: ["path": "\(path)"])
        }
        let now = surroundings.now()
        for record in contents.unanswered {
            try Self.removeLink(record.attachment.link, in: namespace)
            try store.remove(record, at: now)
            for address in record.attachment.addresses { contents.resting[address] = now }
            logger.info("took back an unanswered ADD", metadata: ["attachment": "\(record.attachment.id)"])
        }
        for (address, since) in contents.resting where now - since > settings.rest * 10 {
            contents.resting[address] = nil
            store.forgetRest(of: address)
        }
        ledger = Mutex(PodLedger(attached: contents.attached, resting: contents.resting, rest: settings.rest))
    }

    /// The node's ranges and the MTU its pods get.
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        ledger.withLock { $0.adopt(prefixes: prefixes, mtu: mtu, reserved: reserved) }
    }

    /// Everything attached, and which of it a call is at work on.
    func attachments() -> (all: [Plan.Attachment.ID: Plan.Attachment], busy: Set<Plan.Attachment.ID>) {
        ledger.withLock { ($0.records.mapValues(\.attachment), $0.busy) }
    }
}

// MARK: - Verbs

extension PodService {
    func add(_ invocation: Invocation, _ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws
        -> AttachmentResult
    {
        guard let descriptor else {
            throw Failure(.badEnvironment, "CNI_NETNS \(invocation.namespacePath ?? "") could not be opened")
        }
        let pod = NetworkNamespace(Descriptor(owning: fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0)))
        guard pod.identity != namespace.identity else {
            throw Failure(.badEnvironment, "CNI_NETNS is the node's own namespace", details: "a pod has a namespace of its own")
        }
        let record = try begin(invocation, attachment)
        var undo = UndoStack()
        defer { undo.run() }
        undo.push { [self] in
            ledger.withLock { $0.remove(record.attachment.id, at: surroundings.now()) }
        }
        try store.begin(record)
        undo.push { [self] in
            do { try store.remove(record, at: surroundings.now()) } catch { logger.error("\(error)") }
        }
        undo.push { [self] in
            do { try Self.removeLink(record.attachment.link, in: namespace) } catch { logger.error("\(error)") }
        }
        try build(record.attachment, pod)
        try store.commit(record)
        undo.clear()
        ledger.withLock { $0.release(record.attachment.id) }
        logger.debug("attached", metadata: ["attachment": "\(record.attachment.id)", "pod": "\(record.pod)"])
        return result(record, sandbox: invocation.namespacePath)
    }

    /// Takes the attachment away. Nothing there is as good as taken away.
    func delete(_ attachment: CNI.Attachment) throws {
        let id = Plan.Attachment.ID(attachment)
        // A call about the same attachment ends soon; a runtime that is told to come back does.
        guard let record = ledger.withLock({ $0.reserve(id) }) else {
            guard ledger.withLock({ $0.busy.contains(id) }) else { return }
            throw Failure(.tryAgainLater, "another call about \(id) is at work")
        }
        do {
            try Self.removeLink(record.attachment.link, in: namespace)
            let now = surroundings.now()
            try store.remove(record, at: now)
            ledger.withLock { $0.remove(id, at: now) }
        } catch {
            ledger.withLock { $0.release(id) }
            throw error
        }
        logger.debug("detached", metadata: ["attachment": "\(id)", "pod": "\(record.pod)"])
    }

    /// Compares both ends of the pod's link with what they should be.
    func check(_ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws {
        let id = Plan.Attachment.ID(attachment)
        guard let record = ledger.withLock({ $0.records[id] }) else {
            throw Failure(.unknownContainer, "\(id) is not attached", details: "ADD it again")
        }
        guard let descriptor else { throw Failure(.badEnvironment, "CNI_NETNS could not be opened") }
        let pod = NetworkNamespace(Descriptor(owning: fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0)))
        let network = PodNetwork(record.attachment)
        let inNode = try differences(network.node, namespace, NodePlan.ownership, link: record.attachment.link)
        let inPod = try differences(
            network.pod, pod, Ownership(links: [id.interface], proto: PacketPath.routeProtocol), link: id.interface)
        guard inNode.isEmpty, inPod.isEmpty else {
            let found = inNode.map { "node: \($0)" } + inPod.map { "pod: \($0)" }
            throw Failure(.differs, "the network of \(id) is not as it was made", details: found.joined(separator: "; "))
        }
    }

    /// Takes away everything that is not in the list and belongs to the network.
    func collectGarbage(keeping valid: [CNI.Attachment], network: String) throws {
        let kept = Set(valid.map(Plan.Attachment.ID.init))
        let doomed = ledger.withLock { $0.records.values.filter { $0.network == network && !kept.contains($0.attachment.id) } }
        var failures: [any Error] = []
        for record in doomed {
            do {
                try delete(CNI.Attachment(containerID: record.attachment.id.container, interface: record.attachment.id.interface))
            } catch { failures.append(error) }
        }
        if let first = failures.first { throw first }
    }

    func status() throws {
        guard ledger.withLock({ $0.isReady }) else {
            throw Failure(.unavailable, "the node's pod range is not known yet", details: "see the agent's log")
        }
    }
}

// MARK: - Steps

extension PodService {
    /// Takes addresses, waiting a while for ones that rest.
    private func begin(_ invocation: Invocation, _ attachment: CNI.Attachment) throws -> AttachmentRecord {
        let id = Plan.Attachment.ID(attachment)
        let arguments = invocation.arguments
        let pod = [arguments["K8S_POD_NAMESPACE"], arguments["K8S_POD_NAME"]].compactMap(\.self).joined(separator: "/")
        let deadline = surroundings.now() + .seconds(5)
        while true {
            let now = surroundings.now()
            let beginning = ledger.withLock {
                $0.begin(
                    id, network: invocation.configuration.name, namespacePath: invocation.namespacePath ?? "", pod: pod, at: now)
            }
            switch beginning {
            case .begun(let record): return record
            case .alreadyAttached: throw Failure(.refused, "\(id) is attached already", details: "DEL it first")
            case .busy: throw Failure(.tryAgainLater, "another call about \(id) is at work")
            case .notReady:
                throw Failure(.tryAgainLater, "the node's pod range is not known yet", details: "see the agent's log")
            case .exhausted(let prefix, let holders):
                throw Failure(
                    .tryAgainLater, "no address is free in \(prefix)", details: "\(holders) are held by pods of this node")
            case .resting(let time):
                guard time <= deadline else {
                    throw Failure(.tryAgainLater, "every free address rests; the first is free in \(time - now)")
                }
                pause(time - now)
            }
        }
    }

    /// This is a worker's own thread: it may sleep.
    private func pause(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000) + 1)
        nanosleep(&time, nil)
    }

    /// Both ends, from nothing.
    private func build(_ attachment: Plan.Attachment, _ pod: NetworkNamespace) throws {
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

    private func differences(
        _ desired: State, _ namespace: NetworkNamespace, _ owned: Ownership, link: String
    ) throws -> [HostNetwork.Change] {
        let observed = try KernelHost(namespace).observe(Interest(in: desired)).filter { desired[$0.key] != nil }
        return difference(from: observed, to: desired, owned: owned)
    }

    /// Its addresses, routes and neighbours, and the pod's end, go with it. One that is gone already is as good as removed.
    private static func removeLink(_ name: String, in namespace: NetworkNamespace) throws(KernelError) {
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

    private func result(_ record: AttachmentRecord, sandbox: String?) -> AttachmentResult {
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

extension Plan.Attachment.ID {
    init(_ attachment: CNI.Attachment) {
        self.init(container: attachment.containerID, interface: attachment.interface)
    }
}

/// Steps to take back, the last one first, unless all went well.
struct UndoStack {
    private var steps: [() -> Void] = []

    mutating func push(_ step: @escaping () -> Void) { steps.append(step) }
    mutating func clear() { steps = [] }

    mutating func run() {
        while let step = steps.popLast() { step() }
    }
}
