import CLinux
import Glibc
import KubeAPI
import Synchronization

/// Where everything of one lab is, and whether it is up: process 1 of the lab holds a lock there.
///
/// ```
///   /run/tulle-lab/NAME/
///     .tulle-lab                          the mark: without it nothing here is taken for a lab's
///     lab.json  kubeconfig  api.db        what it is, the way in, its objects
///     ca/  nodes/NAME/  *.log             keys; a node's state, pods and logs; what the parts say
///     supervisor.pid  control.sock        the lock; where it is asked
/// ```
public struct LabDirectory: Hashable, Sendable {
    /// Absolute.
    public let path: String

    public static let home = "/run/tulle-lab"

    /// - Parameter path: absolute.
    public init(_ path: String) {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = path
    }

    public init(name: String) { self.init("\(Self.home)/\(name)") }

    /// The labs that are up in the usual place, by name.
    static var namesUp: [String] { Files.names(in: home).filter { LabDirectory(name: $0).isUp }.sorted() }

    /// The options that name this lab to a command, after a space; empty for the usual one.
    public var options: String {
        if path == Self.home + "/lab" { return "" }
        guard path.hasPrefix(Self.home + "/") else { return " --directory \(path)" }
        return " --name \(path.dropFirst(Self.home.count + 1))"
    }

    /// What helps where nothing else does.
    var takesDown: String { "take it down, with what is left of its objects: tulle lab down\(options)" }

    public var kubeconfig: String { path + "/kubeconfig" }
    public var supervisorLog: String { path + "/supervisor.log" }
    private var mark: String { path + "/.tulle-lab" }
    var settings: String { path + "/lab.json" }
    var lock: String { path + "/supervisor.pid" }
    var control: String { path + "/control.sock" }
    var streams: String { path + "/streams.sock" }
    public var serverLog: String { path + "/api.log" }
    var store: String { path + "/api.db" }
    var authority: String { path + "/ca/authority.pem" }
    var authorityCertificate: String { path + "/ca/ca.crt" }
    var serverCertificate: String { path + "/ca/server.crt" }
    var serverKey: String { path + "/ca/server.key" }
    var tokens: String { path + "/ca/tokens.json" }
    /// How parts inside reach the API.
    var supervisorKubeconfig: String { path + "/ca/supervisor.kubeconfig" }

    func node(_ name: String) -> String { "\(path)/nodes/\(name)" }
    func agentState(_ name: String) -> String { node(name) + "/state" }
    /// What a node has as `/etc/resolv.conf`.
    func resolver(_ name: String) -> String { node(name) + "/resolv.conf" }
    func agentSocket(_ name: String) -> String { agentState(name) + "/cni.sock" }
    /// Where the agent of a node is asked for names.
    func nameSocket(_ name: String) -> String { agentState(name) + "/api.sock" }
    func agentLog(_ name: String) -> String { node(name) + "/agent.log" }
    func nodeKubeconfig(_ name: String) -> String { node(name) + "/kubeconfig" }
}

// MARK: - Making and removing

extension LabDirectory {
    /// Whether this directory was made for a lab, or taken for one when it was empty.
    public var isLab: Bool { access(mark, F_OK) == 0 }

