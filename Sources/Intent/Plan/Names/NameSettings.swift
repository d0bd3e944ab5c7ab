public import Cluster
public import DNS

/// How a cluster's objects are to be named, the same for all its name servers.
public struct NameSettings: Hashable, Sendable {
    /// What all names of the cluster end with.
    public var domain: DomainName
    /// How long an answer may be kept. Five seconds by custom: an endpoint that went is asked for no longer than that.
    public var ttl: TimeToLive
    public var pods: PodRecords
    /// The service at whose addresses the cluster's name server is asked; `ns.dns` of the domain has them.
    public var server: ServiceIndex.Name
    /// The serial number of the zones. Nobody takes zones from us, so nobody needs another one for each change.
    public var serial: UInt32

    /// Which names pods have by themselves: `10-244-1-7.default.pod.cluster.local`.
    public enum PodRecords: String, Hashable, Sendable, CaseIterable {
        /// None.
        case disabled
        /// Any name that writes an address, below any namespace that there is: nobody looks for the pod.
        case insecure
        /// Those of pods that there are, in their own namespace.
        case verified
    }

    public init(
        domain: DomainName = Self.usualDomain, ttl: TimeToLive = 5, pods: PodRecords = .disabled,
        server: ServiceIndex.Name = ServiceIndex.Name(namespace: "kube-system", name: "kube-dns"), serial: UInt32 = 1
    ) {
        (self.domain, self.ttl, self.pods, self.server, self.serial) = (domain, ttl, pods, server, serial)
    }

    /// `cluster.local`.
    public static let usualDomain = DomainName.root.below("local").below("cluster")
}

extension DomainName {
    /// For labels that are written here and are known to fit.
    func below(_ label: String) -> DomainName {
        guard let name = child(label) else { preconditionFailure("“\(label)” fits below \(self)") }
        return name
    }
}
