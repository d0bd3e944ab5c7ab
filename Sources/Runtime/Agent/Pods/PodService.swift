import Addressing
import CNI
import Cluster
import Glibc
import Logging
import Netlink
import Plan
import Synchronization

/// Attaches pods and takes them away: the one place that gives out addresses and makes links.
///
/// Called by the courier's workers, several at a time: the book is behind a lock, the kernel's work is done outside it, so that
/// a hundred removals wait for the kernel together and not one after the other.
final class PodService: Sendable {
    let ledger: Mutex<PodLedger>
    let store: AddressStore
    let queue: QueuedDeletions
    private let namespace: NetworkNamespace
    let dataplane: any PodDataplane
    private let ports: PortKeeper
    private let connections: any PortConnections
    /// Who lets pods talk, where that is this agent's duty.
    private let policies: PolicyKeeper?
    /// Who lets them ask for names on this node, where that is.
    private let names: LocalNameKeeper?
    let installation: PluginInstallation?
    let surroundings: Surroundings
    let logger: Logger
    /// Called when a call has ended that changed what is attached, or what is wrong.
    let changed: @Sendable () -> Void
    /// What could not be done without being asked, as of the last time.
    let problems = Mutex<[Problem]>([])
    /// Records that could not be read at the start.
    let unreadable: [AddressStore.UnreadableRecord]
    private let mode: PodMode

    /// Takes back what an agent that was killed had begun and not answered, as far as the kernel lets it: the rest is held,
    /// and ``tidy()`` tries again.
    ///
    /// - Parameters:
    ///   - dataplane: who makes the links; the kernel unless a test says otherwise.
    ///   - tables: where ports of the node are said; the kernel unless a test says otherwise.
    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, dataplane: (any PodDataplane)? = nil,
        tables: (any PortTables)? = nil, policies: PolicyKeeper? = nil, names: LocalNameKeeper? = nil,
        surroundings: Surroundings, logger: Logger, changed: @escaping @Sendable () -> Void
    ) throws(KernelError) {
        try settings.check()
        store = try AddressStore(directory: settings.stateDirectory)
        queue = QueuedDeletions(directory: settings.queueDirectory)
        var contents = try store.contents()
        self.namespace = namespace
        self.dataplane = dataplane ?? PodPlumbing(node: namespace)
        ports = PortKeeper(tables ?? KernelPortTables(namespace: namespace))
        connections = KernelPortConnections(namespace: namespace)
        (self.policies, self.names) = (policies, names)
        let tenants = (contents.attached + contents.unanswered).compactMap(\.tenant)
        policies?.begin(tenants)
        names?.begin(tenants)
        installation = settings.installation
        mode = settings.network.podMode
        self.surroundings = surroundings
        self.logger = logger
        self.changed = changed
        unreadable = contents.unreadable
        let now = surroundings.now()
        // Written before the machine was started again, on a disk that outlived it.
        for (address, since) in contents.resting where since > now { contents.resting[address] = now }
        ledger = Mutex(
            PodLedger(
                attached: contents.attached, unanswered: contents.unanswered, resting: contents.resting, rest: settings.rest,
                mode: settings.network.podMode))
        for record in contents.unanswered {
            let id = record.attachment.id
            do {
                try takeAway(id)
                logger.info("took back an unanswered ADD", metadata: ["attachment": "\(id)"])
            } catch {
                logger.error("an unanswered ADD is still there", metadata: ["attachment": "\(id)", "error": "\(error)"])
            }
        }
    }
}

extension PodService: AttachmentBook {
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        ledger.withLock { $0.adopt(prefixes: prefixes, mtu: mtu, reserved: reserved) }
    }

    func attachments() -> Attachments {
        let (records, busy, leaving, claims) = ledger.withLock { ($0.records, $0.busy, $0.leaving, $0.claims) }
        // A record that was unreadable at the start may have been deleted or made anew since.
        let lost = unreadable.filter { lost in
            Disk.isThere(lost.path) && !records.keys.contains { $0.link == lost.link }
        }
        return Attachments(
            // Of what is half taken away nothing is to be kept, and nothing to be done by anybody but us.
            all: records.filter { !leaving.contains($0.key) }.mapValues(\.attachment), busy: busy.union(leaving), claims: claims,
            held: Set((busy.union(leaving)).flatMap { records[$0]?.attachment.addresses ?? [] }),
            lost: Dictionary(lost.map { ($0.link, $0.path) }) { first, _ in first }, problems: problems.withLock { $0 })
    }
}

