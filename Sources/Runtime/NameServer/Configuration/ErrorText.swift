internal import Glibc

/// The C library's words for an error number.
enum ErrorText {
    static func of(_ code: Int32) -> String { String(cString: strerror(code)) }
}
