import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink

/// What the host's own network, mounts and bridges look like: taken before and after, to show that the lab leaves no trace.
struct HostFingerprint: Hashable {
    private var lines: [String]

    init() throws {
        let state = try KernelHost(try .current()).observe(Interest(sysctls: Self.settings))
        lines = state.description.split(separator: "\n").map(String.init) + (try Self.mounts())
    }

    /// The settings that a node's agent changes in its own namespace.
    private static let settings: Set<String> = [
        "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/forwarding",
    ]

    private static func mounts() throws -> [String] {
        let file = try Descriptor.open("/proc/self/mounts")
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(file.rawValue, &chunk, chunk.count)
            guard count > 0 else { break }
            text += chunk[..<count]
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map { "mount \($0)" }
    }

    var count: Int { lines.count }

    /// What came and what went.
    func changes(since before: HostFingerprint) -> [String] {
        Set(lines).subtracting(before.lines).sorted().map { "new: \($0)" }
            + Set(before.lines).subtracting(lines).sorted().map { "gone: \($0)" }
    }
}
