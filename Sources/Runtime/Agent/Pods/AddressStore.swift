import Addressing
import Glibc
import Netlink
import Plan

/// The attachments of this node on disk, one file each, and the addresses that rest.
///
/// ```
/// <state>/attachments/<container>:<interface>           attached: its address is held
/// <state>/attachments/.<container>:<interface>.adding   an ADD that has not been answered yet
/// <state>/resting/<address>                             given back at the time in the file
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
        try Self.makeDirectory(directory)
        try Self.makeDirectory(attachments)
        try Self.makeDirectory(resting)
    }

    /// What a start finds.
    struct Contents {
        var attached: [AttachmentRecord] = []
        var unanswered: [AttachmentRecord] = []
        /// Since when each address rests.
        var resting: [IPAddress: Duration] = [:]
        /// Files that are no records of this release: they stay where they are, and the addresses in them are not known.
        var unreadable: [String] = []
    }

    func contents() throws(KernelError) -> Contents {
        var contents = Contents()
        for name in try Self.names(in: attachments) {
            let path = "\(attachments)/\(name)"
            guard name.hasPrefix(".") else {
                if let record = AttachmentRecord(bytes: try Self.read(path)) {
                    contents.attached.append(record)
                } else {
                    contents.unreadable.append(path)
                }
                continue
            }
            // A draft that was never whole never held anything.
            if let record = AttachmentRecord(bytes: try Self.read(path)) {
                contents.unanswered.append(record)
            } else {
                try Self.unlink(path)
            }
        }
        for name in try Self.names(in: resting) where !name.hasPrefix(".") {
            guard let address = IPAddress(name), let milliseconds = Int64(Self.text(try Self.read("\(resting)/\(name)"))) else {
                continue
            }
            contents.resting[address] = .milliseconds(milliseconds)
        }
        return contents
    }
}

// MARK: - Attachments

extension AddressStore {
    /// An ADD begins: from here on its addresses are spoken for.
    func begin(_ record: AttachmentRecord) throws(KernelError) {
        try Self.write(record.bytes, to: draft(record.attachment.id))
    }

    /// The ADD is done and will be answered.
    func commit(_ record: AttachmentRecord) throws(KernelError) {
        try Self.rename(draft(record.attachment.id), to: path(record.attachment.id))
        for address in record.attachment.addresses { forgetRest(of: address) }
    }

    /// The attachment is gone from the kernel; its addresses rest from now on.
    func remove(_ record: AttachmentRecord, at now: Duration) throws(KernelError) {
        let milliseconds = now.components.seconds * 1000 + now.components.attoseconds / 1_000_000_000_000_000
        for address in record.attachment.addresses {
            try Self.write(Array("\(milliseconds)".utf8), to: "\(resting)/\(address)")
        }
        try Self.unlink(path(record.attachment.id))
        try Self.unlink(draft(record.attachment.id))
    }

    /// An address that rested is in use again, or has rested long enough that nobody asks.
    func forgetRest(of address: IPAddress) { Glibc.unlink("\(resting)/\(address)") }

    /// Container IDs have no limit, file names have: a long one is told apart by the name of its link, which is a hash of it.
    private func name(_ id: Plan.Attachment.ID) -> String {
        let full = id.description
        guard full.utf8.count > 180 else { return full }
        return full.prefix(150) + ":" + Plan.Attachment(id: id, addresses: [], mtu: 0).link
    }

    private func path(_ id: Plan.Attachment.ID) -> String { "\(attachments)/\(name(id))" }
    private func draft(_ id: Plan.Attachment.ID) -> String { "\(attachments)/.\(name(id)).adding" }
}

// MARK: - Files

extension AddressStore {
    /// A file as it is on disk now or as it was before: never half of it.
    static func write(_ bytes: [UInt8], to path: String) throws(KernelError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw KernelError(Errno(rawValue: errno), "write \(temporary)") }
        let written = Glibc.write(file, bytes, bytes.count)
        let code = errno
        close(file)
        guard written == bytes.count else {
            Glibc.unlink(temporary)
            throw KernelError(written < 0 ? Errno(rawValue: code) : .inputOutput, "write \(temporary)")
        }
        try rename(temporary, to: path)
    }

    static func read(_ path: String) throws(KernelError) -> [UInt8] {
        let file = try Descriptor.open(path)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(file.rawValue, &chunk, chunk.count)
            guard count >= 0 else { throw KernelError(Errno(rawValue: errno), "read \(path)") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    private static func rename(_ old: String, to new: String) throws(KernelError) {
        guard Glibc.rename(old, new) == 0 else { throw KernelError(Errno(rawValue: errno), "rename \(old) to \(new)") }
    }

    private static func unlink(_ path: String) throws(KernelError) {
        guard Glibc.unlink(path) == 0 || errno == ENOENT else { throw KernelError(Errno(rawValue: errno), "remove \(path)") }
    }

    static func makeDirectory(_ path: String) throws(KernelError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw KernelError(Errno(rawValue: errno), "make directory \(path)")
        }
    }

    private static func names(in path: String) throws(KernelError) -> [String] {
        guard let stream = opendir(path) else { throw KernelError(Errno(rawValue: errno), "list \(path)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != "..", !name.hasSuffix(".new") { names.append(name) }
        }
        return names.sorted()
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