    /// Makes it, for its owner alone. One that is there must be a lab's, or empty.
    func make(for settings: LabSettings) throws(LabError) {
        let longest = settings.nodeNames.map(agentSocket).max { $0.utf8.count < $1.utf8.count } ?? ""
        guard longest.utf8.count <= Int(CLINUX_UNIX_PATH_LIMIT) else {
            throw LabError(
                .stateUnusable, "\(longest): a socket's path has at most \(CLINUX_UNIX_PATH_LIMIT) bytes",
                remedy: "take a shorter --directory or --name")
        }
        try Files.makeDirectories(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
        if mkdir(path, 0o700) != 0 {
            let answer = errno
            guard answer == EEXIST else {
                throw LabError(.stateUnusable, "make \(path): \(String(cString: strerror(answer)))", remedy: "see --directory")
            }
            guard isLab || Files.names(in: path).isEmpty else {
                throw LabError(.stateUnusable, "\(path) is there and holds no lab", remedy: "name another --directory")
            }
            chmod(path, 0o700)
        }
        forgetLogs()
        // Before anything else: what is killed from here on left a lab's directory.
        try Files.write("A lab of Tulle's; tulle lab down removes all of this directory.\n".utf8, to: mark, mode: 0o600)
    }

    /// Where the logs of a lab are that could not come up.
    public var failed: String { path + ".failed" }
    private var failedMark: String { failed + "/.tulle-lab-logs" }

    /// Keeps what the parts of a lab wrote that is about to be removed, until the next one or `tulle lab down`.
    ///
    /// - Returns: where; `nil` when they cannot be kept.
    func keepLogs() -> String? {
        forgetLogs()
        guard mkdir(failed, 0o700) == 0,
            (try? Files.write(
                "Logs of a lab of Tulle's that did not come up; tulle lab down removes them.\n".utf8, to: failedMark))
                != nil
        else { return nil }
        rename(supervisorLog, failed + "/supervisor.log")
        rename(serverLog, failed + "/api.log")
        for name in Files.names(in: path + "/nodes") { rename(agentLog(name), "\(failed)/agent-of-\(name).log") }
        return failed
    }

    /// Those of a lab alone: nothing of anybody else's that is called so.
    private func forgetLogs() {
        if access(failedMark, F_OK) == 0 { Files.remove(failed) }
    }

    /// Removes it when it is a lab's; nothing of what is mounted or linked there.
    func remove() {
        guard isRemovable else { return }
        Files.remove(path)
        // The last lab takes the home along.
        if path.hasPrefix(Self.home + "/") { rmdir(Self.home) }
    }

    /// In the home of labs an empty one is what somebody left who was killed before the mark.
    private var isRemovable: Bool { isLab || path.hasPrefix(Self.home + "/") && Files.names(in: path).isEmpty }

    /// How the lab was made; `nil` where there is none.
    public func readSettings() throws(LabError) -> LabSettings? {
        guard let text = Files.text(of: settings) else { return nil }
        guard let tree = try? JSONReader().value(text) else {
            throw LabError(.stateUnusable, "\(settings) is no JSON", remedy: takesDown)
        }
        do {
            return try LabSettings(tree)
        } catch {
            throw LabError(error.code, "\(settings): \(error.message)", remedy: takesDown)
        }
    }

    func write(_ settings: LabSettings) throws(LabError) {
        let new = self.settings + ".new"
        try Files.write((settings.json.description + "\n").utf8, to: new, mode: 0o600)
        guard rename(new, self.settings) == 0 else { throw LabError(.stateUnusable, "write \(self.settings): errno \(errno)") }
    }

    /// The last lines of a log, for a person who wants to know why.
    public func lastLines(of log: String, count: Int = 12) -> [String] {
        (Files.text(of: log) ?? "").split(separator: "\n").suffix(count).map(String.init)
    }
}

// MARK: - Who runs

extension LabDirectory {
    /// Process 1 of the lab that is up, as this process numbers it; `nil` when none is.
    public var runningProcess: Int32? { lockHolder ?? processes.first }

    public var isUp: Bool { lockHolder != nil }

    private var lockHolder: pid_t? {
        let file = open(lock, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var asked = flock()
        asked.l_type = Int16(F_WRLCK)
        asked.l_whence = Int16(SEEK_SET)
        guard fcntl(file, F_GETLK, &asked) == 0, asked.l_type != Int16(F_UNLCK), asked.l_pid > 0 else { return nil }
        return asked.l_pid
    }

    /// Processes that were started to be this lab's process 1, also when the directory is gone.
    var processes: [pid_t] {
        Files.names(in: "/proc").compactMap { name in
            guard let process = pid_t(name), let line = Files.text(of: "/proc/\(name)/cmdline") else { return nil }
            let words = line.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
            guard words.count > 4, words[0].hasSuffix("/tulle-pod"), words[1...3] == ["init", "--lock", lock] else { return nil }
            return process
        }
    }

    /// What the processes of the lab are to whoever asks, by what they are inside.
    public var processNumbers: [Int: Int] {
        guard let first = lockHolder, let depth = Self.numbers(of: "\(first)")?.count else { return [:] }
        var numbers: [Int: Int] = [:]
        // Those in namespaces of their own have a number in the lab's, too.
        for process in [first] + ProcessFamily().descendants(of: first) {
            guard let own = Self.numbers(of: "\(process)"), own.count >= depth else { continue }
            numbers[own[depth - 1]] = Int(process)
        }
        return numbers
    }

    /// From outside to inside.
    private static func numbers(of process: String) -> [Int]? {
        let lines = (Files.text(of: "/proc/\(process)/status") ?? "").split(separator: "\n")
        return lines.first { $0.hasPrefix("NSpid:") }?.split { $0 == "\t" || $0 == " " }.compactMap { Int($0) }
    }

    /// Ends all processes of the lab, and waits until they are gone.
    func endProcesses() throws(LabError) {
        for process in Set([lockHolder].compactMap(\.self) + processes) {
            // The descriptor first: the number may be another's by the time it is used.
            let descriptor = clinux_process_descriptor(process)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            guard lockHolder == process || processes.contains(process) else { continue }
            // With process 1 the kernel ends everything in its namespace, and waits for it.
            kill(process, SIGKILL)
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) > 0 else {
                throw LabError(
                    .processFailed, "process \(process) of the lab does not end", remedy: "look at /proc/\(process)/stack")
            }
        }
    }

    /// Takes the lab down, in whatever state it is.
    ///
    /// - Returns: whether there was anything.
    /// - Throws: ``LabError/Code/notUp`` for a directory that is there and is no lab's: it stays as it is.
    @discardableResult
    public func takeDown() throws(LabError) -> Bool {
        let (wasUp, wasThere) = (!processes.isEmpty, access(path, F_OK) == 0)
        guard wasUp || !wasThere || isRemovable else {
            throw LabError(.notUp, "\(path) holds no lab, and is left as it is", remedy: "see --directory and --name")
        }
        forgetLogs()
        try endProcesses()
        remove()
        return wasUp || wasThere
    }
}
