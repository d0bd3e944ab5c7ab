import Glibc

/// Keeps the log of a process small, which has it open and knows nothing of it.
///
/// A full file is copied to `….1`, in place of what was that before, and emptied: as with containers' logs, two of the limit at most
/// are kept. What is said in the moment between the two is lost. The process must have opened it with `O_APPEND`.
enum PartLog {
    /// In bytes: as much as of a container's log.
    static let limit = 10 << 20

    /// Looks after the file until the task is cancelled.
    static func keepSmall(
        _ path: String, limit: Int = limit, every interval: Duration = .seconds(5), _ clock: any Clock<Duration>
    ) async {
        while !Task.isCancelled {
            try? await clock.sleep(for: interval)
            rotate(path, limit: limit)
        }
    }

    /// Nothing when the file is not full, or cannot be copied.
    static func rotate(_ path: String, limit: Int) {
        let file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        guard lseek(file, 0, SEEK_END) >= limit, lseek(file, 0, SEEK_SET) == 0 else { return }
        let new = path + ".new"
        let copy = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard copy >= 0 else { return }
        defer { close(copy) }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            guard write(copy, buffer, count) == count else {
                unlink(new)
                return
            }
        }
        ftruncate(file, 0)
        rename(new, path + ".1")
    }
}
