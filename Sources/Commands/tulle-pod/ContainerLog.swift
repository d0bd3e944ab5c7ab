import Glibc

/// A container's log as runtimes write it: `2026-01-02T03:04:05.000000006Z stdout F a line`.
///
/// `P` in place of `F` marks a part of a line whose rest follows. A file that is full becomes `….1`, and what was that before goes.
struct ContainerLog {
    enum Stream: String { case standard = "stdout", error = "stderr" }

    private let path: String
    private let limit: Int
    private var file: Int32
    private var size: Int
    private var pending: [Stream: [UInt8]] = [:]

    /// Longer lines are written in parts, as by containerd and CRI-O.
    private static let partLimit = 16 << 10

    init(path: String, limit: Int) throws(Refusal) {
        (self.path, self.limit) = (path, limit)
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw .last("the log \(path)", status: Run.notEntered) }
        size = max(0, lseek(file, 0, SEEK_END))
    }

    /// In a process that does not write it.
    func release() { close(file) }

    mutating func append(_ bytes: some Sequence<UInt8>, _ stream: Stream) {
        var line = pending[stream] ?? []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                put(line, stream, isWhole: true)
                line.removeAll(keepingCapacity: true)
            } else {
                line.append(byte)
                if line.count == Self.partLimit {
                    put(line, stream, isWhole: false)
                    line.removeAll(keepingCapacity: true)
                }
            }
        }
        pending[stream] = line
    }

    /// What was left without an end of line.
    mutating func finish() {
        for stream in [Stream.standard, .error] {
            if let line = pending[stream], !line.isEmpty { put(line, stream, isWhole: true) }
        }
    }

    private mutating func put(_ line: [UInt8], _ stream: Stream, isWhole: Bool) {
        let entry = Array("\(Self.now) \(stream.rawValue) \(isWhole ? "F" : "P") ".utf8) + line + [UInt8(ascii: "\n")]
        if size > 0, size + entry.count > limit { rotate() }
        write(entry, to: file)
        size += entry.count
    }

    private mutating func rotate() {
        rename(path, path + ".1")
        let next = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard next >= 0 else { return }
        close(file)
        (file, size) = (next, 0)
    }

    /// RFC 3339 with nanoseconds, in UTC.
    private static var now: String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
            + "T\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2)).\(padded(time.tv_nsec, 9))Z"
    }
}
