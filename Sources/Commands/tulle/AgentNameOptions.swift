import Agent
import ArgumentParser
import Cluster
import KubeAPI
import NameServer
import Plan

/// How an agent answers names on its node.
struct AgentNameOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "With the part dns: the service whose addresses pods ask at. The node answers there itself.",
            valueName: "namespace/name"))
    var dnsService = "kube-system/kube-dns"

    @Option(
        name: .customLong("dns-configmap"),
        help: ArgumentHelp(
            """
            With the part dns: the ConfigMap whose key names.yaml says how names are served, the same that the cluster's servers have \
            (docs/dns.md). It is followed. Without it the cluster's servers answer. deploy/tulle.yaml lets the agent read \
            kube-system/kube-dns alone: elsewhere it needs a Role and a RoleBinding there, with resourceNames of that name.
            """, valueName: "namespace/name"))
    var dnsConfigMap = "kube-system/kube-dns"

    @Option(
        help: ArgumentHelp(
            "With the part dns: the same document as a file, in place of the ConfigMap. It is read again when it changes.",
            valueName: "file"))
    var dnsConfig: String?

    @Option(
        help: ArgumentHelp(
            """
            With the part dns: the file that names whom the node asks for names, and its search list, as the kubelet's --resolv-conf. \
            The document counts more where it names others.
            """, valueName: "file"))
    var dnsResolver = LocalNameSettings().resolverFile

    @Flag(
        inversion: .prefixedNo,
        help: "With the part dns: answer a pod's first question with what its search list would lead it to.")
    var dnsSearchCollapse = true

    func settings() throws -> LocalNameSettings {
        let (service, map) = (try Self.pair(dnsService, "--dns-service"), try Self.pair(dnsConfigMap, "--dns-configmap"))
        var settings = LocalNameSettings()
        settings.service = ServiceIndex.Name(namespace: service.namespace, name: service.name)
        settings.configMap = ObjectKey(ConfigMap.resource.kind, namespace: map.namespace, name: map.name)
        guard dnsResolver.hasPrefix("/") else { throw AgentUsage("--dns-resolver \(dnsResolver): a path from the root") }
        settings.resolverFile = dnsResolver
        settings.collapsesSearches = dnsSearchCollapse
        guard let dnsConfig else { return settings }
        var file = FollowedFile(dnsConfig)
        guard case .text(let text)? = file.changed() else { throw AgentUsage("--dns-config \(dnsConfig): it cannot be read") }
        do { settings.configuration = try NameServerConfiguration(text, file: dnsConfig) } catch {
            throw AgentUsage("--dns-config: \(error)")
        }
        settings.configurationFile = dnsConfig
        return settings
    }

    private static func pair(_ text: String, _ option: String) throws -> (namespace: String, name: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts.contains("") else {
            throw AgentUsage("\(option) \(text): a namespace and a name, such as kube-system/kube-dns")
        }
        return (parts[0], parts[1])
    }
}