// MARK: - Verbs

extension PodService {
    func add(_ invocation: Invocation, _ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws
        -> CourierResponse
    {
        let pod = try namespace(of: descriptor, invocation)
        guard pod.identity != namespace.identity else {
            throw Failure(.badEnvironment, "CNI_NETNS is the node's own namespace", details: "a pod has a namespace of its own")
        }
        let previous = try invocation.configuration.previousDocument
        let wishes = try PodWishes(invocation)
        let dns = try invocation.configuration.dns
        let id = Plan.Attachment.ID(attachment)
        return try whileClaimed(id) {
            // A runtime may use a container's name again: its old deletion must not come after the new ADD.
            if let waiting = try queue.deletion(of: attachment) { try carryOut(waiting) }
            // What an earlier ADD left because the kernel did not let it go.
            if ledger.withLock({ $0.leaving.contains(id) }) { try takeAway(id) }
            if let lost = unreadable.first(where: { $0.link == id.link && Disk.isThere($0.path) }) {
                throw Failure(
                    .refused, "\(id) is attached already, and its record cannot be read",
                    details: "DEL it first; see \(lost.path)")
            }
            var record = try take(id, invocation, wishes)
            do {
                try store.begin(record)
                if let tenant = record.tenant {
                    try policies?.admit(tenant)
                    names?.admit(tenant)
                }
                // Before the link: its settings let in what the table's guard has to stop, and the first packet has to pass.
                if record.attachment.isNamedInTables { try settlePorts() }
                do {
                    try dataplane.make(record.attachment, in: pod)
                } catch let taken as DefaultRouteTaken where wishes.isDefault == nil {
                    record = try makeSecond(record, wishes, in: pod, after: taken)
                }
                try store.commit(record)
                // A cache of what was decided: what cannot be ended now runs out by itself.
                try? connections.end(before: record.attachment)
            } catch {
                giveBack(id, after: error)
                throw error
            }
            logger.debug("attached", metadata: ["attachment": "\(id)", "pod": "\(record.pod)"])
            let result = result(record, sandbox: invocation.namespacePath, dns: dns)
            return .success(result, invocation.configuration.version, after: previous)
        }
    }

    /// Another plugin has given the pod its first interface: ours is made again, as one of its others.
    private func makeSecond(
        _ record: AttachmentRecord, _ wishes: PodWishes, in pod: NetworkNamespace, after taken: DefaultRouteTaken
    ) throws -> AttachmentRecord {
        let id = record.attachment.id
        try dataplane.remove(link: id.link)
        if record.attachment.isBridged { try dataplane.forget(record.attachment) }
        guard let record = ledger.withLock({ $0.giveUpDefaultRoute(id, routes: wishes.routes) }) else { throw taken }
        try store.begin(record)
        try dataplane.make(record.attachment, in: pod)
        return record
    }

    /// Of an ADD that was refused. When it cannot be done now the record stays, so that nobody else gets the addresses while a
    /// link may carry them: the next DEL, GC or ``tidy()`` ends it.
    private func giveBack(_ id: Plan.Attachment.ID, after error: any Error) {
        do {
            // A link that was there before is not ours to remove.
            try takeAway(id, hasLink: !(error is LinkTaken))
        } catch {
            logger.error(
                "an ADD that was refused cannot be taken back yet", metadata: ["attachment": "\(id)", "error": "\(error)"])
        }
    }

    /// Takes the attachment away. Nothing there is as good as taken away.
    ///
    /// - Parameter descriptor: the pod's namespace, where it is there still.
    func delete(_ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor? = nil) throws {
        let id = Plan.Attachment.ID(attachment)
        try whileClaimed(id) {
            if let descriptor { leave(id, descriptor) }
            try takeAway(id)
        }
    }

    /// A pod that lives on without this interface must not look for its table. That it cannot be done keeps no pod from ending: the next
    /// ADD of the interface takes away what is left.
    private func leave(_ id: Plan.Attachment.ID, _ descriptor: NamespaceDescriptor) {
        guard let attachment = ledger.withLock({ $0.records[id]?.attachment }), attachment.reach != .everything else { return }
        do {
            let pod = try Self.namespace(descriptor)
            guard pod.identity != namespace.identity else { return }
            try dataplane.leave(attachment, in: pod)
        } catch {
            logger.warning("rules stay in a pod", metadata: ["attachment": "\(id)", "error": "\(error)"])
        }
    }

    /// Compares both ends of the pod's link with what they should be.
    func check(_ invocation: Invocation, _ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws {
        let id = Plan.Attachment.ID(attachment)
        let (record, isBusy, isLeaving) = ledger.withLock { ($0.records[id], $0.busy.contains(id), $0.leaving.contains(id)) }
        if isBusy { throw Self.busy(id) }
        guard let record, !isLeaving else { throw Failure(.unknownContainer, "\(id) is not attached", details: "ADD it again") }
        if let fault = try invocation.configuration.previousResult.flatMap({ Self.fault(in: $0, of: record) }) {
            throw Failure(.differs, "prevResult is not what ADD answered for \(id)", details: fault)
        }
        let pod = try namespace(of: descriptor, invocation)
        let mtu = try invocation.configuration.previousResult?.interface(of: record.attachment)?.mtu
        let held = ledger.withLock { ledger in
            Set(ledger.records.values.lazy.map(\.attachment).filter { !$0.isBridged }.flatMap(\.addresses))
        }
        let (inNode, inPod) = try dataplane.differences(of: record.attachment, mtu: mtu, besides: held, in: pod)
        let inTables = record.attachment.isNamedInTables ? try portDifferences() : []
        guard inNode.isEmpty, inPod.isEmpty, inTables.isEmpty else {
            let found = inNode.map { "node: \($0)" } + inPod.map { "pod: \($0)" } + inTables.map { "tables: \($0)" }
            throw Failure(.differs, "the network of \(id) is not as it was made", details: found.joined(separator: "; "))
        }
    }

    /// What the chain's result says of our interface must be what it is. Addresses and routes of other plugins are theirs; a result
    /// without addresses says nothing of them.
    private static func fault(in result: AttachmentResult, of record: AttachmentRecord) -> String? {
        let attachment = record.attachment
        if let interface = result.interface(of: attachment), let mac = interface.mac, MACAddress(mac) != attachment.podMAC {
            return """
                \(interface.name) has the MAC \(attachment.podMAC), and there \(mac): the node reaches the pod by the first alone; a plugin \
                behind us must not change it, ask for it by the capability “mac”
                """
        }
        let listed = result.ips.compactMap { InterfaceAddress($0.address)?.address }
        guard !listed.isEmpty, let missing = attachment.addresses.first(where: { !listed.contains($0) }) else { return nil }
        return "the address \(missing) is missing in its ips"
    }

    func status() throws {
        guard ledger.withLock({ $0.isReady }) else {
            throw Failure(.unavailable, "the node's pod range is not known yet", details: "see the agent's log")
        }
        do {
            try store.probe()
            if mode == .bridge { try dataplane.checkBridge() }
        } catch {
            let failure = Self.failure(for: error)
            throw Failure(.unavailable, failure.message, details: failure.details)
        }
    }
}

// MARK: - Steps

extension PodService {
    /// Two calls about one attachment never run together. The one that came too late is told to come back, and a runtime does.
    func whileClaimed<Value>(_ id: Plan.Attachment.ID, _ body: () throws -> Value) throws -> Value {
        guard ledger.withLock({ $0.claim(id) }) else { throw Self.busy(id) }
        let value: Value
        do {
            defer { ledger.withLock { $0.release(id) } }
            value = try body()
        }
        // Not after a failure: what fails again whenever the node is looked at would have it looked at for ever.
        changed()
        return value
    }

    private static func busy(_ id: Plan.Attachment.ID) -> Failure {
        Failure(.tryAgainLater, "another call about \(id) is at work")
    }

    /// Of a claimed attachment. Also without a record there may be a link, and a record that cannot be read.
    ///
    /// Whatever it throws, the addresses stay held until it was called again and did not throw.
    func takeAway(_ id: Plan.Attachment.ID, hasLink: Bool = true) throws(KernelError) {
        ledger.withLock { $0.leave(id) }
        if hasLink { try dataplane.remove(link: id.link) }
        guard let record = ledger.withLock({ $0.records[id] }) else { return try store.remove(id) }
        if record.attachment.isBridged { try dataplane.forget(record.attachment) }
        if record.attachment.isNamedInTables { try settlePorts() }
        try? connections.end(answeredBy: record.attachment)
        policies?.release(id)
        names?.release(id)
        let now = surroundings.now()
        if let refusal = try store.remove(record, at: now) {
            // Rested all the same, as long as this agent runs.
            logger.warning("an address rests without a record", metadata: ["attachment": "\(id)", "error": "\(refusal)"])
        }
        ledger.withLock { $0.remove(id, at: now) }
        logger.debug("detached", metadata: ["attachment": "\(id)", "pod": "\(record.pod)"])
    }

    /// Makes the tables that name pods be as the book says.
    func settlePorts() throws(KernelError) {
        let changes = try ports.settle { ledger.withLock(\.named) }
        for change in changes { logger.debug("ports", metadata: ["step": "\(change)"]) }
    }

    private func portDifferences() throws -> [String] {
        try ports.differences { ledger.withLock(\.named) }
    }

    /// A descriptor of our own: the courier's goes with its request.
    private func namespace(of descriptor: NamespaceDescriptor?, _ invocation: Invocation) throws -> NetworkNamespace {
        guard let descriptor else {
            throw Failure(.badEnvironment, "CNI_NETNS “\(invocation.namespacePath ?? "")” did not come along as a descriptor")
        }
        return try Self.namespace(descriptor)
    }

    private static func namespace(_ descriptor: NamespaceDescriptor) throws(KernelError) -> NetworkNamespace {
        let own = fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0)
        guard own >= 0 else { throw KernelError(Errno(rawValue: errno), "hold the pod's namespace") }
        return NetworkNamespace(Descriptor(owning: own))
    }

    /// Takes addresses for a claimed attachment, waiting a while for ones that rest.
    private func take(
        _ id: Plan.Attachment.ID, _ invocation: Invocation, _ wishes: PodWishes
    ) throws -> AttachmentRecord {
        let arguments = invocation.arguments
        let pod = [arguments["K8S_POD_NAMESPACE"], arguments["K8S_POD_NAME"]].compactMap(\.self).joined(separator: "/")
        let deadline = surroundings.now() + .seconds(5)
        while true {
            let now = surroundings.now()
            let attaching = ledger.withLock {
                $0.attach(
                    id, network: invocation.configuration.name, namespacePath: invocation.namespacePath ?? "", pod: pod,
                    uid: arguments["K8S_POD_UID"] ?? "", wishes: wishes, at: now)
            }
            switch attaching {
            case .attached(let record): return record
            case .resting(let time), .unavailable(_, .resting(let time, _)):
                guard time <= deadline else { throw failure(for: attaching, of: id, at: now) }
                pause(time - now)
            default: throw failure(for: attaching, of: id, at: now)
            }
        }
    }

    /// This is a worker's own thread: it may sleep.
    private func pause(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
    }
}

extension AttachmentResult {
    /// The pod's end, as the chain's result has it.
    fileprivate func interface(of attachment: Plan.Attachment) -> Interface? {
        interfaces.first { $0.name == attachment.id.interface && $0.sandbox != nil }
    }
}

extension Plan.Attachment.ID {
    init(_ attachment: CNI.Attachment) {
        self.init(container: attachment.containerID, interface: attachment.interface)
    }
}
