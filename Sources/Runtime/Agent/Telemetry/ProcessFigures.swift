import Glibc
import Telemetry

/// What the kernel knows of this process, under the names that Prometheus' own libraries use.
enum ProcessFigures {
    static func add(to page: inout Exposition) {
        // proc(5): the second field is a name in brackets that may hold anything.
        let fields =
            text("/proc/self/stat").split(separator: ")", omittingEmptySubsequences: false).last?.split(separator: " ") ?? []
        // The first of these is field 3; utime and stime are 14 and 15, rss 24.
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Double(fields[21])
        else { return }
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        page.add("process_cpu_seconds_total", .counter, "Processor time used, in seconds.", .init((user + system) / ticks))
        page.add(
            "process_resident_memory_bytes", .gauge, "Memory that is resident.",
            .init(pages * Double(sysconf(Int32(_SC_PAGESIZE)))))
        page.add("process_open_fds", .gauge, "Open descriptors.", .init(descriptors()))
    }

    private static func text(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private static func descriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Itself, its parent, and the descriptor that reads.
        return max(0, count - 3)
    }
}
