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

    public struct Deletion: Sendable {
        public var attachment: Attachment
        public var request: CourierRequest
    }

    /// A file that cannot be carried out: of another release, or damaged.
    public struct Unreadable: Hashable, Sendable {
        public var path: String
        public var reason: Reason

        public enum Reason: Hashable, Sendable {
            case malformed(CourierMalformation)
            case failure(Failure)
            case system(SystemFailure)
        }
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

    /// What waits, and what waits in vain. A missing directory is an empty one.
    public func all() throws(SystemFailure) -> (deletions: [Deletion], unreadable: [Unreadable]) {
        var deletions: [Deletion] = []
        var unreadable: [Unreadable] = []
        for name in try names() {
            let path = "\(directory)/\(name)"
            do {
                if let deletion = try read(path) { deletions.append(deletion) }
            } catch {
                unreadable.append(Unreadable(path: path, reason: error.reason))
            }
        }
        return (deletions, unreadable)
    }

    /// The deletion of one attachment, if one waits.
    public func deletion(of attachment: Attachment) -> Deletion? {
        try? read(path(of: attachment))
    }

    /// It was carried out. Removing what is not there changes nothing.
    public func remove(_ deletion: Deletion) throws(SystemFailure) {
        try remove(path(of: deletion.attachment))
    }

    /// It was told to somebody.
    public func remove(_ unreadable: Unreadable) throws(SystemFailure) {
        try remove(unreadable.path)
    }
}

// MARK: - Files

extension QueuedDeletions {
    private struct Illegible: Error {
        var reason: Unreadable.Reason
    }

    /// Neither part of an attachment holds a colon. Container IDs have no limit, file names have 255 bytes: a long one is cut
    /// and told apart by its FNV-1a hash.
    private static func name(of attachment: Attachment) -> String {
        let full = attachment.description
        guard full.utf8.count > 200 else { return full }
        let hash = full.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return "\(attachment.containerID.prefix(150)):\(String(hash, radix: 16)):\(attachment.interface)"
    }

    private func path(of attachment: Attachment) -> String { "\(directory)/\(Self.name(of: attachment))" }

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
    private func read(_ path: String) throws(Illegible) -> Deletion? {
        let bytes: [UInt8]
        do {
            bytes = try Self.bytes(of: path)
        } catch {
            if error.errno == ENOENT { return nil }
            throw Illegible(reason: .system(error))
        }
        let request: CourierRequest
        do { request = try CourierRequest(frame: bytes) } catch { throw Illegible(reason: .malformed(error)) }
        let attachment: Attachment?
        do { attachment = try request.invocation.attachment } catch { throw Illegible(reason: .failure(error)) }
        guard let attachment, self.path(of: attachment) == path else { throw Illegible(reason: .malformed(.environment)) }
        return Deletion(attachment: attachment, request: request)
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

/// Reads a file to its end, or to one byte past the limit.
public func readToEnd(_ file: Int32, limit: Int, _ name: String) throws(SystemFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count <= limit {
        let received = chunk.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        if received < 0, errno == EINTR { continue }
        guard received >= 0 else { throw .last("read", name) }
        if received == 0 { break }
        bytes += chunk[..<received]
    }
    return bytes
}
