import Addressing
import KubeAPI

/// How a pod finds names: its hosts file and its resolver's configuration.
struct PodNames {
    let hosts: String
    let resolver: String

    init(_ pod: PodManifest, addresses: [IPAddress], host: NodeHost) {
        let name = pod.usesHostNetwork ? host.name : pod.hostname
        var lines = [
            "# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet", "fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters",
        ]
        let full = "\(name).\(pod.subdomain).\(pod.metadata.namespace).svc.\(host.clusterDomain)"
        for address in addresses { lines.append("\(address)\t\(pod.subdomain.isEmpty ? name : "\(full)\t\(name)")") }
        for alias in pod.hostAliases { lines.append("\(alias.address)\t\(alias.names.joined(separator: "\t"))") }
        hosts = lines.joined(separator: "\n") + "\n"
        resolver = Self.resolver(pod, host)
    }

    /// As kubelets write it.
    private static func resolver(_ pod: PodManifest, _ host: NodeHost) -> String {
        let node = ResolverText(host.resolver)
        var text = ResolverText("")
        let isCluster = pod.dnsPolicy == "ClusterFirstWithHostNet" || pod.dnsPolicy == "ClusterFirst" && !pod.usesHostNetwork
        if isCluster, !host.clusterDNS.isEmpty {
            text.servers = host.clusterDNS.map { "\($0)" }
            let domain = host.clusterDomain
            text.searches = ["\(pod.metadata.namespace).svc.\(domain)", "svc.\(domain)", domain] + node.searches
            text.options = ["ndots:5"]
        } else if pod.dnsPolicy != "None" {
            text = node
        }
        func strings(_ name: String) -> [String] { (pod.dnsConfig?[name]?.array ?? []).compactMap(\.string) }
        text.servers += strings("nameservers")
        text.searches += strings("searches")
        for option in pod.dnsConfig?["options"]?.array ?? [] {
            guard let name = option["name"]?.string else { continue }
            text.options.removeAll { $0 == name || $0.hasPrefix(name + ":") }
            text.options.append(option["value"]?.string.map { "\(name):\($0)" } ?? name)
        }
        return text.description
    }
}

/// What a resolver's file says, as far as pods get it.
private struct ResolverText: CustomStringConvertible {
    var servers: [String] = []
    var searches: [String] = []
    var options: [String] = []

    /// Of several search lists the last counts (resolv.conf(5)).
    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            switch words.first {
            case "nameserver": servers += words.dropFirst().prefix(1)
            case "search", "domain": searches = Array(words.dropFirst())
            case "options": options += words.dropFirst()
            default: break
            }
        }
    }

    /// The C library looks at three servers.
    private static let mostServers = 3

    /// Nothing twice; without a server nobody is asked.
    var description: String {
        func once(_ words: [String]) -> [String] {
            var seen: Set<String> = []
            return words.filter { seen.insert($0).inserted }
        }
        let searches = once(searches)
        return (searches.isEmpty ? "" : "search \(searches.joined(separator: " "))\n")
            + once(servers).prefix(Self.mostServers).map { "nameserver \($0)\n" }.joined()
            + (options.isEmpty ? "" : "options \(options.joined(separator: " "))\n")
    }
}
