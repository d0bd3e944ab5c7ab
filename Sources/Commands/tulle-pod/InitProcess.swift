import CLinux
import Glibc

/// A daemon in a PID and mount namespace of its own: what is started in there ends with process 1, whoever started it.
/// ```
///   caller ──starts──► outer ──fork──► process 1 ──fork──► the command, again when a signal ended it
///                        └ ends as soon as process 1 holds the lock
/// ```
/// The lock is of the kind that names its holder (fcntl(2)), in the namespace of whoever asks: nobody has to trust a number in a
/// file that is older than the last reboot.
struct InitProcess {
    private var lock = ""
    private var command: [String] = []

    /// The lock is held.
    static let alreadyRuns: Int32 = 3
    /// A command that ends so wants to be started again.
    static let again: Int32 = 75
    private static let mostStarts = 20

    init(_ words: inout Words) throws(Refusal) {
        while let word = try words.next() {
            switch word {
            case "--lock": lock = try words.value(of: word)
            case "--": command = words.rest()
            default: throw .usage("init: “\(word)” is not understood; the command comes after --")
            }
        }
        guard lock.hasPrefix("/") else { throw .usage("init: --lock needs the absolute path of a file") }
        guard !command.isEmpty else { throw .usage("init: the command comes after --") }
    }

    func run() throws(Refusal) -> Int32 {
        // A shell may have left us more than it meant to.
        for descriptor: Int32 in 3..<1024 { close(descriptor) }
        setsid()
        chdir("/")
        let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nothing >= 0 else { throw .last("/dev/null") }
        dup2(nothing, STDIN_FILENO)
        let namespaces: Namespaces = [.process, .mount]
        guard clinux_namespaces_new(namespaces.rawValue) == 0 else {
            throw .last(errno == EPERM ? "making namespaces needs root (CAP_SYS_ADMIN)" : "making namespaces")
        }
        let ready = try Pipe()
        let inner = clinux_fork()
        guard inner >= 0 else { throw .last("fork") }
        if inner == 0 {
            close(ready.output)
            return try begin(ready)
        }
        close(ready.input)
        if ready.awaitByte() {
            // For people; the lock is what counts. Written through a path that process 1 does not hold open.
            note(inner)
            return 0
        }
        var status: Int32 = 0
        waitpid(inner, &status, 0)
        return exitStatus(ofWait: status)
    }

    private func note(_ process: pid_t) {
        let file = open(lock, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        write(Array("\(process)\n".utf8), to: file)
        close(file)
    }
}

// MARK: - Process 1

extension InitProcess {
    private func begin(_ ready: Pipe) throws(Refusal) -> Int32 {
        let signals = try Signals(SIGTERM, SIGINT, SIGHUP, SIGCHLD)
        guard clinux_mounts_private() == 0, clinux_mount_proc() == 0 else { throw .last("mounting /proc") }
        try takeLock()
        write([1], to: ready.input)
        close(ready.input)
        var (starts, restarts) = (0, 0)
        while true {
            let begin = Self.seconds
            starts += 1
            let (status, isAskedToEnd) = try runOnce(signals, restarts: restarts)
            restarts += 1
            // One that lived for a while has not failed to start.
            if Self.seconds - begin > 60 { starts = 0 }
            // Whatever it left ends too: the next one makes its own.
            kill(-1, SIGKILL)
            while waitpid(-1, nil, 0) > 0 || errno == EINTR {}
            guard !isAskedToEnd, status >= 128 || status == Self.again, starts < Self.mostStarts else { return status }
            complain("“\(command[0])” ended with \(status) and is started again (\(starts) of \(Self.mostStarts))")
            // Nobody waits for its first words any more.
            let nothing = open("/dev/null", O_WRONLY | O_CLOEXEC)
            dup2(nothing, STDOUT_FILENO)
            close(nothing)
            if isAsked(signals, within: 100 * Int32(starts + 1)) { return 0 }
        }
    }

    private static var seconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    private func takeLock() throws(Refusal) {
        let file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last(lock) }
        var wanted = flock()
        wanted.l_type = Int16(F_WRLCK)
        wanted.l_whence = Int16(SEEK_SET)
        guard fcntl(file, F_SETLK, &wanted) == 0 else {
            if errno == EAGAIN || errno == EACCES { throw Refusal(status: Self.alreadyRuns, description: "\(lock) is held") }
            throw .last("the lock \(lock)")
        }
        ftruncate(file, 0)
    }

    /// The command's status, as a shell says it; orphans are reaped meanwhile. A signal that asks us to end is passed on, and
    /// then the command's end is ours.
    private func runOnce(_ signals: Signals, restarts: Int) throws(Refusal) -> (status: Int32, isAskedToEnd: Bool) {
        let child = clinux_fork()
        guard child >= 0 else { throw .last("fork") }
        if child == 0 {
            close(signals.descriptor)
            Signals.unblockAll()
            setenv("TULLE_RESTARTS", "\(restarts)", 1)
            throw Run.execute(command)
        }
        var isAskedToEnd = false
        while true {
            _ = awaitReadable([signals.descriptor])
            while let signal = signals.next() {
                guard signal != SIGCHLD else { continue }
                isAskedToEnd = true
                kill(child, signal)
            }
            var status: Int32 = 0
            while case let ended = waitpid(-1, &status, WNOHANG), ended > 0 {
                if ended == child { return (exitStatus(ofWait: status), isAskedToEnd) }
            }
        }
    }

    /// True when a signal asked us to end meanwhile.
    private func isAsked(_ signals: Signals, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, milliseconds)
        while let signal = signals.next() { if signal != SIGCHLD { return true } }
        return false
    }

    private func complain(_ text: String) { write(Array("tulle-pod: \(text)\n".utf8), to: STDERR_FILENO) }
}
