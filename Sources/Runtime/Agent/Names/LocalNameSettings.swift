public import Cluster
import DNS
public import KubeAPI
public import NameServer
import Plan

/// How this node's own name server is to be.
///
/// It answers as the cluster's servers do, by the same document. Without one nobody is answered here: then the cluster's servers are
/// somebody else's, whose configuration nobody knows.
public struct LocalNameSettings: Hashable, Sendable {
    /// The service at whose addresses names are asked for.
    public var service = NameSettings().server
    /// The ConfigMap whose key `names.yaml` is the document, followed where there is no ``configurationFile``.
    public var configMap = ObjectKey(ConfigMap.resource.kind, namespace: "kube-system", name: "kube-dns")
    /// What stands in the file at first.
    public var configuration = NameServerConfiguration()
    /// Where the document is, which is read again when it changes; `nil`: in the ConfigMap.
    public var configurationFile: String?
    /// What the node's own resolver is told, and pods get a copy of the search list of: `--resolv-conf` of its kubelet. It counts where
    /// the document names the usual one, `/etc/resolv.conf`.
    public var resolverFile = LocalNameSettings.usualResolverFile
    static let usualResolverFile = "/etc/resolv.conf"
    /// A pod's first question may be answered with what its search list would lead it to, where the document lets it.
    public var collapsesSearches = true
    /// Threads that serve UDP, for each address.
    public var threads = min(2, NameServerSettings.usualThreads)

    public init() {}

    /// Where an agent is asked for names, as ``NameDesk`` says; its directory is the one for its state.
    public static func socket(in directory: String) -> String { directory + "/api.sock" }

    /// How the cluster's objects are named by a document.
    func names(_ configuration: NameServerConfiguration) -> NameSettings {
        NameSettings(
            domain: configuration.clusterDomain, ttl: configuration.ttl,
            pods: NameSettings.PodRecords(rawValue: configuration.pods.rawValue) ?? .disabled, server: service)
    }
}
