public import NameServer
public import Plan

/// How this node's own name server is to be.
public struct LocalNameSettings: Hashable, Sendable {
    /// How the cluster's objects are named, and at which service names are asked for.
    public var names = NameSettings()
    /// Who is asked for names of the world outside; none: those of ``resolverFile``.
    public var upstreams: [Upstream] = []
    /// The node's own resolver: whom it asks, and the search list that kubelets append to their pods'. It is read again when it changes.
    public var resolverFile = "/etc/resolv.conf"
    /// A pod's first question is answered with what its search list would lead it to.
    public var collapsesSearches = true
    /// Threads that serve UDP, for each address.
    public var threads = min(2, NameServerSettings.usualThreads)

    public init() {}
}
