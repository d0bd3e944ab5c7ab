import Addressing
import Logging
import Netlink

/// `/run/flannel/subnet.env`, as flannel writes it: by it flannel's own CNI plugin makes a configuration for its delegates (`bridge`
/// with `host-local`), and these attach pods to our overlay.
///
/// ```
/// FLANNEL_NETWORK=10.244.0.0/16       the ranges of all nodes, in one
/// FLANNEL_SUBNET=10.244.1.1/24        this node's, with its first address: the bridge's
/// FLANNEL_IPV6_NETWORK=…, FLANNEL_IPV6_SUBNET=…
/// FLANNEL_MTU=1450
/// FLANNEL_IPMASQ=false                whether this agent masquerades; the plugin tells its delegate the contrary
/// ```
struct FlannelFile: Hashable {
    /// This node's ranges, at most one a family.
    var own: [IPPrefix]
    /// Of all nodes.
    var ranges: [IPPrefix]
    var mtu: Int
    var masquerades: Bool
}

extension FlannelFile {
    /// `nil` without a range of this node: a file that says nothing makes the plugin fail in words nobody understands.
    var text: String? {
        guard !own.isEmpty else { return nil }
        var lines: [String] = []
        for (family, name) in [(IPFamily.v4, ""), (.v6, "IPV6_")] {
            guard let subnet = own.first(where: { $0.family == family }), let first = subnet.address(at: 1) else { continue }
            let network = Self.cover(ranges.filter { $0.family == family } + [subnet])
            lines += [
                "FLANNEL_\(name)NETWORK=\(network)",
                "FLANNEL_\(name)SUBNET=\(InterfaceAddress(first, length: subnet.length))",
            ]
        }
        lines += ["FLANNEL_MTU=\(mtu)", "FLANNEL_IPMASQ=\(masquerades)"]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The longest prefix that holds all of them: what the pods' default route would be without the rest of the world.
    static func cover(_ prefixes: [IPPrefix]) -> IPPrefix {
        var cover = prefixes[0]
        for prefix in prefixes.dropFirst() {
            while !cover.contains(prefix.address) || cover.length > prefix.length {
                cover = IPPrefix(cover.address, length: cover.length - 1)
            }
        }
        return cover
    }
}

/// Writes the file when it has changed.
struct FlannelWriter {
    let path: String
    private var written: String?

    init(_ path: String) { self.path = path }

    mutating func write(_ file: FlannelFile?, _ logger: Logger) {
        guard let text = file?.text, text != written || !Disk.isThere(path) else { return }
        do {
            if (try? Disk.read(path)).map({ String(decoding: $0, as: UTF8.self) }) != text {
                try Disk.makePublicDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
                for step in DiskStep.publishing(Array(text.utf8), to: path, mode: 0o644) { try step.carryOut() }
            }
            written = text
        } catch {
            logger.error("flannel's file cannot be written", metadata: ["error": "\(error)"])
        }
    }
}
