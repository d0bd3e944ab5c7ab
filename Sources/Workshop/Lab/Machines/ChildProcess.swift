import CLinux
import Glibc
import Netlink
import Synchronization

/// A process of the lab. It is ended, and waited for, when this value goes: nothing is left running.
final class ChildProcess: Sendable {
    let identifier: pid_t
    let name: String
    private let output: Pipe
    private let status = Mutex<CInt?>(nil)

    /// Both ends of a pipe; the reading end is ours.
    private final class Pipe: Sendable {
        let reading: CInt
        let pending = Mutex<[UInt8]>([])

        init(reading: CInt) { self.reading = reading }
        deinit { close(reading) }
    }

    /// Starts a program with an environment of its own and nothing else inherited.
    ///
    /// - Parameter input: what it reads on standard input.
    /// - Parameter log: a file for its standard error; `nil` for ours.
    init(_ name: String, _ arguments: [String], environment: [String: String] = [:], input: [UInt8] = [], log: String? = nil)
        throws(LabError)
    {
        var ends: [CInt] = [-1, -1]
        var given: [CInt] = [-1, -1]
        guard clinux_pipe(&ends) == 0, clinux_pipe(&given) == 0 else { throw LabError(.processFailed, "start \(name): no pipe") }
        // What the lab gives is smaller than a pipe (64 KiB): it never waits for the child. Before the child is there, for one
        // that ends without reading would end us too (SIGPIPE).
        _ = input.withUnsafeBytes { write(given[1], $0.baseAddress, $0.count) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, given[0], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        if let log { posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A thread of Swift's pool may block signals, and whoever traps some has them ignored: a child would inherit both.
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // A process group of its own: what a terminal's Ctrl-C ends is ours to end, in order.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var identifier: pid_t = 0
        let code = posix_spawn(&identifier, arguments[0], &actions, &attributes, &words, &variables)
        close(ends[1])
        close(given[0])
        defer { close(given[1]) }
        guard code == 0 else {
            close(ends[0])
            throw LabError(.processFailed, "start \(name) (\(arguments[0])): \(Errno(rawValue: code))")
        }
        self.identifier = identifier
        self.name = name
        output = Pipe(reading: ends[0])
    }

    deinit {
        guard status.withLock({ $0 == nil }) else { return }
        kill(identifier, SIGKILL)
        _ = wait()
    }
}

extension ChildProcess {
    /// The next line of standard output; `nil` at its end.
    ///
    /// - Throws: when none came in time.
    func line(within timeout: Duration) throws(LabError) -> String? {
        let milliseconds = CInt(clamping: timeout.components.seconds * 1000)
        while true {
            let line = output.pending.withLock { bytes -> String? in
                guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
                defer { bytes.removeFirst(end + 1) }
                return String(decoding: bytes[..<end], as: UTF8.self)
            }
            if let line { return line }
            var entry = pollfd(fd: output.reading, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, milliseconds) > 0 else {
                throw LabError(.processFailed, "\(name) said nothing within \(timeout)")
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(output.reading, &chunk, chunk.count)
            guard count > 0 else { return nil }
            output.pending.withLock { $0 += chunk[..<count] }
        }
    }

    /// Everything on standard output to its end, and how the process ended.
    func finish(within timeout: Duration) throws(LabError) -> (output: String, status: CInt) {
        var text = ""
        while let line = try line(within: timeout) { text += line + "\n" }
        text += output.pending.withLock { String(decoding: $0, as: UTF8.self) }
        return (text, wait())
    }

    /// Asks it to end, and waits; after five seconds it has no choice.
    func stop() {
        guard status.withLock({ $0 == nil }) else { return }
        kill(identifier, SIGTERM)
        for _ in 0..<500 {
            if ending != nil { return }
            poll(nil, 0, 10)
        }
        kill(identifier, SIGKILL)
        _ = wait()
    }

    /// How it ended, if it has: the exit code, or 128 and the signal. Does not wait.
    var ending: CInt? {
        status.withLock { status in
            var raw: CInt = 0
            if status == nil, waitpid(identifier, &raw, WNOHANG) == identifier { status = raw }
            return status.map(Self.exitCode)
        }
    }

    /// Sends a signal, unless it has been waited for: then its number may be another's.
    func signal(_ number: CInt) {
        status.withLock { status in
            if status == nil { _ = kill(identifier, number) }
        }
    }

    /// Ends it without asking.
    func kill9() {
        kill(identifier, SIGKILL)
        _ = wait()
    }

    /// The exit code, or 128 and the signal.
    private func wait() -> CInt {
        status.withLock { status in
            var raw = status ?? 0
            if status == nil {
                while waitpid(identifier, &raw, 0) < 0, errno == EINTR {}
                status = raw
            }
            return Self.exitCode(raw)
        }
    }

    private static func exitCode(_ raw: CInt) -> CInt { raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F) }
}
