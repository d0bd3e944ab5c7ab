import CLinux
import Glibc

/// A network namespace, held by a descriptor: it lives at least as long as this value.
///
/// No code runs "inside" a namespace. ``perform(_:)`` runs a short closure on a thread that enters the namespace, opens a socket
/// or a file there, and leaves it; what was opened belongs to that namespace for life.
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
        // Of this thread: the process's first one may be on a visit at this moment.
        try NetworkNamespace(path: Self.ofThread)
    }

    private static let ofThread = "/proc/thread-self/ns/net"

    /// A new, empty namespace: only `lo`, down. It vanishes with its last descriptor and process.
    public static func new() throws(KernelError) -> NetworkNamespace {
        try onThread { () throws(KernelError) in
            guard clinux_unshare(CLINUX_CLONE_NEWNET) == 0 else { throw KernelError(.current, "make a network namespace") }
            return try NetworkNamespace(path: Self.ofThread)
        }
    }

    /// Runs the closure in this namespace; returns when it has ended.
    ///
    /// The calling thread goes there and back. One that could not come back, for want of the right, stays, and a new thread goes.
    /// For opening things only. The closure must not suspend, and must not hand the thread to anybody.
    public func perform<Result>(_ body: () throws(KernelError) -> Result) throws(KernelError) -> Result {
        var status = stat()
        if stat(Self.ofThread, &status) == 0, Identity(status) == identity { return try body() }
        if let home = try? NetworkNamespace.current() {
            // To enter where one is changes nothing, and asks for the same right as to come back.
            if home.isEntered() { return try visit(from: home, body) }
        }
        return try onThread { () throws(KernelError) in
            guard isEntered() else { throw KernelError(.current, "enter network namespace") }
            return try body()
        }
    }

    /// Cheaper than a thread that is made for it, woken and waited for: an agent does it for every pod.
    private func visit<Result>(
        from home: NetworkNamespace, _ body: () throws(KernelError) -> Result
    ) throws(KernelError) -> Result {
        guard isEntered() else { throw KernelError(.current, "enter network namespace") }
        defer {
            let isBack = home.isEntered()
            precondition(isBack, "a thread that may enter its namespace cannot come back into it")
        }
        return try body()
    }

    /// Puts the calling thread into this namespace, if it may.
    private func isEntered() -> Bool { clinux_setns(descriptor.rawValue, CLINUX_CLONE_NEWNET) == 0 }

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
            var thread = pthread_t()
            let code = Job(escaping).start(&thread)
            if code == 0 { pthread_join(thread, nil) }
            return code
        })
    guard started == 0 else { throw KernelError(Errno(rawValue: started), "start a thread") }
    guard let outcome else { preconditionFailure("a joined thread left no outcome") }
    return try outcome.get()
}

/// Calls the closure for each item, several at a time, each on a thread that may block, and returns when all have returned: for
/// calls that wait for the kernel and not for each other, such as the removal of links.
///
/// - Parameter limit: how many at a time.
public func sideBySide<Item: Sendable>(_ items: [Item], atMost limit: Int = 16, _ body: @escaping @Sendable (Item) -> Void) {
    precondition(limit > 0, "nobody to do it")
    let hands = max(1, min(limit, items.count))
    var threads: [pthread_t] = []
    for hand in 1..<hands {
        let own = stride(from: hand, to: items.count, by: hands).map { items[$0] }
        var thread = pthread_t()
        // Without another thread the work is done here.
        if Job({ own.forEach(body) }).start(&thread) == 0 { threads.append(thread) } else { own.forEach(body) }
    }
    for index in stride(from: 0, to: items.count, by: hands) { body(items[index]) }
    for thread in threads { pthread_join(thread, nil) }
}

private final class Job {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    /// A thread that runs this once and is to be joined. An error number, or zero.
    func start(_ thread: inout pthread_t) -> CInt {
        // Safe: the one reference is taken back by the thread, or released here when there is no thread.
        let box = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, { Job.run($0) }, box.toOpaque())
        if code != 0 { box.release() }
        return code
    }

    static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        // Safe: the pointer is the one that onThread retained for this thread, and nobody else takes it back.
        Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().body()
        return nil
    }
}
