import Agent
import ArgumentParser
import Cluster
import DNS
import NameServer
import Plan

/// How an agent answers names on its node.
struct AgentNameOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "With the part dns: the service whose addresses pods ask at. The node answers there itself.",
            valueName: "namespace/name"))
    var dnsService = "kube-system/kube-dns"

    @Option(help: ArgumentHelp("With the part dns: what all names of the cluster end with.", valueName: "domain"))
    var dnsDomain = "cluster.local"

    @Option(
        help: ArgumentHelp(
            """
            With the part dns: who is asked for names of the world outside, such as 192.0.2.53 or [2001:db8::53]:5353. May be \
            repeated. [default: the servers of --dns-resolver]
            """, valueName: "server"))
    var dnsUpstream: [String] = []

    @Option(help: ArgumentHelp("With the part dns: the file of the node's own resolver.", valueName: "file"))
    var dnsResolver = "/etc/resolv.conf"

    @Flag(
        inversion: .prefixedNo,
        help: "With the part dns: answer a pod's first question with what its search list would lead it to.")
    var dnsSearchCollapse = true

    func settings() throws -> LocalNameSettings {
        guard let domain = DomainName(dnsDomain), !domain.isRoot, domain.wire.count <= 150 else {
            throw AgentUsage("--dns-domain \(dnsDomain): a domain name of at most 150 characters, such as cluster.local")
        }
        let parts = dnsService.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts.contains("") else {
            throw AgentUsage("--dns-service \(dnsService): a namespace and a name, such as kube-system/kube-dns")
        }
        var settings = LocalNameSettings()
        settings.names = NameSettings(domain: domain, server: ServiceIndex.Name(namespace: parts[0], name: parts[1]))
        settings.upstreams = try dnsUpstream.map { text in
            guard let upstream = Upstream(text) else {
                throw AgentUsage("--dns-upstream \(text): an address, and perhaps a port, such as 192.0.2.53 or [2001:db8::53]:5353")
            }
            return upstream
        }
        settings.resolverFile = dnsResolver
        settings.collapsesSearches = dnsSearchCollapse
        return settings
    }
}
