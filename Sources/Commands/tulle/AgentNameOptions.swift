import Agent
import ArgumentParser
import Cluster
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
        help: ArgumentHelp(
            """
            With the part dns: how names are served, and who is asked for those of the world outside; the document that the \
            cluster's server has (docs/dns.md). It is read again when it changes.
            """, valueName: "file"))
    var dnsConfig: String?

    @Flag(
        inversion: .prefixedNo,
        help: "With the part dns: answer a pod's first question with what its search list would lead it to.")
    var dnsSearchCollapse = true

    func settings() throws -> LocalNameSettings {
        let parts = dnsService.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts.contains("") else {
            throw AgentUsage("--dns-service \(dnsService): a namespace and a name, such as kube-system/kube-dns")
        }
        var settings = LocalNameSettings()
        settings.service = ServiceIndex.Name(namespace: parts[0], name: parts[1])
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
}
