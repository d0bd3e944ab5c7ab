import CNI
import Logging
import Netlink
import Plan
import Synchronization

// MARK: - GC

extension PodService {
    /// Takes away everything that is not in the list and belongs to the network.
    ///
    /// - Throws: the first of what could not be taken away, by name, after all was tried.
    func collectGarbage(keeping valid: [CNI.Attachment], network: String) throws {
        let kept = Set(valid.map(Plan.Attachment.ID.init))
        let doomed = ledger.withLock { ledger in
            ledger.records.values.filter { $0.attachment.network == network && !kept.contains($0.attachment.id) }.map(
                \.attachment.id)
        }
        let failures = Mutex<[String: any Error]>([:])
        // Each waits some milliseconds for the kernel.
        sideBySide(doomed) { [self] id in
            do {
                try delete(CNI.Attachment(containerID: id.container, interface: id.interface))
            } catch {
                failures.withLock { $0[id.description] = error }
            }
        }
        let strays = try strays(of: network, keeping: kept)
        sideBySide(strays) { [self] link in
            do { try removeStray(link) } catch { failures.withLock { $0[link] = error } }
        }
        if let first = failures.withLock({ $0.min { $0.key < $1.key }?.value }) { throw first }
    }

    /// Links that say they are of the network, and that neither the runtime nor a record that can be read names. One that does not say
    /// whose it is may be another network's, whose pod runs and which this list does not name: it stays.
    private func strays(of network: String, keeping valid: Set<Plan.Attachment.ID>) throws(KernelError) -> [String] {
        let (records, busy) = ledger.withLock { ($0.records, $0.busy) }
        let known = Set((Array(records.keys) + Array(busy) + Array(valid)).map(\.link))
        return try dataplane.podLinks().filter { $0.value == network && !known.contains($0.key) }.keys.sorted()
    }

    private func removeStray(_ link: String) throws(KernelError) {
        // One that an ADD has made since the list was.
        guard !ledger.withLock({ ledger in ledger.records.keys.contains { $0.link == link } }) else { return }
        try dataplane.remove(link: link)
        // What is written down of it cannot be read, or it would be known.
        for record in unreadable where record.link == link { try Disk.remove(record.path) }
        logger.info("removed a link that is nobody's", metadata: ["link": "\(link)"])
    }
}
