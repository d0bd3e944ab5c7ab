import Glibc
import HostNetwork
public import Netlink
import Synchronization

/// The settings of a namespace: `/proc/sys/net` as a thread sees it that has entered the namespace.
///
/// To be kept: the folders `ipv4` of all namespaces stand side by side in the kernel's cache of names, and each look-up compares
/// them one after the other. With a thousand pods that is 0.1 ms. So each is looked up once, and what is in it by the folder.
public final class SettingsFolder: Sendable {
    private let namespace: NetworkNamespace
    /// `/proc/sys/net/ipv4` and its like, by the last name.
    private let parts = Mutex<[String: Descriptor]>([:])

    public init(of namespace: NetworkNamespace) { self.namespace = namespace }
}

extension SettingsFolder {
    /// A machine that was started with `ipv6.disable=1` has no such directory, in any namespace. What is there stays there: the
    /// kernel's IPv6 cannot be unloaded.
    static var hasIPv6: Bool {
        if isIPv6Known.load(ordering: .relaxed) { return true }
        let isThere = access("/proc/sys/net/ipv6/conf", F_OK) == 0
        if isThere { isIPv6Known.store(true, ordering: .relaxed) }
        return isThere
    }

    private static let isIPv6Known = Atomic(false)

    /// The values of the paths that exist.
    func read(_ paths: Set<String>) throws(KernelError) -> [Sysctl] {
        guard !paths.isEmpty else { return [] }
        return try namespace.perform { () throws(KernelError) in
            paths.compactMap { path in value(of: path).map { Sysctl(path, $0) } }
        }
    }

    /// Writes each, in order; for each the refusal, or `nil`.
    func write(_ settings: [Sysctl]) throws(KernelError) -> [KernelError?] {
        try namespace.perform { () throws(KernelError) in settings.map(write) }
    }

    /// Writes each, in order; only what is not so already. The calling thread has to be in the namespace.
    ///
    /// To write `disable_ipv6` takes the lock of all changes to links, by trying again and again, also where it changes nothing;
    /// to read it takes none.
    ///
    /// - Throws: the first refusal; the settings behind it are written all the same.
    func settle(_ settings: [Sysctl]) throws(KernelError) {
        var refusal: KernelError?
        for setting in settings where value(of: setting.path).map({ Sysctl(setting.path, $0) }) != setting {
            let answer = write(setting)
            refusal = refusal ?? answer
        }
        if let refusal { throw refusal }
    }

    /// `nil` for a setting that is not there.
    private func value(of path: String) -> String? {
        if !Self.hasIPv6, let none = Sysctl.withoutIPv6(path) { return none.value }
        guard let file = try? open(path, O_RDONLY) else { return isOfNarrowLink(path) ? Sysctl.withoutIPv6(path)?.value : nil }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            var count = Glibc.read(file.rawValue, buffer.baseAddress, buffer.count)
            guard count >= 0 else { return nil }
            while count > 0, buffer[count - 1] == UInt8(ascii: "\n") { count -= 1 }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    private func write(_ setting: Sysctl) -> KernelError? {
        // What is switched off by not being there.
        if !Self.hasIPv6, Sysctl.withoutIPv6(setting.path) == setting { return nil }
        do throws(KernelError) {
            let file = try open(setting.path, O_WRONLY)
            let bytes = Array(setting.value.utf8)
            guard Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count else {
                return KernelError(Errno(rawValue: errno), "set \(setting.path) to \(setting.value)")
            }
            return nil
        } catch {
            let isSo = error.code == .noSuchEntry && Sysctl.withoutIPv6(setting.path) == setting && isOfNarrowLink(setting.path)
            return isSo ? nil : error
        }
    }

    /// The kernel takes IPv6 off a link whose packets are smaller than 1280 bytes, with all its settings.
    private func isOfNarrowLink(_ path: String) -> Bool {
        let names = path.split(separator: "/")
        guard names.count == 5, names[0...2].elementsEqual(["net", "ipv6", "conf"]), let folder = try? part("ipv4") else {
            return false
        }
        return faccessat(folder.rawValue, "conf/\(names[3])", F_OK, 0) == 0
    }

    private func open(_ path: String, _ flags: CInt) throws(KernelError) -> Descriptor {
        // Only settings of the network: nothing else belongs to a namespace of ours.
        let names = path.split(separator: "/", omittingEmptySubsequences: false)
        guard names.first == "net", names.count > 1, !names.contains(where: { ["", ".", ".."].contains($0) }) else {
            throw KernelError(.invalidArgument, "open setting \(path)", explanation: "no path below net")
        }
        // One that is in no folder, such as `net/nf_conntrack_max`.
        guard names.count > 2 else { return try .open("/proc/sys/\(path)", flags) }
        let part = try part(String(names[1]))
        let opened = openat(part.rawValue, names[2...].joined(separator: "/"), flags | O_CLOEXEC)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open /proc/sys/\(path)") }
        return Descriptor(owning: opened)
    }

    private func part(_ name: String) throws(KernelError) -> Descriptor {
        if let known = parts.withLock({ $0[name] }) { return known }
        let found = try Descriptor.open("/proc/sys/net/\(name)", O_RDONLY | O_DIRECTORY)
        parts.withLock { $0[name] = found }
        return found
    }
}
