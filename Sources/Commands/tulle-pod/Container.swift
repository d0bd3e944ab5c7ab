import CLinux
import Glibc

/// Runs a command as a container of a pod, and is its shim: it keeps the container's log and exits as the container does.
///
/// ```
///   kubelet ──starts──► shim ──fork──► inner, in the pod's PID namespace ──fork──► process 1 of the container's own
///                        │  writes the log,     makes the PID and mount              makes the root, mounts, runs
///                        │  passes signals on   namespaces, passes signals on        the command
/// ```
/// Three, because a PID namespace can only be made from inside its parent, and both begin with a child. The container's PID
/// namespace lies within the pod's: when the pod's holder ends, the kernel ends all of this.
struct Container {
    private var target: pid_t = 0
    private var namespaces: Namespaces = [.network, .hostname, .messages, .process]
    private var root = ContainerRoot()
    private var directory: String?
    private var identity: Identity?
    private var log: String?
    private var logLimit = 10 << 20
    /// Standard input is a terminal, the container's; what it shows is read here. -1: it has none.
    private var shown: Int32 = -1
    private var report: Int32 = -1
    private var command: [String] = []

    init(_ words: inout Words) throws(Refusal) {
        while let word = try words.next() {
            switch word {
            case "--join": target = try words.number(of: word, 1...pid_t.max)
            case "--namespaces": namespaces = try Namespaces(words.value(of: word), option: word)
            case "--root": root.workshop = try words.value(of: word)
            case "--mount": root.mounts.append(try ContainerRoot.Mount(words.value(of: word)))
            case "--read-only": root.isReadOnly = true
            case "--workdir": directory = try words.value(of: word)
            case "--user": identity = try Identity(words.value(of: word), in: "container")
            case "--log": log = try words.value(of: word)
            case "--log-limit": logLimit = try words.number(of: word, 1...Int.max)
            case "--terminal": shown = try words.number(of: word, 3...Int32.max)
            case "--report-fd": report = try words.number(of: word, 3...Int32.max)
            case "--": command = words.rest()
            default: throw .usage("container: “\(word)” is not understood; the command comes after --")
            }
        }
        guard target > 0 else { throw .usage("container: --join PID says whose namespaces") }
        guard !root.workshop.isEmpty else { throw .usage("container: --root DIRECTORY says where its root is made") }
        guard namespaces.contains(.process) else { throw .usage("container: --namespaces needs pid") }
        guard !command.isEmpty else { throw .usage("container: the command comes after --") }
        for descriptor in [report, shown] where descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    func run() throws(Refusal) -> Int32 {
        do throws(Refusal) {
            return try shim()
        } catch {
            fail(error)
            throw error
        }
    }

    /// Tells the kubelet; the log has it too.
    private func fail(_ refusal: Refusal) {
        if report >= 0 { write(Array("error \(refusal)\n".utf8), to: report) }
    }
}

// MARK: - The three

extension Container {
    private func shim() throws(Refusal) -> Int32 {
        let signals = try Signals(SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD)
        var keeper: ContainerLog?
        var outputs: (standard: Pipe, error: Pipe)?
        if let log {
            keeper = try ContainerLog(path: log, limit: logLimit)
            if shown < 0 { outputs = (try Pipe(), try Pipe()) }
        }
        try namespaces.join(target)
        let inner = clinux_fork()
        guard inner >= 0 else { throw .last("fork", status: Run.notEntered) }
        if inner == 0 {
            clinux_die_with_parent()
            // The kernel's number of our parent is 0 here, for it is outside our PID namespace: whether it still lives is not
            // seen, but a shim that ends before this line was killed, and then the sandbox's end is what ends us.
            if let outputs {
                dup2(outputs.standard.input, STDOUT_FILENO)
                dup2(outputs.error.input, STDERR_FILENO)
                for end in [outputs.standard.input, outputs.standard.output, outputs.error.input, outputs.error.output] {
                    close(end)
                }
            }
            keeper?.release()
            if shown >= 0 { close(shown) }
            return try beInner(signals)
        }
        if shown >= 0 { Self.leaveTerminal() }
        if let outputs {
            close(outputs.standard.input)
            close(outputs.error.input)
        }
        if report >= 0 { close(report) }
        var sources: [(descriptor: Int32, stream: ContainerLog.Stream)] = []
        if let outputs { sources = [(outputs.standard.output, .standard), (outputs.error.output, .error)] }
        if shown >= 0 { sources = [(shown, .standard)] }
        return accompany(inner, signals, &sources, &keeper)
    }

