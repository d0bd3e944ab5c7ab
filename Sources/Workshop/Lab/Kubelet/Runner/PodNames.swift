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

    private static func resolver(_ pod: PodManifest, _ host: NodeHost) -> String {
        var (servers, search, options): ([String], [String], [String]) = ([], [], [])
        let isCluster = pod.dnsPolicy == "ClusterFirstWithHostNet" || pod.dnsPolicy == "ClusterFirst" && !pod.usesHostNetwork
        if isCluster, !host.clusterDNS.isEmpty {
            servers = host.clusterDNS.map { "\($0)" }
            let domain = host.clusterDomain
            search = ["\(pod.metadata.namespace).svc.\(domain)", "svc.\(domain)", domain]
            options = ["ndots:5"]
        }
        func strings(_ name: String) -> [String] { (pod.dnsConfig?[name]?.array ?? []).compactMap(\.string) }
        servers += strings("nameservers")
        search += strings("searches")
        for option in pod.dnsConfig?["options"]?.array ?? [] {
            guard let name = option["name"]?.string else { continue }
            options.removeAll { $0 == name || $0.hasPrefix(name + ":") }
            options.append(option["value"]?.string.map { "\(name):\($0)" } ?? name)
        }
        // Without servers of the cluster nothing is asked: a lab sends nothing to the world outside.
        return (search.isEmpty ? "" : "search \(search.joined(separator: " "))\n")
            + servers.map { "nameserver \($0)\n" }.joined()
            + (options.isEmpty ? "" : "options \(options.joined(separator: " "))\n")
    }
}
