import Glibc
import Netlink

/// Held by the one agent that works on a state directory; the kernel lets it go when the agent ends, however it ends.
///
/// A second agent would take back the ADDs that the first one is at work on.
struct StateLock {
    private let file: Descriptor

    /// - Throws: `Errno.wouldBlock` when another agent holds it.
    init(directory: String) throws(KernelError) {
        try Disk.makeDirectory(directory)
        let path = directory + "/lock"
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open \(path)") }
        file = Descriptor(owning: opened)
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            throw KernelError(
                Errno(rawValue: errno), "lock \(path)",
                explanation: "another agent works on this directory; stop it first: two on one node undo each other")
        }
    }
}
