import Glibc
import Netlink

/// Held by the one agent that works on a state directory; the kernel lets it go when the agent ends, however it ends.
///
/// A second agent would take back the ADDs that the first one is at work on.
struct StateLock {
    private let file: Descriptor

    /// - Throws: ``AgentConflict`` when another agent holds it.
    init(directory: String) throws {
        try Disk.makeDirectory(directory)
        let path = directory + "/lock"
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open \(path)") }
        file = Descriptor(owning: opened)
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            guard code == EWOULDBLOCK else { throw KernelError(Errno(rawValue: code), "lock \(path)") }
            throw AgentConflict(.directory(directory))
        }
    }
}
