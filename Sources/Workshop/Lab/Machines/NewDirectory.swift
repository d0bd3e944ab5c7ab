import Glibc
import Netlink

/// Makes directories that must not be there yet, and says what to do when they cannot be made.
enum NewDirectory {
    static func make(_ path: String) throws(LabError) {
        guard mkdir(path, 0o700) == 0 else { throw refusal(path, Errno(rawValue: errno)) }
    }

    static func refusal(_ path: String, _ code: Errno) -> LabError {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let remedy =
            switch code.rawValue {
            case EEXIST: "name a place that is not there yet with --directory"
            case ENOENT where access(parent, F_OK) != 0: "make the directory above it first: mkdir -p \(parent)"
            case ENOTDIR: "a part of this path is a file; name another place with --directory"
            case EACCES, EPERM, EROFS: "root must be able to write in \(parent); name another place with --directory"
            case ENOSPC, EDQUOT: "make room there, or name another place with --directory"
            case ENAMETOOLONG: "name a shorter path with --directory"
            default: "name another place with --directory"
            }
        return LabError(.directoryUnusable, "make \(path): \(code)", remedy: remedy)
    }
}
