import CLinux
import Glibc

extension NetlinkSocket {
    /// What came without having been asked for.
    enum Arrival {
        case messages([Message])
        /// Messages were lost (`ENOBUFS`), nobody knows how many.
        case overrun
    }

    /// What comes next; `nil` when nothing came within the timeout.
    ///
    /// - Parameter source: what is waited for, for errors.
    func arrival(within timeout: Duration, from source: String) throws(KernelError) -> Arrival? {
        var entry = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        let milliseconds = CInt(
            clamping: timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000)
        let ready = poll(&entry, 1, milliseconds)
        guard ready >= 0 else {
            if Errno.current == .interrupted { return nil }
            throw KernelError(.current, "wait for \(source)")
        }
        guard ready > 0 else { return nil }
        do {
            return .messages(try receive(wait: false, for: "read \(source)"))
        } catch {
            guard error.code == .noBufferSpace else { throw error }
            return .overrun
        }
    }
}