    /// Keeps the log and passes signals on, until the container has ended and everything it said is kept.
    private func accompany(
        _ child: pid_t, _ signals: Signals, _ sources: inout [(descriptor: Int32, stream: ContainerLog.Stream)],
        _ log: inout ContainerLog?
    ) -> Int32 {
        var status: Int32 = 0
        var hasEnded = false
        var buffer = [UInt8](repeating: 0, count: 32 << 10)
        while !hasEnded || !sources.isEmpty {
            let ready = awaitReadable((hasEnded ? [] : [signals.descriptor]) + sources.map(\.descriptor))
            for source in sources where ready.contains(source.descriptor) {
                let count = buffer.withUnsafeMutableBytes { read(source.descriptor, $0.baseAddress, $0.count) }
                if count > 0 {
                    log?.append(buffer.prefix(count), source.stream)
                } else if count == 0 || errno != EINTR {
                    close(source.descriptor)
                    sources.removeAll { $0.descriptor == source.descriptor }
                }
            }
            while !hasEnded, let signal = signals.next() {
                // Whoever kills us leaves inner to the host's process 1, which may reap late, and the sandbox's end waits for that.
                if signal != SIGCHLD { kill(child, signal == SIGUSR2 ? SIGKILL : signal) }
            }
            // Its process 1 has ended, and with it all that could still write: the pipes come to their end.
            if !hasEnded, waitpid(child, &status, WNOHANG) == child { hasEnded = true }
        }
        log?.finish()
        return exitStatus(ofWait: status)
    }

    private func beInner(_ signals: Signals) throws(Refusal) -> Int32 {
        do throws(Refusal) {
            guard clinux_namespaces_new(Namespaces([.mount, .process]).rawValue) == 0 else {
                throw .last("making the container's namespaces", status: Run.notEntered)
            }
        } catch {
            fail(error)
            throw error
        }
        let first = clinux_fork()
        guard first >= 0 else { throw .last("fork", status: Run.notEntered) }
        if first == 0 {
            clinux_die_with_parent()
            close(signals.descriptor)
            Signals.unblockAll()
            let refusal = beFirst()
            fail(refusal)
            throw refusal
        }
        if report >= 0 { close(report) }
        // The ends of the pipes are the container's alone, so that they close with it.
        close(STDOUT_FILENO)
        close(STDERR_FILENO)
        if shown >= 0 { Self.leaveTerminal() }
        var status: Int32 = 0
        while true {
            _ = awaitReadable([signals.descriptor])
            while let signal = signals.next() {
                if signal != SIGCHLD { kill(first, signal) }
            }
            if waitpid(first, &status, WNOHANG) == first { return exitStatus(ofWait: status) }
        }
    }

    /// As process 1 of the container; returns only when the command cannot be run.
    private func beFirst() -> Refusal {
        let own = Self.ownProgram(command[0])
        do throws(Refusal) {
            if report >= 0 { write(Array("pid \(try ownNumber())\n".utf8), to: report) }
            try root.make()
            if let directory { try root.enter(directory) }
            if shown >= 0 { try takeTerminal() }
            if let identity, !identity.become() {
                throw .last("becoming user \(identity.user) (securityContext.runAsUser)", status: Run.notRunnable)
            }
        } catch {
            return error
        }
        guard own >= 0 else { return Run.execute(command) }
        return Run.execute(command, file: "/proc/self/fd/\(own)")
    }

    /// Standard input controls the command, and is what it says too; it belongs to whom the command runs as.
    private func takeTerminal() throws(Refusal) {
        if let identity { fchown(STDIN_FILENO, identity.user, gid_t.max) }
        guard clinux_take_terminal() == 0, dup2(STDIN_FILENO, STDOUT_FILENO) >= 0, dup2(STDIN_FILENO, STDERR_FILENO) >= 0 else {
            throw .last("the terminal", status: Run.notRunnable)
        }
    }

    /// The terminal is the container's alone, so that it closes with it.
    private static func leaveTerminal() {
        let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
        if nothing < 0 { close(STDIN_FILENO) } else { dup2(nothing, STDIN_FILENO) }
        if nothing > STDIN_FILENO { close(nothing) }
    }

    /// This very program, opened while it is seen: the disk it lies on may be one that a container does not see. -1 when another
    /// one is meant.
    private static func ownProgram(_ path: String) -> Int32 {
        var (asked, own) = (stat(), stat())
        guard path.hasPrefix("/"), stat(path, &asked) == 0, stat("/proc/self/exe", &own) == 0, asked.st_dev == own.st_dev,
            asked.st_ino == own.st_ino
        else { return -1 }
        return open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    }

    /// Our process id as the one that started us sees it: this /proc is still the one of the outer PID namespace.
    private func ownNumber() throws(Refusal) -> Int {
        var buffer = [CChar](repeating: 0, count: 32)
        let count = readlink("/proc/self", &buffer, buffer.count)
        let text = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let number = Int(text) else { throw .last("/proc/self", status: Run.notEntered) }
        return number
    }
}
