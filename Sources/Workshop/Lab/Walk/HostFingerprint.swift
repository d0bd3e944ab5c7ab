import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink

/// What the host's own network, packet filter and mounts look like: taken before and after, to show that the lab leaves no trace.
struct HostFingerprint: Hashable {
    private var lines: [String]

    /// - Parameter namespace: the one that is looked at; `nil` for our own.
    init(_ namespace: NetworkNamespace? = nil) throws {
        let namespace = try namespace ?? .current()
        let state = try KernelHost(namespace).observe(Interest(sysctls: Self.settings))
        lines = state.description.split(separator: "\n").map(String.init) + Self.tables(namespace) + (try Self.mounts())
    }

    /// The settings that a node's agent changes in its own namespace.
    private static let settings: Set<String> = [
        "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/forwarding",
    ]

    /// The generation tells of every commit, also of one that was taken back.
    private static func tables(_ namespace: NetworkNamespace) -> [String] {
        do throws(KernelError) {
            let kernel = try KernelTables(in: namespace)
            return ["nf_tables generation \(try kernel.generation())"] + (try kernel.tables().map { "nf_tables table \($0)" })
        } catch {
            // A kernel without nf_tables: the lab's agents will say so; the host has nothing to compare.
            return ["nf_tables \(error.code)"]
        }
    }

    private static func mounts() throws -> [String] {
        guard let text = Files.text(of: "/proc/self/mounts") else {
            throw KernelError(Errno(rawValue: errno), "read /proc/self/mounts")
        }
        return text.split(separator: "\n").map { "mount \($0)" }
    }

    var count: Int { lines.count }

    /// What came and what went.
    func changes(since before: HostFingerprint) -> [String] {
        Set(lines).subtracting(before.lines).sorted().map { "new: \($0)" }
            + Set(before.lines).subtracting(lines).sorted().map { "gone: \($0)" }
    }
}
