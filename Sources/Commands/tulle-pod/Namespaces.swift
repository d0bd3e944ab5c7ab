import CLinux
import Glibc

/// A set of namespaces, by the kernel's flags.
struct Namespaces: OptionSet {
    let rawValue: Int32

    static let network = Namespaces(rawValue: Int32(CLINUX_NAMESPACE_NETWORK))
    static let mount = Namespaces(rawValue: Int32(CLINUX_NAMESPACE_MOUNT))
    static let hostname = Namespaces(rawValue: Int32(CLINUX_NAMESPACE_UTS))
    static let process = Namespaces(rawValue: Int32(CLINUX_NAMESPACE_PID))
    static let messages = Namespaces(rawValue: Int32(CLINUX_NAMESPACE_IPC))

    /// By their names under /proc/PID/ns.
    static let names: KeyValuePairs<String, Namespaces> = [
        "net": .network, "mnt": .mount, "uts": .hostname, "pid": .process, "ipc": .messages,
    ]
    static let all: Namespaces = [.network, .mount, .hostname, .process, .messages]

    init(rawValue: Int32) { self.rawValue = rawValue }

    /// Reads names between commas, at least one.
    init(_ text: String, option: String) throws(Refusal) {
        self = []
        guard !text.isEmpty else { throw .usage("\(option) “” names no namespace; it takes some of net,mnt,uts,pid,ipc") }
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let found = Self.names.first(where: { $0.key == name }) else {
                throw .usage("\(option) “\(text)”: “\(name)” is no namespace we know; it takes some of net,mnt,uts,pid,ipc")
            }
            insert(found.value)
        }
    }

    /// Those that differ between us and another process.
    init(differingFrom process: pid_t) throws(Refusal) {
        self = []
        for (name, namespace) in Self.names
        where try Self.inode("/proc/self/ns/\(name)") != Self.inode("/proc/\(process)/ns/\(name)") {
            insert(namespace)
        }
    }

    /// Enters these of another process.
    ///
    /// A process that ended leaves its number to the next, which may be one of the host: whoever wants another network and would
    /// stay in this one is refused.
    func join(_ target: pid_t) throws(Refusal) {
        // One descriptor for all: should the process end now, its number may mean another, but this does not.
        let process = clinux_process_descriptor(target)
        guard process >= 0 else { throw .last("process \(target)", status: Run.notEntered) }
        defer { close(process) }
        if contains(.network), try Self.inode("/proc/self/ns/net") == Self.inode("/proc/\(target)/ns/net") {
            throw Refusal(
                status: Run.notEntered, description: "process \(target) has no network of its own: nothing is run in this one")
        }
        guard isEmpty || clinux_namespaces_join(process, rawValue) == 0 else {
            let place = self == .network ? "network" : "namespaces"
            throw .last("entering the \(place) of process \(target)", status: Run.notEntered)
        }
    }

    private static func inode(_ path: String) throws(Refusal) -> ino_t {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last(path, status: Run.notEntered) }
        return status.st_ino
    }
}
