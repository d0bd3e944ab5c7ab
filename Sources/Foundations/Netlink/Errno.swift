import CLinux
import Glibc

/// A number by which the kernel says no.
///
/// Matches in `catch`: `catch Errno.fileExists { … }` catches a ``KernelError`` whose code it is.
public struct Errno: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The calling thread's errno: read it right after the call that failed.
    static var current: Errno { Errno(rawValue: errno) }
}

extension Errno {
    /// `EPERM`
    public static let notPermitted = Errno(rawValue: EPERM)
    /// `ENOENT`
    public static let noSuchObject = Errno(rawValue: ENOENT)
    /// `ESRCH`
    public static let noSuchEntry = Errno(rawValue: ESRCH)
    /// `EINTR`
    public static let interrupted = Errno(rawValue: EINTR)
    /// `EIO`
    public static let inputOutput = Errno(rawValue: EIO)
    /// `EAGAIN`
    public static let wouldBlock = Errno(rawValue: EAGAIN)
    /// `EBUSY`
    public static let busy = Errno(rawValue: EBUSY)
    /// `EEXIST`
    public static let fileExists = Errno(rawValue: EEXIST)
    /// `ENODEV`
    public static let noSuchDevice = Errno(rawValue: ENODEV)
    /// `EINVAL`
    public static let invalidArgument = Errno(rawValue: EINVAL)
    /// `EMSGSIZE`
    public static let messageTooLong = Errno(rawValue: EMSGSIZE)
    /// `EOPNOTSUPP`
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    /// `EADDRNOTAVAIL`
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    /// `ENETUNREACH`
    public static let networkUnreachable = Errno(rawValue: ENETUNREACH)
    /// `ENOBUFS`: a socket's receive buffer overflowed and messages are lost.
    public static let noBufferSpace = Errno(rawValue: ENOBUFS)
    /// `ERESTART`: nf_tables changed between what we read and what we wrote. Never seen by other calls.
    public static let restart = Errno(rawValue: ERESTART)
    /// `EBADMSG`: what came is no message.
    public static let badMessage = Errno(rawValue: EBADMSG)

    public static func ~= (code: Errno, error: any Error) -> Bool {
        (error as? KernelError)?.code == code
    }
}

extension Errno: CustomStringConvertible {
    /// The C library's words for the number, in lower case as our own messages are.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard strerror_r(rawValue, &buffer, buffer.count) == 0 else { return "error \(rawValue)" }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return text.isEmpty ? "error \(rawValue)" : text.prefix(1).lowercased() + text.dropFirst()
    }
}
