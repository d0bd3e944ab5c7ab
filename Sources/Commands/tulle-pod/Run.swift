import CLinux
import Glibc

/// Runs a command in the namespaces of another process.
struct Run {
    private var target: pid_t = 0
    private var namespaces: Namespaces?
    private var directory: String?
    private var identity: Identity?
    private var takesTerminal = false
    private var mounts: [ContainerRoot.Mount] = []
    private var command: [String] = []

    static let notEntered: Int32 = 125
    static let notRunnable: Int32 = 126
    static let notFound: Int32 = 127

    init(_ words: inout Words) throws(Refusal) {
        while let word = try words.next() {
            switch word {
            case "--join": target = try words.number(of: word, 1...pid_t.max)
            case "--namespaces": namespaces = try Namespaces(words.value(of: word), option: word)
            case "--workdir": directory = try words.value(of: word)
            case "--user": identity = try Identity(words.value(of: word), in: "run")
            case "--mount": mounts.append(try ContainerRoot.Mount(words.value(of: word)))
            case "--tty": takesTerminal = true
            case "--": command = words.rest()
            default: throw .usage("run: “\(word)” is not understood; the command comes after --")
            }
        }
        guard target > 0 else { throw .usage("run: --join PID says whose namespaces") }
        guard !command.isEmpty else { throw .usage("run: the command comes after --") }
    }

    func run() throws(Refusal) -> Int32 {
        let namespaces = if let namespaces { namespaces } else { try Namespaces(differingFrom: target) }
        let wantsChild = namespaces.contains(.process)
        let hasOwnMounts = wantsChild && !namespaces.contains(.mount)
        guard mounts.isEmpty || hasOwnMounts else {
            throw .usage("run: --mount goes with --namespaces that have pid and not mnt: else others would see it")
        }
        let signals = wantsChild ? try Signals(SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD) : nil
        try namespaces.join(target)
        guard let signals else { throw execute() }
        return try runAsChild(signals, withOwnMounts: hasOwnMounts)
    }
}

extension Run {
    /// A joined PID namespace begins with the next child.
    ///
    /// - Parameter withOwnMounts: what is mounted is the child's alone. `/proc` would show another PID namespace, where the child's number
    ///   is somebody else's or nobody's. Programs trust it: libdispatch ends a process whose threads it does not find there.
    private func runAsChild(_ signals: Signals, withOwnMounts: Bool) throws(Refusal) -> Int32 {
        let go = try Pipe()
        let child = clinux_fork()
        guard child >= 0 else { throw .last("fork", status: Self.notEntered) }
        if child == 0 {
            clinux_die_with_parent()
            close(go.input)
            guard go.awaitByte() else { exit(Self.notEntered) }
            close(go.output)
            close(signals.descriptor)
            Signals.unblockAll()
            if withOwnMounts {
                guard clinux_namespaces_new(Namespaces.mount.rawValue) == 0, clinux_mounts_private() == 0,
                    clinux_mount_proc() == 0
                else { throw .last("mounting /proc", status: Self.notEntered) }
                for mount in mounts { try Self.bind(mount) }
            }
            throw execute()
        }
        write([1], to: go.input)
        close(go.input)
        close(go.output)
        var status: Int32 = 0
        while true {
            _ = awaitReadable([signals.descriptor])
            while let signal = signals.next() {
                if signal != SIGCHLD { kill(child, signal) }
            }
            if waitpid(child, &status, WNOHANG) == child { return exitStatus(ofWait: status) }
        }
    }

    private static func bind(_ mount: ContainerRoot.Mount) throws(Refusal) {
        guard clinux_bind(mount.source, mount.target) == 0, !mount.isReadOnly || clinux_bind_read_only(mount.target) == 0 else {
            throw .last("mounting \(mount.source) on \(mount.target)", status: notEntered)
        }
    }

    private func execute() -> Refusal {
        if takesTerminal, clinux_take_terminal() != 0 { return .last("the terminal", status: Self.notRunnable) }
        if let directory, chdir(directory) != 0 { return .last("the directory \(directory)", status: Self.notRunnable) }
        if let identity, !identity.become() {
            return .last("becoming user \(identity.user)", status: Self.notRunnable)
        }
        return Self.execute(command)
    }

    /// Returns only when the command cannot be run.
    ///
    /// - Parameter file: what is run, when it is not what the command's first word says.
    static func execute(_ command: [String], file: String? = nil) -> Refusal {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        if let file {
            execv(file, arguments)
        } else if let file = arguments[0] {
            execvp(file, arguments)
        }
        return .last("running \(command[0])", status: errno == ENOENT ? notFound : notRunnable)
    }
}
