import Glibc
import HostNetwork
import Netlink

/// The settings of a namespace: `/proc/sys/net` as a thread sees it that has entered the namespace. A file belongs to the
/// namespace of the task that opens it.
struct Settings {
    private let namespace: NetworkNamespace
    private let hasIPv6: Bool

    init(_ namespace: NetworkNamespace, hasIPv6: Bool) {
        self.namespace = namespace
        self.hasIPv6 = hasIPv6
    }

    /// A machine that was started with `ipv6.disable=1` has no such directory, in any namespace.
    static var hasIPv6: Bool { access("/proc/sys/net/ipv6/conf", F_OK) == 0 }

    /// The values of the paths that exist.
    func read(_ paths: Set<String>) throws(KernelError) -> [Sysctl] {
        guard !paths.isEmpty else { return [] }
        return try namespace.perform { () throws(KernelError) -> [Sysctl] in
            let folder = try Folder(hasIPv6: hasIPv6)
            return paths.compactMap { path in folder.value(of: path).map { Sysctl(path, $0) } }
        }
    }

    /// Writes each, in order; for each the refusal, or `nil`.
    func write(_ settings: [Sysctl]) throws(KernelError) -> [KernelError?] {
        try namespace.perform { () throws(KernelError) -> [KernelError?] in
            let folder = try Folder(hasIPv6: hasIPv6)
            return settings.map(folder.write)
        }
    }

    /// In the namespace of the calling thread; only what is not so already.
    ///
    /// To write `disable_ipv6` takes the lock of all changes to links, by trying again and again, also where it changes nothing;
    /// to read it takes none.
    ///
    /// - Throws: the first refusal; the settings behind it are written all the same.
    static func settle(_ settings: [Sysctl], hasIPv6: Bool) throws(KernelError) {
        guard !settings.isEmpty else { return }
        let folder = try Folder(hasIPv6: hasIPv6)
        var refusal: KernelError?
        for setting in settings where folder.value(of: setting.path) != setting.value {
            let answer = folder.write(setting)
            refusal = refusal ?? answer
        }
        if let refusal { throw refusal }
    }
}

/// `/proc/sys/net` as the calling thread sees it.
///
/// Looked up once for all settings of a call. The folders `net` of all namespaces stand side by side in the kernel's cache of
/// names, and each look-up compares them one after the other: with a thousand pods that is 0.1 ms. What is in the folder is its
/// namespace's own.
private struct Folder {
    private let descriptor: Descriptor
    private let hasIPv6: Bool

    init(hasIPv6: Bool) throws(KernelError) {
        descriptor = try .open("/proc/sys/net", O_RDONLY | O_DIRECTORY)
        self.hasIPv6 = hasIPv6
    }

    /// `nil` for a setting that is not there.
    func value(of path: String) -> String? {
        if !hasIPv6, let none = Sysctl.withoutIPv6(path) { return none.value }
        guard let file = try? open(path, O_RDONLY) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file.rawValue, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        var text = buffer[..<count]
        while text.last == UInt8(ascii: "\n") { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }

    func write(_ setting: Sysctl) -> KernelError? {
        // What is switched off by not being there.
        if !hasIPv6, Sysctl.withoutIPv6(setting.path) == setting { return nil }
        do throws(KernelError) {
            let file = try open(setting.path, O_WRONLY)
            let bytes = Array(setting.value.utf8)
            guard Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count else {
                return KernelError(Errno(rawValue: errno), "set \(setting.path) to \(setting.value)")
            }
            return nil
        } catch {
            return error
        }
    }

    private func open(_ path: String, _ flags: CInt) throws(KernelError) -> Descriptor {
        // Only settings of the network: nothing else belongs to a namespace of ours.
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.first == "net", parts.count > 1, !parts.contains(where: { ["", ".", ".."].contains($0) }) else {
            throw KernelError(.invalidArgument, "open setting \(path)", explanation: "no path below net")
        }
        let opened = openat(descriptor.rawValue, String(path.dropFirst(4)), flags | O_CLOEXEC)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open /proc/sys/\(path)") }
        return Descriptor(owning: opened)
    }
}
