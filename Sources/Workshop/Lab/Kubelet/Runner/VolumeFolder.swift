import Glibc
import KubeAPI

/// The files of a volume that follow objects, all of them changed at once, as a kubelet does it:
///
/// ```
///   key      ──► ..data/key
///   ..data   ──► ..0000000007          replaced by a rename
///   ..0000000007/key
/// ```
/// Whoever has a file open keeps what it has read; whoever opens it next gets the new one.
struct VolumeFolder {
    struct File: Hashable, Sendable {
        var bytes: [UInt8]
        var mode: UInt32
    }

    let path: String
    /// Of everything in it; `nil`: root's.
    let group: UInt32?

    /// - Parameter files: by their paths in the volume; what is there and not among them goes.
    func write(_ files: [String: File]) throws(LabError) {
        let old = Files.names(in: path).filter { $0.hasPrefix("..0") }
        let number = (old.compactMap { Int($0.dropFirst(2)) }.max() ?? 0) + 1
        let digits = String(number)
        let name = ".." + String(repeating: "0", count: max(1, 10 - digits.count)) + digits
        let folder = "\(path)/\(name)"
        try Files.makeDirectories(folder)
        try own(folder, 0o755 | (group == nil ? 0 : 0o2110))
        for (place, file) in files {
            // A path of a volume stays in it.
            let parts = place.split(separator: "/")
            guard !parts.contains(".."), !parts.isEmpty, !place.hasPrefix(".."), !place.hasPrefix("/") else {
                throw LabError(.objectsUnusable, "path \(place) leads outside")
            }
            var parent = folder
            for part in parts.dropLast() {
                parent += "/\(part)"
                try Files.makeDirectories(parent)
                try own(parent, 0o755 | (group == nil ? 0 : 0o2110))
            }
            try Files.write(file.bytes, to: "\(folder)/\(place)", mode: 0o600)
            try own("\(folder)/\(place)", file.mode | (group == nil ? 0 : 0o440))
        }
        try link("\(path)/..data", to: name)
        let tops = Set(files.keys.map { String($0.prefix { $0 != "/" }) })
        for top in tops where !isLink("\(path)/\(top)") {
            Files.remove("\(path)/\(top)")
            try link("\(path)/\(top)", to: "..data/\(top)")
        }
        for top in Files.names(in: path) where !top.hasPrefix("..") && !tops.contains(top) { Files.remove("\(path)/\(top)") }
        for name in old { Files.remove("\(path)/\(name)") }
    }

    private func own(_ path: String, _ mode: UInt32) throws(LabError) {
        // First the group: giving a file away takes the bit for groups from it.
        if let group, chown(path, uid_t.max, group) != 0 {
            throw LabError(.processFailed, "give \(path) to group \(group): errno \(errno)")
        }
        guard chmod(path, mode) == 0 else { throw LabError(.processFailed, "permissions of \(path): errno \(errno)") }
    }

    private func isLink(_ path: String) -> Bool {
        var buffer: [CChar] = [0]
        return readlink(path, &buffer, 1) >= 0
    }

    /// In place of what has the name.
    private func link(_ place: String, to target: String) throws(LabError) {
        let new = "\(path)/..link"
        unlink(new)
        guard symlink(target, new) == 0, rename(new, place) == 0 else {
            throw LabError(.processFailed, "link \(place): errno \(errno)")
        }
    }
}

/// The data of objects, each asked for once: for a moment in which many pods want the same.
actor ObjectReading {
    private let api: any KubeletAPI
    private var found: [String: [String: [UInt8]]?] = [:]

    init(_ api: any KubeletAPI) { self.api = api }

    /// - Returns: `nil` when there is no such object.
    func data(_ name: String, isSecret: Bool, in namespace: String) async throws -> [String: [UInt8]]? {
        let key = "\(isSecret)/\(namespace)/\(name)"
        if let known = found[key] { return known }
        var data: [String: [UInt8]]?
        if let tree = try await api.object(isSecret ? "Secret" : "ConfigMap", namespace: namespace, name: name) {
            data = Self.data(of: tree, isSecret: isSecret)
        }
        found[key] = .some(data)
        return data
    }

    private static func data(of tree: JSONValue, isSecret: Bool) -> [String: [UInt8]] {
        var data: [String: [UInt8]] = [:]
        for member in tree[isSecret ? "stringData" : "data"]?.object?.members ?? [] {
            data[member.key] = Array((member.value.string ?? "").utf8)
        }
        for member in tree[isSecret ? "data" : "binaryData"]?.object?.members ?? [] {
            data[member.key] = Base64.bytes(of: member.value.string ?? "")
        }
        return data
    }
}
