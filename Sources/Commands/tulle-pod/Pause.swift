import CLinux
import Glibc

/// Makes namespaces and holds them.
///
/// With a new PID namespace there are two of us, for such a namespace begins with a child:
/// ```
///   caller ──starts──► outer ──fork──► inner: process 1 of the new PID namespace, holds all of them, reaps
///                        │  watches the caller by its process descriptor
///                        └─ SIGKILL from the kernel to inner when outer ends
/// ```
/// The caller is watched by a process descriptor and not by PR_SET_PDEATHSIG: that one fires when the *thread* that started us
/// ends, and in a Swift program that is a pool's thread.
struct Pause {
    private var namespaces: Namespaces = .all
    private var hostname: String?
    private var readyDescriptor: Int32 = STDOUT_FILENO

    init(_ words: inout Words) throws(Refusal) {
        while let word = try words.next() {
            switch word {
            case "--new": namespaces = try Namespaces(words.value(of: word), option: word)
            case "--hostname": hostname = try words.value(of: word)
            case "--ready-fd": readyDescriptor = try words.number(of: word, 0...Int32.max)
            default: throw .usage("pause: “\(word)” is not understood")
            }
        }
        guard let hostname else { return }
        if !namespaces.contains(.hostname) { throw .usage("pause: --hostname needs a new uts namespace") }
        // HOST_NAME_MAX. An empty one the kernel would take.
        if !(1...64).contains(hostname.utf8.count) {
            throw .usage("pause: --hostname “\(hostname)” has \(hostname.utf8.count) bytes, and a host name has 1 to 64")
        }
    }

    func run() throws(Refusal) -> Int32 {
        // Signals first, so that none that comes early is lost.
        let signals = try Signals(SIGTERM, SIGINT, SIGCHLD)
        let caller = clinux_process_descriptor(getppid())
        guard caller >= 0 else { throw .last("the process that started us") }
        guard clinux_namespaces_new(namespaces.rawValue) == 0 else {
            throw .last(errno == EPERM ? "making namespaces needs root (CAP_SYS_ADMIN)" : "making namespaces")
        }
        if !namespaces.contains(.process) {
            try furnish()
            try report(getpid())
            return hold(signals, until: caller)
        }
        return try holdAsTwo(signals, until: caller)
    }
}

// MARK: - One process, or two

extension Pause {
    private func hold(_ signals: Signals, until caller: Int32) -> Int32 {
        while true {
            let ready = awaitReadable([signals.descriptor, caller])
            if ready.contains(caller) { return 0 }
            while let signal = signals.next() {
                if signal != SIGCHLD { return 0 }
                while waitpid(-1, nil, WNOHANG) > 0 {}
            }
        }
    }

    private func holdAsTwo(_ signals: Signals, until caller: Int32) throws(Refusal) -> Int32 {
        let (go, furnished) = (try Pipe(), try Pipe())
        let inner = clinux_fork()
        guard inner >= 0 else { throw .last("fork") }
        if inner == 0 {
            clinux_die_with_parent()
            close(go.input)
            // Until here outer may have ended unseen; its word proves that it had not.
            guard go.awaitByte() else { exit(0) }
            try furnish()
            write([1], to: furnished.input)
            closeAll([go.output, furnished.input, furnished.output])
            if readyDescriptor != STDOUT_FILENO { close(readyDescriptor) }
            return reap(signals)
        }
        close(furnished.input)
        write([1], to: go.input)
        // Inner says itself what is wrong when it cannot furnish.
        guard furnished.awaitByte() else {
            var status: Int32 = 0
            waitpid(inner, &status, 0)
            return exitStatus(ofWait: status)
        }
        closeAll([go.input, go.output, furnished.output])
        try report(inner)
        return guardInner(inner, signals, until: caller)
    }

    /// As outer: ends inner when asked or when the caller ends, and ends with inner.
    private func guardInner(_ inner: pid_t, _ signals: Signals, until caller: Int32) -> Int32 {
        var status: Int32 = 0
        while true {
            var isAsked = awaitReadable([signals.descriptor, caller]).contains(caller)
            while let signal = signals.next() {
                if signal != SIGCHLD { isAsked = true }
            }
            if waitpid(inner, &status, WNOHANG) == inner { return exitStatus(ofWait: status) }
            if isAsked {
                // With its process 1 the kernel ends everything in the PID namespace.
                kill(inner, SIGKILL)
                waitpid(inner, nil, 0)
                return 0
            }
        }
    }

    /// As inner: process 1, the parent of every orphan.
    private func reap(_ signals: Signals) -> Int32 {
        while true {
            _ = awaitReadable([signals.descriptor])
            while let signal = signals.next() {
                if signal != SIGCHLD { return 0 }
                while waitpid(-1, nil, WNOHANG) > 0 {}
            }
        }
    }
}

// MARK: - What is in the namespaces

extension Pause {
    private func furnish() throws(Refusal) {
        if namespaces.contains(.mount) {
            guard clinux_mounts_private() == 0 else { throw .last("making mounts private") }
            if namespaces.contains(.process) {
                guard clinux_mount_proc() == 0 else { throw .last("mounting /proc") }
            }
        }
        if let hostname {
            guard sethostname(hostname, hostname.utf8.count) == 0 else { throw .last("the host name “\(hostname)”") }
        }
        if namespaces.contains(.network) {
            guard clinux_loopback_up() == 0 else { throw .last("bringing up lo") }
        }
    }

    private func report(_ holder: pid_t) throws(Refusal) {
        guard write(Array("\(holder)\n".utf8), to: readyDescriptor) else { throw .last("descriptor \(readyDescriptor)") }
        if readyDescriptor != STDOUT_FILENO { close(readyDescriptor) }
    }

    private func closeAll(_ descriptors: [Int32]) { for descriptor in descriptors { close(descriptor) } }
}

/// A pipe between outer and inner.
struct Pipe {
    let output: Int32
    let input: Int32

    init() throws(Refusal) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .last("pipe") }
        (output, input) = (ends[0], ends[1])
    }

    /// False when the other side closed without a word.
    func awaitByte() -> Bool {
        var byte: UInt8 = 0
        while true {
            let count = read(output, &byte, 1)
            if count < 0, errno == EINTR { continue }
            return count == 1
        }
    }
}
