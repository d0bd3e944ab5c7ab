import Addressing
import Glibc
import Netlink
import Plan

/// The attachments of this node on disk, one file each, and the addresses that rest.
///
/// ```
/// <state>/attachments/<container>:<interface>           attached: its address is held
/// <state>/attachments/.<container>:<interface>.adding   an ADD that has not been answered yet
/// <state>/resting/<address>                             given back at the time in the file, in ms since the machine started
/// ```
/// Files come and go by rename and unlink, so that an agent killed between any two system calls finds either the old or the new.
/// An unanswered ADD failed in the runtime's eyes: at the next start it is taken back. The directory is under `/run`: a reboot
/// ends all pods and this with them, so nothing is synchronized to a disk.
struct AddressStore {
    let directory: String

    private var attachments: String { directory + "/attachments" }
    private var resting: String { directory + "/resting" }

    init(directory: String) throws(KernelError) {
        self.directory = directory
        try Disk.makeDirectory(directory)
        try Disk.makeDirectory(attachments)
        try Disk.makeDirectory(resting)
    }

    /// - Throws: why nothing can be written down.
    func probe() throws(KernelError) { try Disk.probe(attachments) }

    /// What a start finds.
    struct Contents {
        var attached: [AttachmentRecord] = []
        var unanswered: [AttachmentRecord] = []
        /// Since when each address rests.
        var resting: [IPAddress: Duration] = [:]
        /// Files that are no records of this release: they stay where they are, and the addresses in them are not known.
        var unreadable: [UnreadableRecord] = []
    }

    /// What can still be said of a record that cannot be read.
    struct UnreadableRecord: Hashable {
        var path: String
        /// The link it is about, by the file's name.
        var link: String
    }

    /// Takes away what a kill left half written, and reads the rest.
    func contents() throws(KernelError) -> Contents {
        var contents = Contents()
        for name in try Disk.names(in: attachments) {
            let path = "\(attachments)/\(name)"
            let isDraft = name.hasPrefix(".")
            if let record = (try? Disk.read(path)).flatMap(AttachmentRecord.init(bytes:)) {
                if isDraft { contents.unanswered.append(record) } else { contents.attached.append(record) }
            } else if isDraft {
                // It comes to be whole: this is somebody else's, and holds nothing.
                try? Disk.remove(path)
            } else {
                contents.unreadable.append(UnreadableRecord(path: path, link: Self.link(ofFile: name)))
            }
        }
        for name in try Disk.names(in: resting) {
            guard let address = IPAddress(name), let bytes = try? Disk.read("\(resting)/\(name)"),
                let milliseconds = Int64(String(decoding: bytes, as: UTF8.self))
            else { continue }
            contents.resting[address] = .milliseconds(milliseconds)
        }
        return contents
    }
}

// MARK: - Attachments

extension AddressStore {
    /// An ADD begins: from here on its addresses are spoken for.
    func begin(_ record: AttachmentRecord) throws(KernelError) {
        for step in steps(beginning: record) { try step.carryOut() }
    }

    /// The ADD is done and will be answered.
    func commit(_ record: AttachmentRecord) throws(KernelError) {
        let steps = steps(committing: record)
        try steps[0].carryOut()
        // That its addresses rested no longer matters to anybody: an attached address is held, whatever else is written.
        for step in steps.dropFirst() { try? step.carryOut() }
    }

    /// The attachment is gone from the kernel; its addresses rest from now on.
    ///
    /// - Returns: why it could not be written down that they rest, if so: with a full disk a pod has to be able to end. Only an
    ///   agent that starts anew gives them out early then.
    @discardableResult
    func remove(_ record: AttachmentRecord, at now: Duration) throws(KernelError) -> KernelError? {
        var refusal: KernelError?
        for address in record.attachment.addresses {
            do {
                for step in steps(resting: address, at: now) { try step.carryOut() }
            } catch {
                refusal = error
            }
        }
        for step in steps(removing: record) { try step.carryOut() }
        return refusal
    }

    /// Nothing is attached under this name, whatever is written down.
    func remove(_ id: Plan.Attachment.ID) throws(KernelError) {
        try Disk.remove(path(id))
        try Disk.remove(draft(id))
    }

    /// An address has rested long enough that nobody asks.
    func forgetRest(of address: IPAddress) throws(KernelError) { try Disk.remove(path(resting: address)) }

    func steps(beginning record: AttachmentRecord) -> [DiskStep] {
        DiskStep.writing(record.bytes, to: draft(record.attachment.id))
    }

    func steps(committing record: AttachmentRecord) -> [DiskStep] {
        let id = record.attachment.id
        return [.rename(draft(id), to: path(id))] + record.attachment.addresses.map { .remove(path(resting: $0)) }
    }

    /// To be done for each address before ``steps(removing:)``: it rests before it is free.
    func steps(resting address: IPAddress, at now: Duration) -> [DiskStep] {
        let milliseconds = now.components.seconds * 1000 + now.components.attoseconds / 1_000_000_000_000_000
        return DiskStep.writing(Array("\(milliseconds)".utf8), to: path(resting: address))
    }

    func steps(removing record: AttachmentRecord) -> [DiskStep] {
        let id = record.attachment.id
        return [.remove(path(id)), .remove(draft(id))]
    }
}

// MARK: - Names

extension AddressStore {
    /// Container IDs have no limit, file names have: a long one is told apart by the name of its link, which is a hash of it.
    private static func name(_ id: Plan.Attachment.ID) -> String {
        let full = id.description
        return full.utf8.count > 180 ? "\(full.prefix(150)):\(id.interface):\(id.link)" : full
    }

    private static func link(ofFile name: String) -> String {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 3, let last = parts.last, PacketPath.isPodLink(last) { return last }
        return Plan.Attachment.ID(container: parts.first ?? "", interface: parts.dropFirst().first ?? "").link
    }

    private func path(_ id: Plan.Attachment.ID) -> String { "\(attachments)/\(Self.name(id))" }
    private func draft(_ id: Plan.Attachment.ID) -> String { "\(attachments)/.\(Self.name(id)).adding" }
    private func path(resting address: IPAddress) -> String { "\(resting)/\(address)" }
}
