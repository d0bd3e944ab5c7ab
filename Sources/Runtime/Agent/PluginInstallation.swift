import CNI
import Glibc
public import Netlink

/// The two files by which a container runtime finds us: the plugin and the configuration that names it.
///
/// ```
/// /opt/cni/bin/tulle-cni              first: a runtime that reads the configuration finds what it names
/// /etc/cni/net.d/10-tulle.conflist    when the agent can answer: before that no pod is given to it
/// ```
/// Each appears whole or not at all, and what is as it should be is not written again.
public struct PluginInstallation: Hashable, Sendable {
    public var binaries: String
    public var configurations: String
    public var name: String
    /// Where the plugin finds the agent, and leaves deletions while it is away.
    public var socket: String
    public var queueDirectory: String

    public init(
        binaries: String = "/opt/cni/bin", configurations: String = "/etc/cni/net.d", name: String = "10-tulle.conflist",
        socket: String = "/run/tulle/cni.sock",
        queueDirectory: String = "/run/tulle/deletions"
    ) {
        (self.binaries, self.configurations, self.name) = (binaries, configurations, name)
        (self.socket, self.queueDirectory) = (socket, queueDirectory)
    }
}

extension PluginInstallation {
    public var binaryPath: String { binaries + "/tulle-cni" }
    public var configurationPath: String { configurations + "/" + name }

    /// What a runtime reads: one plugin, with what it can do for a pod that asks.
    ///
    /// A runtime from before 1.1.0 of the specification takes `cniVersion` and reads no result of a later one (podman 4.3 does not); since
    /// 1.1.0 a runtime takes the greatest version that it knows of both keys.
    var configuration: SmallJSON {
        [
            "cniVersion": .string(SpecVersion.v1_0_0.rawValue),
            "cniVersions": [.string(SpecVersion.v1_0_0.rawValue), .string(SpecVersion.v1_1_0.rawValue)],
            "name": "tulle",
            "plugins": [
                [
                    "type": "tulle-cni", "agentSocket": .string(socket), "queueDirectory": .string(queueDirectory),
                    "capabilities": ["portMappings": true, "bandwidth": true, "ips": true, "mac": true],
                ]
            ],
        ]
    }

    /// Another network plugin's configuration that a runtime takes instead of ours: it takes the first in the order of names. One that
    /// has us among its plugins is none, though somebody else wrote it.
    ///
    /// - Throws: when the directory cannot be listed; one that is not there has none.
    public func rivals() throws(KernelError) -> [String] {
        guard Disk.isThere(configurations) else { return [] }
        return try Disk.names(in: configurations).filter { other in
            other < name && [".conf", ".conflist", ".json"].contains { other.hasSuffix($0) }
                && !leadsHere("\(configurations)/\(other)")
        }
    }

    /// Whether a configuration, of one plugin or a chain, has the plugin with our agent's socket.
    private func leadsHere(_ path: String) -> Bool {
        guard let bytes = try? Disk.read(path), let document = try? SmallJSON(reading: bytes) else { return false }
        return (document["plugins"]?.array ?? [document]).contains { plugin in
            plugin["type"]?.string == "tulle-cni"
                && (plugin["agentSocket"]?.string ?? NetworkConfiguration.defaultAgentSocket) == socket
        }
    }

    /// - Parameter source: the plugin as it was built.
    /// - Returns: whether it had to be written.
    @discardableResult
    public func installBinary(from source: String) throws(KernelError) -> Bool {
        let bytes = try Disk.read(source)
        guard bytes.starts(with: Self.programMark) else {
            throw KernelError(
                .init(rawValue: ENOEXEC), "install \(source)", remedy: "it is no program: name tulle-cni as it was built")
        }
        return try Self.put(bytes, at: binaryPath, mode: 0o755)
    }

    @discardableResult
    public func installConfiguration() throws(KernelError) -> Bool {
        try Self.put(configuration.bytes + [UInt8(ascii: "\n")], at: configurationPath, mode: 0o644)
    }

    /// The configuration first: a runtime that still reads it must find the plugin. What somebody else wrote stays.
    ///
    /// - Returns: the paths of what was there and went, and of what stays.
    public func remove() throws(KernelError) -> (removed: [String], left: [String]) {
        var (removed, left): ([String], [String]) = ([], [])
        for (path, isOurs) in [(configurationPath, isOwnConfiguration), (binaryPath, isOwnBinary)] {
            // What a kill left of one that was being written.
            try Disk.remove(DiskStep.draft(of: path))
            guard Self.isThere(path) else { continue }
            guard isOurs(path) else {
                left.append(path)
                continue
            }
            try Disk.remove(path)
            removed.append(path)
        }
        return (removed, left)
    }

    /// Also a link that leads nowhere.
    private static func isThere(_ path: String) -> Bool {
        var about = stat()
        return lstat(path, &about) == 0
    }

    /// What we write is no link.
    private static func isFile(_ path: String) -> Bool {
        var about = stat()
        return lstat(path, &about) == 0 && about.st_mode & S_IFMT == S_IFREG
    }

    /// As every release writes it: our plugin alone, under our name. A chain around it is somebody else's.
    private func isOwnConfiguration(_ path: String) -> Bool {
        guard Self.isFile(path), let bytes = try? Disk.read(path), let document = try? SmallJSON(reading: bytes) else {
            return false
        }
        let plugins = document["plugins"]?.array ?? []
        return document["name"]?.string == "tulle" && plugins.count == 1 && plugins.first?["type"]?.string == "tulle-cni"
    }

    /// A program that knows where our agent usually listens, as every release of the plugin does.
    private func isOwnBinary(_ path: String) -> Bool {
        guard Self.isFile(path), let bytes = try? Disk.read(path), bytes.starts(with: Self.programMark) else { return false }
        let word = Array(NetworkConfiguration.defaultAgentSocket.utf8)
        return bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count >= word.count else { return false }
            let end = bytes.count - word.count
            var place = 0
            while place <= end, let next = memchr(start + place, Int32(word[0]), end - place + 1) {
                if memcmp(next, word, word.count) == 0 { return true }
                place = UnsafeRawPointer(next) - start + 1
            }
            return false
        }
    }

    /// What every program of Linux begins with.
    private static let programMark = [0x7F] + Array("ELF".utf8)

    private static func put(_ bytes: [UInt8], at path: String, mode: mode_t) throws(KernelError) -> Bool {
        if let there = try? Disk.read(path), there == bytes, hasMode(mode, path) { return false }
        try Disk.makePublicDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
        for step in DiskStep.publishing(bytes, to: path, mode: mode) { try step.carryOut() }
        return true
    }

    private static func hasMode(_ mode: mode_t, _ path: String) -> Bool {
        var about = stat()
        return stat(path, &about) == 0 && about.st_mode & 0o777 == mode
    }
}

extension DiskStep {
    /// For others to read: under a name that no runtime looks at until it is whole, and on the disk before it has its own.
    static func publishing(_ bytes: [UInt8], to path: String, mode: mode_t) -> [DiskStep] {
        let draft = draft(of: path)
        return [.remove(draft), .createPublic(draft, bytes, mode), .rename(draft, to: path)]
    }

    fileprivate static func draft(of path: String) -> String {
        let slash = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        return path[..<slash] + "." + path[slash...] + ".new"
    }
}
