internal import CLinux
import Glibc

/// An open descriptor of a network namespace: closed with its last reference.
///
/// A path belongs to one view of the file system, a descriptor to nobody's: whoever holds it reaches the namespace, also from
/// a container that does not see the runtime's paths, and the namespace lives as long as it is held.
public final class NamespaceDescriptor: Sendable {
    /// Good as long as this value is held: keep it beyond the last call that uses the number.
    public let rawValue: Int32

    /// Which namespace it is, whatever path or descriptor led to it.
    public struct Identity: Hashable, Sendable {
        public var device: UInt64
        public var inode: UInt64
    }

    /// Takes the descriptor over. It must be a network namespace's: ask ``isNetworkNamespace(_:)``.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    /// Opens the namespace at a path such as `/run/netns/blue` or `/proc/1234/ns/net`.
    ///
    /// - Throws: `ENOTTY` when the file is there but is no network namespace.
    public convenience init(path: String) throws(SystemFailure) {
        // O_NONBLOCK: a path that turns out to be a pipe must not hold us.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .last("open", path) }
        guard Self.isNetworkNamespace(descriptor) else {
            close(descriptor)
            throw SystemFailure("open as a network namespace", path, errno: ENOTTY)
        }
        self.init(owning: descriptor)
    }

    deinit { close(rawValue) }

    public static func isNetworkNamespace(_ descriptor: Int32) -> Bool {
        clinux_namespace_kind(descriptor) == Int32(CLINUX_NAMESPACE_NETWORK)
    }

    public var identity: Identity {
        get throws(SystemFailure) {
            var status = stat()
            guard fstat(rawValue, &status) == 0 else { throw .last("fstat", "the namespace") }
            return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        }
    }
}
