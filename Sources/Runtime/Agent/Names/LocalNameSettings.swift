public import Cluster
import DNS
public import NameServer
public import Plan

/// How this node's own name server is to be.
public struct LocalNameSettings: Hashable, Sendable {
    /// The service at whose addresses names are asked for.
    public var service = NameSettings().server
    /// How names are served, and who is asked for those of the world outside: the same document as the cluster's server has. Where it
    /// listens, and what it limits, is not this server's.
    public var configuration = NameServerConfiguration()
    /// Where the document is, which is read again when it changes; `nil`: there is none.
    public var configurationFile: String?
    /// A pod's first question may be answered with what its search list would lead it to, where the document lets it.
    public var collapsesSearches = true
    /// Threads that serve UDP, for each address.
    public var threads = min(2, NameServerSettings.usualThreads)

    public init() {}

    /// What follows from the document for as long as the agent runs.
    public var names: NameSettings {
        NameSettings(
            domain: configuration.clusterDomain, ttl: configuration.ttl,
            pods: NameSettings.PodRecords(rawValue: configuration.pods.rawValue) ?? .disabled, server: service)
    }
}
