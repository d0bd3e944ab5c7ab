import Glibc

/// The deletions that couriers left while the agent was away, one file each.
///
/// A file is named for its attachment, so that a runtime that repeats a DEL for an hour leaves one file. Couriers write, the
/// agent reads and removes; files come and go by rename and unlink, so neither sees half of one.
///
/// The agent carries them out before its endpoint listens, and, because a courier may write in the moment the agent starts,
/// once more thereafter. Before it serves an ADD it asks ``deletion(of:)``: some runtimes use a container's name again, and the
/// old deletion must not come after the new ADD.
public struct QueuedDeletions: Hashable, Sendable {
    public var directory: String

    public init(directory: String) { self.directory = directory }

    /// What a file asks. Its name says which attachment is meant, so that damage to what is in it keeps no pod from ending.
    public struct Deletion: Sendable {
        public var attachment: Attachment
        /// What the courier was to carry, or why it cannot be read: it is of another release, or damaged.
        public var request: Result<CourierRequest, Damage>
    }

    /// A file that cannot be carried out: neither its name nor its content tells the attachment, or the system refuses it.
    public struct Unreadable: Error, Hashable, Sendable {
        public var path: String
        public var reason: Damage
    }

    public enum Damage: Error, Hashable, Sendable {
        case malformed(CourierMalformation)
        case failure(Failure)
        /// Another try may succeed.
        case system(SystemFailure)
    }
}

extension QueuedDeletions {
    /// Leaves a deletion, durably: when it returns, it outlives a crash of the machine as far as the file system does.
    func add(_ request: CourierRequest, of attachment: Attachment) throws(SystemFailure) {
        guard let frame = try? request.frame() else { throw SystemFailure("write", directory, errno: EMSGSIZE) }
        try makeDirectory(directory)
        let path = path(of: attachment)
        let draft = "\(directory)/.\(Self.name(of: attachment)).\(getpid())"
        do throws(SystemFailure) {
            try Self.write(frame, to: draft)
            guard rename(draft, path) == 0 else { throw SystemFailure.last("rename", draft) }
        } catch {
            unlink(draft)
            throw error
        }
        try Self.synchronize(directory, flags: O_RDONLY | O_DIRECTORY)
    }

    /// What waits, and what waits in vain: those files stay. A missing directory is an empty one.
    public func all() throws(SystemFailure) -> (deletions: [Deletion], unreadable: [Unreadable]) {
        var deletions: [Deletion] = []
        var unreadable: [Unreadable] = []
        for name in try names() {
            let path = "\(directory)/\(name)"
            do {
                if let deletion = try read(path, meaning: Self.attachment(named: name)) { deletions.append(deletion) }
            } catch {
                unreadable.append(error)
            }
        }
        return (deletions, unreadable)
    }

    /// The deletion of one attachment, if one waits.
    ///
    /// - Throws: what the system answered. Whether one waits is not known then.
    public func deletion(of attachment: Attachment) throws(Unreadable) -> Deletion? {
        try read(path(of: attachment), meaning: attachment)
    }

    /// It was carried out. Removing what is not there changes nothing.
    public func remove(_ deletion: Deletion) throws(SystemFailure) {
        try remove(path(of: deletion.attachment))
    }

    /// Where the deletion of an attachment waits.
    public func path(of attachment: Attachment) -> String { "\(directory)/\(Self.name(of: attachment))" }
}

// MARK: - Files

extension QueuedDeletions {
    /// Neither part of an attachment holds a colon. Container IDs have no limit, file names have 255 bytes: a long one is cut
    /// and told apart by its FNV-1a hash.
    private static func name(of attachment: Attachment) -> String {
        let full = attachment.description
        guard full.utf8.count > 200 else { return full }
        let hash = full.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return "\(attachment.containerID.prefix(150)):\(String(hash, radix: 16)):\(attachment.interface)"
    }

    /// `nil` for a name that was cut, or means no attachment.
    private static func attachment(named name: String) -> Attachment? {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        return try? Attachment(containerID: String(parts[0]), interface: String(parts[1]))
    }

    /// Sorted, without the drafts, which begin with a dot as no container ID does.
    private func names() throws(SystemFailure) -> [String] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return [] }
            throw .last("opendir", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// `nil` when the file is gone.
    ///
    /// - Parameter attachment: the one its name means, where it tells.
    private func read(_ path: String, meaning attachment: Attachment?) throws(Unreadable) -> Deletion? {
        let bytes: [UInt8]
        do {
            bytes = try Self.bytes(of: path)
        } catch {
            if error.errno == ENOENT { return nil }
            throw Unreadable(path: path, reason: .system(error))
        }
        do throws(Damage) {
            let (request, asked) = try Self.deletion(in: bytes)
            if self.path(of: asked) == path { return Deletion(attachment: asked, request: .success(request)) }
            throw Damage.malformed(.environment)
        } catch {
            guard let attachment else { throw Unreadable(path: path, reason: error) }
            return Deletion(attachment: attachment, request: .failure(error))
        }
    }

    private static func deletion(in bytes: [UInt8]) throws(Damage) -> (CourierRequest, Attachment) {
        let request: CourierRequest
        do { request = try CourierRequest(frame: bytes) } catch { throw .malformed(error) }
        let attachment: Attachment?
        do { attachment = try request.invocation.attachment } catch { throw .failure(error) }
        guard let attachment else { throw .malformed(.environment) }
        return (request, attachment)
    }

    private func remove(_ path: String) throws(SystemFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .last("unlink", path) }
    }

    private static func bytes(of path: String) throws(SystemFailure) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw .last("open", path) }
        defer { close(file) }
        return try readToEnd(
            file, limit: CourierFrame.headerSize + CourierFrame.environmentLimit + NetworkConfiguration.sizeLimit, path)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(SystemFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .last("open", path) }
        defer { close(file) }
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw .last("write", path) }
            offset += written
        }
        guard fsync(file) == 0 else { throw .last("fsync", path) }
    }

    private static func synchronize(_ path: String, flags: Int32) throws(SystemFailure) {
        let file = open(path, flags | O_CLOEXEC)
        guard file >= 0 else { throw .last("open", path) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw .last("fsync", path) }
    }
}

extension QueuedDeletions.Damage: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed(.version(let found)): "it is of protocol \(found), we read \(CourierFrame.version)"
        case .malformed: "it is no deletion that a courier left, or not all of it"
        case .failure(let failure): failure.description
        case .system(let failure): failure.description
        }
    }
}

/// Reads a file to its end, or to one byte past the limit.
public func readToEnd(_ file: Int32, limit: Int, _ name: String) throws(SystemFailure) -> [UInt8] {
    // Not an array of zeros: the pages that are not read into are never touched.
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 1)
    defer { chunk.deallocate() }
    var bytes: [UInt8] = []
    while bytes.count <= limit {
        let received = read(file, chunk.baseAddress, chunk.count)
        if received < 0, errno == EINTR { continue }
        guard received >= 0 else { throw .last("read", name) }
        if received == 0 { break }
        bytes += chunk[..<received]
    }
    return bytes
}
