import CLinux
import Glibc

/// A file without a name, that somebody else writes.
final class MemoryFile: Sendable {
    let descriptor: CInt

    init() { descriptor = clinux_memory_file("output") }

    /// What is in it, as far as 16 MiB.
    var text: String {
        let size = min(max(0, Int(lseek(descriptor, 0, SEEK_END))), 1 << 24)
        var bytes = [UInt8](repeating: 0, count: size)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, size, 0) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    deinit { close(descriptor) }
}
