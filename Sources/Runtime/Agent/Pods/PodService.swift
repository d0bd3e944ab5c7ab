import Addressing
import CNI
import Glibc
import HostNetwork
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
    private let queue: QueuedDeletions
    let namespace: NetworkNamespace
    private let surroundings: Surroundings
    private let logger: Logger
    /// Called when a call has ended that changed what is attached.
    private let changed: @Sendable () -> Void
    /// Records that could not be read at the start.
    private let unreadable: [AddressStore.UnreadableRecord]

    /// Takes back what an agent that was killed had begun and not answered.
    init(
        _ settings: AgentSettings, namespace: NetworkNamespace, surroundings: Surroundings, logger: Logger,
        changed: @escaping @Sendable () -> Void
    ) throws(KernelError) {
        store = try AddressStore(directory: settings.stateDirectory)
        queue = QueuedDeletions(directory: settings.queueDirectory)
        var contents = try store.contents()
        self.namespace = namespace
        self.surroundings = surroundings
        self.logger = logger
        self.changed = changed
        unreadable = contents.unreadable
        let now = surroundings.now()
        for record in contents.unanswered {
            try Self.removeLink(record.attachment.id.link, in: namespace)
            try store.remove(record, at: now)
            for address in record.attachment.addresses { contents.resting[address] = now }
            logger.info("took back an unanswered ADD", metadata: ["attachment": "\(record.attachment.id)"])
        }
        // Written before the machine was started again, on a disk that outlived it.
        for (address, since) in contents.resting where since > now { contents.resting[address] = now }
        ledger = Mutex(PodLedger(attached: contents.attached, resting: contents.resting, rest: settings.rest))
    }
}

extension PodService: AttachmentBook {
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        ledger.withLock { $0.adopt(prefixes: prefixes, mtu: mtu, reserved: reserved) }
    }

    func attachments() -> Attachments {
        let (records, busy, claims) = ledger.withLock { ($0.records, $0.busy, $0.claims) }
        // A record that was unreadable at the start may have been deleted or made anew since.
        let lost = unreadable.filter { lost in
            Disk.isThere(lost.path) && !records.keys.contains { $0.link == lost.link }
        }
        return Attachments(
            all: records.mapValues(\.attachment), busy: busy, claims: claims,
            lost: Dictionary(lost.map { ($0.link, $0.path) }) { first, _ in first })
    }
}

// MARK: - Verbs

