import Addressing
import Cluster
import Netlink
import Plan

/// Whether pods that policies speak of sit on another plugin's bridge that shows its packets to nobody: what one of its pods sends
/// to another then passes no rule.
struct BridgeSurvey: Sendable {
    let namespace: NetworkNamespace

    struct Bridge: Hashable, Sendable {
        var name: String
        var address: InterfaceAddress
    }

    /// What cannot be looked at is no problem of policies'.
    func problems(_ subjects: some Collection<IPAddress>) -> [Problem] {
        guard !subjects.isEmpty, let bridges = try? bridges(), !bridges.isEmpty else { return [] }
        return Self.problems(subjects, on: bridges) { family in
            try? namespace.perform { setting("bridge-nf-call-\(family == .v4 ? "iptables" : "ip6tables")") }
        }
    }

    /// - Parameter setting: of the family; `nil`: there is none, as the module is not loaded.
    static func problems(
        _ subjects: some Collection<IPAddress>, on bridges: [Bridge], setting: (IPFamily) -> String?
    ) -> [Problem] {
        bridges.sorted { ($0.name, $0.address.address) < ($1.name, $1.address.address) }.compactMap { bridge in
            let prefix = bridge.address.prefix
            guard subjects.contains(where: { $0 != bridge.address.address && prefix.contains($0) }),
                setting(prefix.family) != "1"
            else { return nil }
            return Problem(
                .policyBridgeUnseen, nil,
                "pods of \(prefix) on bridge \(bridge.name) reach each other without passing any rule: the node's "
                    + "net/bridge/bridge-nf-call-\(prefix.family == .v4 ? "iptables" : "ip6tables") is not 1")
        }
    }

    private func bridges() throws -> [Bridge] {
        let socket = try NetlinkSocket(.route, in: namespace)
        let links = try socket.links().filter { link in
            if case .bridge? = link.kind { link.name != PacketPath.podBridge } else { false }
        }
        let names = Dictionary(links.map { (UInt32(bitPattern: $0.index), $0.name ?? "") }) { $1 }
        guard !names.isEmpty else { return [] }
        return try socket.list(AddressMessage(all: .any), operation: "list addresses").compactMap { message in
            guard let name = names[message.link], let address = message.address else { return nil }
            return Bridge(name: name, address: address)
        }
    }

    /// The calling thread is in the namespace.
    private func setting(_ name: String) -> String? {
        let path = "/proc/sys/net/bridge/\(name)"
        guard let text = try? Disk.read(path) else { return nil }
        return String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }
    }
}
