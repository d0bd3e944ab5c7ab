import CLinux
import Glibc

/// The code that a program runs once, while it starts: linking, reading settings and certificates, the first TLS handshake.
enum StartupCode {
    /// Gives its pages back. What runs again comes back by itself, from the file's pages in memory.
    ///
    /// An idle agent holds some 30 MiB of libraries that it never runs again. Only what can be executed and not be written is
    /// given back: it is as the file has it (madvise(2), MADV_DONTNEED).
    static func giveBack() {
        for mapping in executables() {
            guard let start = UnsafeMutableRawPointer(bitPattern: mapping.lowerBound) else { continue }
            // Safe: a private mapping of a file that nobody can write to, so nothing but the file is in it.
            madvise(start, mapping.count, MADV_DONTNEED)
        }
        // And what the first lists and plans were made with: the C library keeps it otherwise.
        _ = clinux_trim_memory()
    }

    /// `7f…-7f… r-xp 00026000 08:01 1234 /usr/lib/…` (proc_pid_maps(5)).
    private static func executables() -> [Range<UInt>] {
        guard let file = fopen("/proc/self/maps", "r") else { return [] }
        defer { fclose(file) }
        var mappings: [Range<UInt>] = []
        var buffer = [CChar](repeating: 0, count: 8192)
        while fgets(&buffer, CInt(buffer.count), file) != nil {
            let line = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count == 6, words[1] == "r-xp", words[5].first(where: { $0 != " " }) == "/" else { continue }
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            if ends.count == 2, ends[0] < ends[1] { mappings.append(ends[0]..<ends[1]) }
        }
        return mappings
    }
}
