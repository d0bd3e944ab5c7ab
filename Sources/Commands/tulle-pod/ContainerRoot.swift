import CLinux
import Glibc

/// The file system of a container: the host's, with everything the container writes kept apart and forgotten with it.
///
/// An overlay: below it the host's root, above it a tmpfs that only this mount namespace has. /proc, /sys and /dev/shm are the
/// container's own; other file systems of the host are seen read-only. A mount point that the host has not is made in the tmpfs.
struct ContainerRoot {
    /// An empty directory, which the tmpfs is mounted on.
    var workshop = ""
    var mounts: [Mount] = []
    var isReadOnly = false

    struct Mount {
        var source: String
        var target: String
        var isReadOnly: Bool

        /// `SOURCE:TARGET`, `SOURCE:TARGET:ro`.
        init(_ text: String) throws(Refusal) {
            var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            isReadOnly = parts.count > 2 && parts.last == "ro"
            if isReadOnly { parts.removeLast() }
            // Of colons in paths all are the source's.
            target = parts.removeLast()
            source = parts.joined(separator: ":")
            guard source.hasPrefix("/"), target.hasPrefix("/") else {
                throw .usage("--mount “\(text)” is not SOURCE:TARGET or SOURCE:TARGET:ro with two absolute paths")
            }
        }
    }

    /// Where the host's root is seen while mounts are made.
    private static let old = "/.tulle-host"

    func make() throws(Refusal) {
        guard clinux_mounts_private() == 0 else { throw trouble("making mounts private") }
        // Symbolic links lead elsewhere once the root is another.
        var sources: [String] = []
        for mount in mounts { sources.append(try Self.resolved(mount.source)) }
        let others = Self.otherFileSystems()
        guard clinux_mount("tmpfs", workshop, "mode=755") == 0 else { throw trouble("a tmpfs on \(workshop)") }
        let root = workshop + "/root"
        for directory in ["/root", "/upper", "/work"] {
            guard mkdir(workshop + directory, 0o755) == 0 else { throw trouble("making \(workshop + directory)") }
        }
        let layers = "lowerdir=/,upperdir=\(workshop)/upper,workdir=\(workshop)/work"
        guard clinux_mount("overlay", root, layers) == 0 else {
            throw trouble("an overlay of the host's root (the kernel needs overlayfs)")
        }
        guard mkdir(root + Self.old, 0o700) == 0, clinux_pivot(root, root + Self.old) == 0, chdir("/") == 0 else {
            throw trouble("changing the root")
        }
        try mountOwn()
        for path in others { bindHost(path) }
        for (mount, source) in zip(mounts, sources) { try bind(Self.old + source, mount) }
        guard clinux_unmount(Self.old) == 0, rmdir(Self.old) == 0 else { throw trouble("leaving the host's root") }
        if isReadOnly, clinux_bind_read_only("/") != 0 { throw trouble("a read-only root (readOnlyRootFilesystem)") }
    }

    /// Goes where the command starts; a directory that is not there is made, as runtimes do.
    func enter(_ directory: String) throws(Refusal) {
        Self.makeDirectories(directory)
        guard chdir(directory) == 0 else { throw trouble("the working directory \(directory) (workingDir)") }
    }
}

extension ContainerRoot {
    private func mountOwn() throws(Refusal) {
        guard clinux_mount_proc() == 0 else { throw trouble("mounting /proc") }
        guard clinux_mount_read_only("sysfs", "/sys", nil) == 0 else { throw trouble("mounting /sys") }
        // A /dev of its own: what a container makes there would be made in the host's, and two pods would meet in its /dev/shm.
        guard clinux_mount("tmpfs", "/dev", "mode=755") == 0 else { throw trouble("mounting /dev") }
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let file = open("/dev/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
            if file >= 0 { close(file) }
            guard clinux_bind("\(Self.old)/dev/\(name)", "/dev/\(name)") == 0 else { throw trouble("the device \(name)") }
        }
        for name in ["pts", "shm"] { mkdir("/dev/\(name)", 0o755) }
        // The host's terminals: the one of an exec is among them.
        _ = clinux_bind(Self.old + "/dev/pts", "/dev/pts")
        _ = clinux_mount("tmpfs", "/dev/shm", "mode=1777,size=64m")
        for (name, target) in [
            ("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] { symlink(target, "/dev/\(name)") }
    }

    private func bind(_ source: String, _ mount: Mount) throws(Refusal) {
        var status = stat()
        guard stat(source, &status) == 0 else { throw trouble("the volume for \(mount.target) (volumeMounts)") }
        if status.st_mode & S_IFMT == S_IFDIR {
            Self.makeDirectories(mount.target)
        } else {
            if let end = mount.target.lastIndex(of: "/") { Self.makeDirectories(String(mount.target[..<end])) }
            let file = open(mount.target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            if file >= 0 { close(file) }
        }
        guard clinux_bind(source, mount.target) == 0 else { throw trouble("mounting a volume on \(mount.target) (volumeMounts)") }
        if mount.isReadOnly, clinux_bind_read_only(mount.target) != 0 {
            throw trouble("making \(mount.target) read-only (volumeMounts)")
        }
    }

    /// Another disk of the host, such as /home: an overlay does not show what is mounted on its lower layer.
    private func bindHost(_ path: String) {
        if clinux_bind(Self.old + path, path) == 0 { _ = clinux_bind_read_only(path) }
    }

    /// Mount points of file systems that hold files, outermost ones first.
    private static func otherFileSystems() -> [String] {
        let apart: Set = ["proc", "sysfs", "devtmpfs", "devpts", "tmpfs", "cgroup", "cgroup2", "overlay", "mqueue", "securityfs"]
        var found: [String] = []
        for line in lines(of: "/proc/self/mountinfo") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count > 6, let dash = words.firstIndex(of: "-"), dash + 1 < words.count else { continue }
            let path = words[4]
            guard path != "/", !apart.contains(words[dash + 1]), !["/proc/", "/sys/", "/dev/"].contains(where: path.hasPrefix)
            else { continue }
            if !found.contains(where: { path == $0 || path.hasPrefix($0 + "/") }) { found.append(path) }
        }
        return found
    }

    private static func lines(of path: String) -> [Substring] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer.prefix(count)
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
    }

    private static func resolved(_ path: String) throws(Refusal) -> String {
        guard let text = realpath(path, nil) else { throw .last("the volume \(path)", status: Run.notEntered) }
        defer { free(text) }
        return String(cString: text)
    }

    private static func makeDirectories(_ path: String) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/\(name)"
            mkdir(made, 0o755)
        }
    }

    private func trouble(_ attempt: String) -> Refusal { .last(attempt, status: Run.notEntered) }
}