extension PodService {
    func add(_ invocation: Invocation, _ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws
        -> AttachmentResult
    {
        let pod = try namespace(of: descriptor, invocation)
        guard pod.identity != namespace.identity else {
            throw Failure(.badEnvironment, "CNI_NETNS is the node's own namespace", details: "a pod has a namespace of its own")
        }
        let id = Plan.Attachment.ID(attachment)
        return try whileClaimed(id) {
            // A runtime may use a container's name again: its old deletion must not come after the new ADD.
            if let waiting = queue.deletion(of: attachment) { try carryOut(waiting) }
            let record = try take(id, invocation)
            var undo = UndoStack()
            defer { undo.run() }
            undo.push { [self] in ledger.withLock { $0.remove(id, at: surroundings.now()) } }
            try store.begin(record)
            undo.push { [self] in attempt { try store.remove(record, at: surroundings.now()) } }
            undo.push { [self] in attempt { try Self.removeLink(id.link, in: namespace) } }
            try build(record.attachment, pod)
            try store.commit(record)
            undo.clear()
            logger.debug("attached", metadata: ["attachment": "\(id)", "pod": "\(record.pod)"])
            return result(record, sandbox: invocation.namespacePath)
        }
    }

    /// Takes the attachment away. Nothing there is as good as taken away.
    func delete(_ attachment: CNI.Attachment) throws {
        let id = Plan.Attachment.ID(attachment)
        try whileClaimed(id) { try takeAway(id) }
    }

    /// Compares both ends of the pod's link with what they should be.
    func check(_ invocation: Invocation, _ attachment: CNI.Attachment, _ descriptor: NamespaceDescriptor?) throws {
        let id = Plan.Attachment.ID(attachment)
        let (record, isBusy) = ledger.withLock { ($0.records[id], $0.busy.contains(id)) }
        if isBusy { throw Self.busy(id) }
        guard let record else { throw Failure(.unknownContainer, "\(id) is not attached", details: "ADD it again") }
        let pod = try namespace(of: descriptor, invocation)
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

// MARK: - Without being asked

extension PodService {
    /// Carries out what couriers left because no agent answered them, and forgets what no longer matters. What cannot be done
    /// now is logged and stays for the next time.
    func tidy() {
        attempt {
            let (waiting, unreadable) = try queue.all()
            // Each waits some milliseconds for the kernel.
            sideBySide(waiting) { [self] deletion in attempt { try carryOutClaimed(deletion) } }
            for file in unreadable {
                logger.error("a waiting deletion cannot be read", metadata: ["path": "\(file.path)", "reason": "\(file.reason)"])
                try queue.remove(file)
            }
        }
        for address in ledger.withLock({ $0.forgetRested(at: surroundings.now()) }) {
            attempt { try store.forgetRest(of: address) }
        }
    }

    private func carryOutClaimed(_ deletion: QueuedDeletions.Deletion) throws {
        try whileClaimed(Plan.Attachment.ID(deletion.attachment)) {
            // An ADD may have carried it out since the list was made: what is attached now is not meant.
            guard let waiting = queue.deletion(of: deletion.attachment) else { return }
            try carryOut(waiting)
        }
    }
}

// MARK: - Steps

extension PodService {
    /// Two calls about one attachment never run together. The one that came too late is told to come back, and a runtime does.
    private func whileClaimed<Value>(_ id: Plan.Attachment.ID, _ body: () throws -> Value) throws -> Value {
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
    private func takeAway(_ id: Plan.Attachment.ID) throws {
        try Self.removeLink(id.link, in: namespace)
        guard let record = ledger.withLock({ $0.records[id] }) else { return try store.remove(id) }
        let now = surroundings.now()
        try store.remove(record, at: now)
        ledger.withLock { $0.remove(id, at: now) }
        logger.debug("detached", metadata: ["attachment": "\(id)", "pod": "\(record.pod)"])
    }

    /// Of a claimed attachment.
    private func carryOut(_ waiting: QueuedDeletions.Deletion) throws {
        try takeAway(Plan.Attachment.ID(waiting.attachment))
        try queue.remove(waiting)
        logger.info("carried out a deletion that waited", metadata: ["attachment": "\(waiting.attachment)"])
    }

    private func attempt(_ step: () throws -> Void) {
        do { try step() } catch { logger.error("a step was not possible", metadata: ["error": "\(error)"]) }
    }

    /// A descriptor of our own: the courier's goes with its request.
    private func namespace(of descriptor: NamespaceDescriptor?, _ invocation: Invocation) throws -> NetworkNamespace {
        guard let descriptor else {
            throw Failure(.badEnvironment, "CNI_NETNS “\(invocation.namespacePath ?? "")” did not come along as a descriptor")
        }
        let own = fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0)
        guard own >= 0 else { throw KernelError(Errno(rawValue: errno), "hold the pod's namespace") }
        return NetworkNamespace(Descriptor(owning: own))
    }

    /// Takes addresses for a claimed attachment, waiting a while for ones that rest.
    private func take(_ id: Plan.Attachment.ID, _ invocation: Invocation) throws -> AttachmentRecord {
        let arguments = invocation.arguments
        let pod = [arguments["K8S_POD_NAMESPACE"], arguments["K8S_POD_NAME"]].compactMap(\.self).joined(separator: "/")
        let deadline = surroundings.now() + .seconds(5)
        while true {
            let now = surroundings.now()
            let attaching = ledger.withLock {
                $0.attach(
                    id, network: invocation.configuration.name, namespacePath: invocation.namespacePath ?? "", pod: pod, at: now)
            }
            switch attaching {
            case .attached(let record): return record
            case .alreadyAttached: throw Failure(.refused, "\(id) is attached already", details: "DEL it first")
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
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
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
