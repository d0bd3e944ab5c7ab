import CNI
import Cluster
import Logging
import Netlink
import Plan
import Synchronization

// MARK: - Without being asked

extension PodService {
    /// Ends what began and could not end, carries out what couriers left because no agent answered them, and forgets what no
    /// longer matters. What cannot be done now is a problem and stays for the next time.
    func tidy() {
        var found: [Problem] = []
        for id in ledger.withLock({ $0.leaving }).sorted() {
            found += attempt("take away \(id), whose addresses are held until then") { try finish(id) }
        }
        found += carryOutQueue()
        found += endForgotten()
        found += attempt("make the node's ports lead to their pods") { try settlePorts() }
        found += shadowing()
        for address in ledger.withLock({ $0.forgetRested(at: surroundings.now()) }) {
            found += attempt("forget that \(address) rested") { try store.forgetRest(of: address) }
        }
        publish(found)
    }

    /// Configurations that the runtime takes before ours, once ours is there.
    private func shadowing() -> [Problem] {
        guard let installation, Disk.isThere(installation.configurationPath) else { return [] }
        var found: [Problem] = []
        found += attempt("look for other plugins' configurations in \(installation.configurations)") {
            guard let first = try installation.rivals().min() else { return }
            found.append(
                Problem(
                    .pluginShadowed, nil,
                    "the runtime takes \(installation.configurations)/\(first) before \(installation.name), and gives its pods to another plugin"
                ))
        }
        return found
    }

    /// What cannot be done is a problem when ``tidy()`` finds it as well.
    func lookAtPorts() {
        do { try settlePorts() } catch { logger.warning("ports", metadata: ["error": "\(error)"]) }
    }

    private func publish(_ found: [Problem]) {
        let before = problems.withLock { problems in
            let before = problems
            problems = found
            return before
        }
        // Once for each change: what stays wrong must not have the node looked at for ever.
        guard before != found else { return }
        for problem in found where !before.contains(problem) {
            logger.error("cannot tidy", metadata: ["problem": "\(problem)"])
        }
        changed()
    }

    private func carryOutQueue() -> [Problem] {
        let (waiting, unreadable): ([QueuedDeletions.Deletion], [QueuedDeletions.Unreadable])
        do {
            (waiting, unreadable) = try queue.all()
        } catch {
            return [Problem(.deletionUnreadable, nil, "\(queue.directory): \(error)")]
        }
        var found: [Problem] = []
        // Each waits some milliseconds for the kernel.
        let refused = Mutex<[Problem]>([])
        sideBySide(waiting) { [self] deletion in
            let problems = attempt("carry out the deletion of \(deletion.attachment) that waits") {
                try carryOutClaimed(deletion)
            }
            refused.withLock { $0 += problems }
        }
        // In an order that is the same whoever was first: what was said before is not said again.
        found += refused.withLock { $0.sorted() }
        for file in unreadable {
            var isKnown = false
            let problems = attempt("carry out the deletion \(file.path) that waits") { isKnown = try carryOut(nameless: file) }
            found += problems
            if !isKnown, problems.isEmpty { found.append(Problem(.deletionUnreadable, nil, "\(file.path): \(file.reason)")) }
        }
        return found
    }

    /// A call that is at work on the same attachment is no problem: it does what is to be done, or the next time does.
    private func attempt(_ what: String, _ step: () throws -> Void) -> [Problem] {
        do {
            try step()
        } catch let failure as Failure where failure.code == .tryAgainLater {
        } catch {
            return [Problem(.changeRefused, nil, "\(what): \(error)")]
        }
        return []
    }

    /// Attachments whose DEL never came: the pod's namespace is gone, and with it the link, and where the runtime said the namespace
    /// was there is none. A pod that lost its link and lives keeps its addresses: it is a problem of its own.
    private func endForgotten() -> [Problem] {
        let (records, busy) = ledger.withLock { ($0.records, $0.busy.union($0.leaving)) }
        let suspects = records.values.filter { !busy.contains($0.attachment.id) && !Disk.isThere($0.namespacePath) }
        guard !suspects.isEmpty else { return [] }
        var found: [Problem] = []
        found += attempt("look for the links of pods whose namespace is gone") {
            let links = try dataplane.podLinks()
            for id in suspects.map(\.attachment.id).sorted() where links[id.link] == nil {
                found += attempt("take away \(id), whose namespace is gone") {
                    try whileClaimed(id) {
                        guard ledger.withLock({ $0.records[id] }) == records[id] else { return }
                        try takeAway(id)
                        logger.info("took away an attachment whose namespace is gone", metadata: ["attachment": "\(id)"])
                    }
                }
            }
        }
        return found
    }

    private func finish(_ id: Plan.Attachment.ID) throws {
        try whileClaimed(id) {
            guard ledger.withLock({ $0.leaving.contains(id) }) else { return }
            try takeAway(id)
        }
    }

    private func carryOutClaimed(_ deletion: QueuedDeletions.Deletion) throws {
        try whileClaimed(Plan.Attachment.ID(deletion.attachment)) {
            // An ADD may have carried it out since the list was made: what is attached now is not meant.
            guard let waiting = try queue.deletion(of: deletion.attachment) else { return }
            try carryOut(waiting)
        }
    }

    /// A long name is cut in the file's name, and its content is damaged: one of those we know may be meant.
    ///
    /// - Returns: whether one was.
    private func carryOut(nameless file: QueuedDeletions.Unreadable) throws -> Bool {
        if case .system = file.reason { return false }
        for id in ledger.withLock({ Array($0.records.keys) }) {
            let attachment = try CNI.Attachment(containerID: id.container, interface: id.interface)
            guard queue.path(of: attachment) == file.path, let deletion = try queue.deletion(of: attachment) else { continue }
            try carryOutClaimed(deletion)
            return true
        }
        return false
    }

    /// Of a claimed attachment.
    func carryOut(_ waiting: QueuedDeletions.Deletion) throws {
        if case .failure(let damage) = waiting.request {
            logger.warning(
                "a deletion that waited is carried out by its file's name",
                metadata: ["attachment": "\(waiting.attachment)", "reason": "\(damage)"])
        }
        try takeAway(Plan.Attachment.ID(waiting.attachment))
        try queue.remove(waiting)
        logger.info("carried out a deletion that waited", metadata: ["attachment": "\(waiting.attachment)"])
    }
}
