import Glibc

/// A system call that the kernel refused: which, on what, and its `errno`.
public struct SystemFailure: Error, Hashable, Sendable {
    /// The name of the call, as in its manual page.
    public var call: String
    /// The path or thing it was done to.
    public var object: String
    public var errno: Int32

    public init(_ call: String, _ object: String, errno: Int32) {
        self.call = call
        self.object = object
        self.errno = errno
    }

    /// With the `errno` of the call that just returned.
    static func last(_ call: String, _ object: String) -> SystemFailure {
        SystemFailure(call, object, errno: Glibc.errno)
    }
}

extension SystemFailure: CustomStringConvertible {
    public var description: String {
        var text = [CChar](repeating: 0, count: 128)
        // The XSI form, which fills the buffer: Swift's module of Glibc is built without _GNU_SOURCE.
        let known = strerror_r(errno, &text, text.count) == 0
        let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(call) \(object): \(known ? words : "errno \(errno)")"
    }
}
