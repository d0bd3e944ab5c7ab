import CLinux
import Glibc
import Synchronization

/// A process that a kubelet started, waited for without a thread of its own.
final class Child: Sendable {
    let identifier: pid_t
    private let descriptor: CInt
    private let output: CInt
    private let report: CInt
    private let state = Mutex(State())

    private struct State {
        var status: CInt?
        var waiting: [CheckedContinuation<CInt, Never>] = []
    }

    /// Descriptors that go on as 0, 1 and 2; `nil`: as if there were no streams.
    struct Streams: Sendable {
        var input: CInt?
        var output: CInt?
        var error: CInt?

        /// The same descriptor may be there several times.
        func close() {
            for descriptor in Set([input, output, error].compactMap(\.self)) { _ = Glibc.close(descriptor) }
        }
    }

    /// - Parameters:
    ///   - streams: `nil`: nothing to read, and what it says on standard output and error is kept for ``text()``.
    ///   - input: what it reads when there are no streams.
    ///   - reports: descriptor 3 is a pipe whose end ``reported()`` waits for.
    ///   - inherited: descriptors of ours that go on as the next numbers.
    init(
        _ arguments: [String], environment: [(name: String, value: String)] = [], streams: Streams? = nil, input: [UInt8] = [],
        reports: Bool = false, inherited: [CInt] = []
    ) throws(LabError) {
        let what = arguments.prefix(2).joined(separator: " ")
        let (given, kept) = (clinux_memory_file("input"), clinux_memory_file("output"))
        var ends: [CInt] = [-1, -1]
        guard given >= 0, kept >= 0, !reports || clinux_pipe(&ends) == 0 else {
            throw LabError(.processFailed, "start \(what): errno \(errno)")
        }
        defer {
            close(given)
            if ends[1] >= 0 { close(ends[1]) }
        }
        _ = input.withUnsafeBytes { pwrite(given, $0.baseAddress, $0.count, 0) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First above all that may be named, so that no dup2 takes away what a later one needs.
        let standard = [streams?.input ?? given, streams?.output ?? kept, streams?.error ?? kept]
        let sources = standard + (reports ? [ends[1]] : []) + inherited
        let copies = sources.map { fcntl($0, F_DUPFD_CLOEXEC, 10) }
        defer { for copy in copies where copy >= 0 { close(copy) } }
        for (number, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, CInt(number)) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A thread of Swift's pool may block signals, and a child would inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // NIO ignores SIGPIPE in this process; in a container `yes | head` has to end.
        var usual = sigset_t()
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.name)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var identifier: pid_t = 0
        let code = posix_spawn(&identifier, arguments[0], &actions, &attributes, &words, &variables)
        let descriptor = code == 0 ? clinux_process_descriptor(identifier) : -1
        guard code == 0, descriptor >= 0 else {
            close(kept)
            if ends[0] >= 0 { close(ends[0]) }
            throw LabError(.processFailed, "start \(what): error \(code)")
        }
        (self.identifier, self.descriptor, output, report) = (identifier, descriptor, kept, ends[0])
        do throws(LabError) {
            try watch()
        } catch {
            kill(identifier, SIGKILL)
            var raw: CInt = 0
            while waitpid(identifier, &raw, 0) < 0, errno == EINTR {}
            close(descriptor)
            throw error
        }
    }

    deinit {
        close(output)
        if report >= 0 { close(report) }
    }
}

extension Child {
    private func watch() throws(LabError) {
        let (identifier, descriptor) = (identifier, descriptor)
        // Self is kept until the process has ended: nobody else reaps it.
        try DescriptorWatch.shared.watch(descriptor) {
            self.reap(identifier)
        } finish: {
            close(descriptor)
        }
    }

    private func reap(_ identifier: pid_t) -> Bool {
        let (waiting, status) = state.withLock { state -> ([CheckedContinuation<CInt, Never>], CInt?) in
            var raw: CInt = 0
            guard state.status == nil, waitpid(identifier, &raw, WNOHANG) == identifier else { return ([], state.status) }
            let status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F)
            state.status = status
            defer { state.waiting = [] }
            return (state.waiting, status)
        }
        guard let status else { return false }
        for continuation in waiting { continuation.resume(returning: status) }
        return true
    }

    /// How it ended: its exit code, or 128 and the signal.
    func ended() async -> CInt {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state -> CInt? in
                if state.status == nil { state.waiting.append(continuation) }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// Nothing when it has ended: its number may be another's by now.
    func signal(_ number: CInt) {
        state.withLock { if $0.status == nil { kill(identifier, number) } }
    }

    /// How it ended; killed when that takes longer, or when nobody waits for it any more.
    func ended(within limit: Duration) async -> (status: CInt, isLate: Bool) {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                _ = await self.ended()
                return false
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return true
            }
            let isLate = await group.next() ?? false
            if isLate { self.signal(SIGKILL) }
            group.cancelAll()
            return (await self.ended(), isLate)
        }
    }

    /// What it said, once it has ended; at most 64 KiB.
    func text() -> String {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = pread(output, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    /// What it wrote to descriptor 3 before that was closed everywhere.
    func reported() async -> String {
        guard report >= 0 else { return "" }
        let copy = fcntl(report, F_DUPFD_CLOEXEC, 3)
        _ = fcntl(copy, F_SETFL, O_NONBLOCK)
        return await withCheckedContinuation { continuation in
            let collected = Collected()
            do throws(LabError) {
                try DescriptorWatch.shared.watch(copy) {
                    var buffer = [UInt8](repeating: 0, count: 4096)
                    let count = read(copy, &buffer, buffer.count)
                    if count > 0 { collected.bytes.withLock { $0 += buffer.prefix(count) } }
                    return count == 0
                } finish: {
                    close(copy)
                    continuation.resume(returning: String(decoding: collected.bytes.withLock { $0 }, as: UTF8.self))
                }
            } catch {
                // As if it had said nothing.
                if copy >= 0 { close(copy) }
                continuation.resume(returning: "")
            }
        }
    }

    private final class Collected: Sendable { let bytes = Mutex<[UInt8]>([]) }
}
