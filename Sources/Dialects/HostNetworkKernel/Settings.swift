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
            paths.compactMap { path in
                if !hasIPv6, let none = Sysctl.withoutIPv6(path) { return none }
                guard let file = try? Self.open(path, O_RDONLY) else { return nil }
                return Self.text(of: file).map { Sysctl(path, $0) }
            }
        }
    }

    /// Writes each, in order; for each the refusal, or `nil`.
    func write(_ settings: [Sysctl]) throws(KernelError) -> [KernelError?] {
        try namespace.perform { () throws(KernelError) -> [KernelError?] in Self.write(settings, hasIPv6: hasIPv6) }
    }

    /// In the namespace of the calling thread.
    static func write(_ settings: [Sysctl], hasIPv6: Bool) -> [KernelError?] {
        settings.map { !hasIPv6 && Sysctl.withoutIPv6($0.path) == $0 ? nil : write($0) }
    }

    private static func write(_ setting: Sysctl) -> KernelError? {
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

    private static func open(_ path: String, _ flags: CInt) throws(KernelError) -> Descriptor {
        // Only settings of the network: nothing else belongs to a namespace of ours.
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.first == "net", !parts.contains(where: { ["", ".", ".."].contains($0) }) else {
            throw KernelError(.invalidArgument, "open setting \(path)", explanation: "no path below net")
        }
        return try Descriptor.open("/proc/sys/" + path, flags)
    }

    private static func text(of file: Descriptor) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file.rawValue, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        var text = buffer[..<count]
        while text.last == UInt8(ascii: "\n") { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }
}
