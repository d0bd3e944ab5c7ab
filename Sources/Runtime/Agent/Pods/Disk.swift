import Glibc
import Netlink

/// One system call's worth of change to the files: an agent may be killed between any two.
enum DiskStep: Hashable, Sendable {
    /// A new file beside the one that is meant; nobody reads it.
    case create(String, [UInt8])
    case rename(String, to: String)
    /// Another one that all may read, on the disk before this is done.
    case createPublic(String, [UInt8], mode_t)
    /// What is not there is as good as removed.
    case remove(String)

    /// A file as it is on disk now or as it was before: never half of it.
    static func writing(_ bytes: [UInt8], to path: String) -> [DiskStep] {
        let temporary = Disk.temporary(path)
        return [.create(temporary, bytes), .rename(temporary, to: path)]
    }

    func carryOut() throws(KernelError) {
        switch self {
        case .create(let path, let bytes): try Disk.create(path, bytes)
        case .createPublic(let path, let bytes, let mode): try Disk.create(path, bytes, mode: mode, isDurable: true)
        case .rename(let old, let new):
            guard Glibc.rename(old, new) == 0 else { throw Disk.refusal(errno, "rename \(old) to \(new)") }
        case .remove(let path): try Disk.remove(path)
        }
    }
}

/// The few things we do with files.
enum Disk {
    /// Whole or not at all.
    static func write(_ bytes: [UInt8], to path: String) throws(KernelError) {
        for step in DiskStep.writing(bytes, to: path) { try step.carryOut() }
    }

    static func read(_ path: String) throws(KernelError) -> [UInt8] {
        let file = try Descriptor.open(path)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(file.rawValue, &chunk, chunk.count)
            guard count >= 0 else { throw refusal(errno, "read \(path)") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    /// As ``makeDirectory(_:)``, for all to look into.
    static func makePublicDirectory(_ path: String) throws(KernelError) { try makeDirectory(path, mode: 0o755) }

    /// Makes the directories above it too, all for their owner only.
    static func makeDirectory(_ path: String, mode: mode_t = 0o700) throws(KernelError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        let code = errno
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw refusal(code, "make directory \(path)")
        }
        try makeDirectory(String(path[..<slash]), mode: mode)
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw refusal(errno, "make directory \(path)")
        }
    }

    /// The names in a directory, sorted. What a kill left of a file that was being written is taken away.
    static func names(in path: String) throws(KernelError) -> [String] {
        guard let stream = opendir(path) else { throw refusal(errno, "list \(path)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name == "." || name == ".." { continue }
            if name.hasPrefix(temporaryMark) { try remove("\(path)/\(name)") } else { names.append(name) }
        }
        return names.sorted()
    }

    /// With what to do about it, where the number tells.
    static func refusal(_ code: Int32, _ operation: String) -> KernelError {
        let remedy: String? =
            switch code {
            case EACCES, EPERM: "run the agent as root, or as the owner of that directory"
            case ENOSPC, EDQUOT: "make room on the disk it is on"
            case EROFS: "give the agent a state directory on a file system that can be written"
            case ENOTDIR: "a part of that path is a file: give the agent another state directory, or move the file"
            case ENOENT: "its directory is not there and cannot be made: give the agent another state directory"
            case EMFILE, ENFILE: "raise the limit of open files"
            default: nil
            }
        return KernelError(Errno(rawValue: code), operation, remedy: remedy)
    }

    /// Writes a byte into a directory and takes it away.
    static func probe(_ directory: String) throws(KernelError) {
        let path = temporary("\(directory)/probe")
        try create(path, [0])
        try remove(path)
    }

    static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func remove(_ path: String) throws(KernelError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw refusal(errno, "remove \(path)") }
    }

    /// At the beginning of the name, where no container ID and no address has it: an interface may be called `eth0.new`.
    private static let temporaryMark = "~"

    fileprivate static func temporary(_ path: String) -> String {
        let slash = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        return path[..<slash] + temporaryMark + path[slash...]
    }

    /// - Parameter isDurable: a power cut after this leaves it whole.
    fileprivate static func create(
        _ path: String, _ bytes: [UInt8], mode: mode_t = 0o600, isDurable: Bool = false
    ) throws(KernelError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else { throw refusal(errno, "write \(path)") }
        let written = Glibc.write(file, bytes, bytes.count)
        let code = errno
        // What the mask of the process took away.
        if mode != 0o600 { fchmod(file, mode) }
        if isDurable { fsync(file) }
        close(file)
        guard written == bytes.count else {
            unlink(path)
            throw refusal(written < 0 ? code : ENOSPC, "write \(path)")
        }
    }
}
