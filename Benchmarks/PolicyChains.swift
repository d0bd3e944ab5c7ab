import Addressing
import Glibc
import KubeAPI
import Netlink

/// Policies as others say them, to compare with: for iptables, a chain for the pod that goes through a chain for each policy, which
/// marks what it opens (kube-router's shape; Canal's is the same but for the names).
///
/// Where those use a set of addresses, here is the one address: no look-up is cheaper.
enum PolicyChains {
    private static let mark = "0x10000/0x10000"

    /// - Parameter pod: whose policies they are.
    static func load(_ policies: [NetworkPolicy], at pod: IPAddress, in node: NetworkNamespace) throws {
        let program = "/usr/sbin/iptables-legacy-restore"
        guard access(program, X_OK) == 0 else { throw KernelError(.noSuchEntry, "find \(program) (apt install iptables)") }
        let outcome = try Call([program], input: text(policies, pod)).run(in: node)
        guard outcome.status == 0 else { throw KernelError(.inputOutput, "load chains: \(outcome.output)") }
    }

    private static func text(_ policies: [NetworkPolicy], _ pod: IPAddress) -> String {
        var chains = [":FORWARD ACCEPT [0:0]", ":POD-FW - [0:0]"]
        var rules = ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -d \(pod)/32 -j POD-FW"]
        for (number, policy) in policies.enumerated() {
            chains.append(":POLICY-\(number) - [0:0]")
            rules.append("-A POD-FW -m comment --comment \(policy.metadata.name) -j POLICY-\(number)")
            for rule in policy.ingress {
                for peer in rule.peers {
                    for port in rule.ports {
                        let opened = "-A POLICY-\(number) \(source(peer, number)) -p tcp \(destination(port))"
                        rules.append("\(opened) -j MARK --set-xmark \(mark)")
                        rules.append("\(opened) -m mark --mark \(mark) -j RETURN")
                    }
                }
            }
        }
        rules += ["-A POD-FW -m mark --mark \(mark) -j ACCEPT", "-A POD-FW -j DROP"]
        return (["*filter"] + chains + rules + ["COMMIT", ""]).joined(separator: "\n")
    }

    private static func source(_ peer: NetworkPolicy.Peer, _ number: Int) -> String {
        if case .block(let prefix, _) = peer { return "-s \(prefix)" }
        // The one pod that the selector means.
        return "-s 198.18.\(100 + number / 250).\(1 + number % 250)/32"
    }

    private static func destination(_ port: NetworkPolicy.Port) -> String {
        if case .number(let number)? = port.port { return "--dport \(number)" }
        return ""
    }
}
