import CLinux
import Glibc
import KubeAPI

/// Reads the log of a container as it grows, in the CRI's form, also over a rotation.
struct ContainerLogTail: ~Copyable {
    /// A line, or a part of a long one.
    struct Entry: Hashable, Sendable {
        /// RFC 3339, as it stands in the file.
        var time: String
        var isError: Bool
        /// False: more of the same line follows.
        var isWhole: Bool
        var text: ArraySlice<UInt8>
    }

    private let path: String
    private var file: CInt
    private var rest: [UInt8] = []

    /// - Parameter atEnd: only what is written from now on.
    init(_ path: String, atEnd: Bool = false) throws(LabError) {
        self.path = path
        file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw LabError(.processFailed, "read the log \(path): errno \(errno)") }
        if atEnd { lseek(file, 0, SEEK_END) }
    }

    deinit { close(file) }

    /// The next entries; none when there are no more for now.
    mutating func next() -> [Entry] {
        while true {
            var buffer = [UInt8](repeating: 0, count: 32 << 10)
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else {
                if reopen() { continue }
                return []
            }
            rest += buffer.prefix(count)
            guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            let entries = rest[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
                .compactMap(Self.entry)
            rest.removeSubrange(...end)
            if !entries.isEmpty { return entries }
        }
    }

    /// True when the file was rotated away and another has its name.
    private mutating func reopen() -> Bool {
        guard clinux_is_at(file, path) == 0 else { return false }
        let next = open(path, O_RDONLY | O_CLOEXEC)
        guard next >= 0 else { return false }
        close(file)
        (file, rest) = (next, [])
        return true
    }

    /// `2026-01-02T03:04:05.000000006Z stdout F a line`.
    static func entry(_ line: ArraySlice<UInt8>) -> Entry? {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        return Entry(
            time: String(decoding: parts[0], as: UTF8.self), isError: parts[1].elementsEqual("stderr".utf8),
            isWhole: !parts[2].elementsEqual("P".utf8), text: parts[3])
    }
}

extension ContainerLogTail {
    /// How many whole lines a log has now.
    static func count(of path: String) throws(LabError) -> Int {
        var tail = try ContainerLogTail(path)
        var count = 0
        while true {
            let entries = tail.next()
            if entries.isEmpty { return count }
            count += entries.count { $0.isWhole }
        }
    }

    /// The end of a log for a status: at most 80 lines and 2 KiB, as a kubelet takes them.
    static func lastWords(in path: String) throws(LabError) -> String {
        var tail = try ContainerLogTail(path)
        var lines: [[UInt8]] = [[]]
        while true {
            let entries = tail.next()
            if entries.isEmpty { break }
            for entry in entries {
                lines[lines.count - 1] += entry.text
                guard entry.isWhole else { continue }
                lines[lines.count - 1].append(UInt8(ascii: "\n"))
                lines.append([])
                if lines.count > 81 { lines.removeFirst() }
            }
        }
        return String(decoding: lines.joined().suffix(2048), as: UTF8.self)
    }

    /// Hands over everything there is, and what comes while it is written.
    ///
    /// - Parameters:
    ///   - isWritten: whether more may come; asked before each reading, so that nothing is left out at the end.
    ///   - body: false: that was enough.
    static func follow(
        _ path: String, atEnd: Bool = false, isWritten: () async -> Bool, _ body: ([Entry]) async throws -> Bool
    ) async throws {
        var tail = try ContainerLogTail(path, atEnd: atEnd)
        while true {
            let isOver = !(await isWritten())
            while true {
                let entries = tail.next()
                if entries.isEmpty { break }
                guard try await body(entries) else { return }
            }
            if isOver { return }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

/// Which part of a log is wanted, and how it looks. A value: entries go in, the text for the user comes out.
struct LogSelection: Hashable, Sendable {
    /// Whole lines before those that are wanted.
    var skipped = 0
    var since: Moment?
    var showsTimestamps = false
    /// How many bytes may still come; `nil`: any number.
    var room: Int?
    private var isInLine = false

    init(skipped: Int = 0, since: Moment? = nil, showsTimestamps: Bool = false, room: Int? = nil) {
        (self.skipped, self.since) = (skipped, since)
        (self.showsTimestamps, self.room) = (showsTimestamps, room)
    }

    var isFull: Bool { room == 0 }

    mutating func text(of entries: [ContainerLogTail.Entry]) -> [UInt8] {
        var text: [UInt8] = []
        for entry in entries {
            if skipped > 0 {
                if entry.isWhole { skipped -= 1 }
                continue
            }
            if let since, let time = Moment(entry.time), time < since { continue }
            if showsTimestamps, !isInLine { text += "\(entry.time) ".utf8 }
            text += entry.text
            if entry.isWhole { text.append(UInt8(ascii: "\n")) }
            isInLine = !entry.isWhole
        }
        if let room {
            text = Array(text.prefix(room))
            self.room = room - text.count
        }
        return text
    }
}
