import CLinux
import Glibc

/// A network namespace, held by a descriptor: it lives at least as long as this value.
///
/// No code runs "inside" a namespace. ``perform(_:)`` runs a short closure on a thread of its own that enters the namespace,
/// opens a socket or a file there, and ends; what was opened belongs to that namespace for life. Whoever is there already needs
/// no such thread.
public struct NetworkNamespace: Sendable {
    public let descriptor: Descriptor

    /// - Parameter descriptor: an open namespace file, such as one passed by another process.
    public init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// Opens a namespace file: `/proc/PID/ns/net`, or a path where one is bind-mounted.
    public init(path: String) throws(KernelError) {
        do {
            descriptor = try .open(path)
        } catch {
            throw error.during("enter network namespace")
        }
    }

    /// The calling process's own namespace.
    public static func current() throws(KernelError) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/self/ns/net")
    }

    /// A new, empty namespace: only `lo`, down. It vanishes with its last descriptor and process.
    public static func new() throws(KernelError) -> NetworkNamespace {
        try onThread { () throws(KernelError) in
            guard clinux_unshare(CLINUX_CLONE_NEWNET) == 0 else { throw KernelError(.current, "make a network namespace") }
            return try NetworkNamespace(path: "/proc/thread-self/ns/net")
        }
    }

    /// Runs the closure on a new thread that has entered this namespace, or here when the calling thread is in it; returns when
    /// it has ended.
    ///
    /// For opening things only. The closure must not suspend, and must not hand the thread to anybody.
    public func perform<Result>(_ body: () throws(KernelError) -> Result) throws(KernelError) -> Result {
        var status = stat()
        if stat("/proc/thread-self/ns/net", &status) == 0, Identity(status) == identity { return try body() }
        return try onThread { () throws(KernelError) in
            guard clinux_setns(descriptor.rawValue, CLINUX_CLONE_NEWNET) == 0 else {
                throw KernelError(.current, "enter network namespace")
            }
            return try body()
        }
    }

    /// Which namespace this is: two values with the same identity are the same namespace.
    public var identity: Identity {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else { return Identity(device: 0, inode: 0) }
        return Identity(status)
    }

    public struct Identity: Hashable, Sendable {
        public var device: UInt
        public var inode: UInt

        fileprivate init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }

        fileprivate init(device: UInt, inode: UInt) { (self.device, self.inode) = (device, inode) }
    }
}

/// Runs a closure on a new thread and waits for it.
func onThread<Result>(_ body: () throws(KernelError) -> Result) throws(KernelError) -> Result {
    var outcome: Swift.Result<Result, KernelError>?
    let started = withoutActuallyEscaping(
        { () -> Void in
            do throws(KernelError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
        },
        do: { escaping -> CInt in
            // Safe: the one reference is taken back by the thread, or released here when there is no thread.
            let box = Unmanaged.passRetained(Job(escaping))
            var thread = pthread_t()
            let code = pthread_create(&thread, nil, { Job.run($0) }, box.toOpaque())
            guard code == 0 else {
                box.release()
                return code
            }
            pthread_join(thread, nil)
            return 0
        })
    guard started == 0 else { throw KernelError(Errno(rawValue: started), "start a thread") }
    guard let outcome else { preconditionFailure("a joined thread left no outcome") }
    return try outcome.get()
}

private final class Job {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        // Safe: the pointer is the one that onThread retained for this thread, and nobody else takes it back.
        Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().body()
        return nil
    }
}
