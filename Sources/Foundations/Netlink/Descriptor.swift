public import Glibc

/// An open file descriptor with one owner: closed when the owner goes.
public final class Descriptor: Sendable {
    public let rawValue: CInt

    /// Takes ownership: nobody else may close it.
    public init(owning rawValue: CInt) { self.rawValue = rawValue }

    deinit { close(rawValue) }

    public static func open(_ path: String, _ flags: CInt = O_RDONLY) throws(KernelError) -> Descriptor {
        let descriptor = Glibc.open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw KernelError(.current, "open \(path)") }
        return Descriptor(owning: descriptor)
    }
}
