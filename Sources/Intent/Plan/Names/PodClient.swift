public import Addressing
public import DNS
public import KubeAPI

/// A pod as a name server meets it: who it is that asks from these addresses, and what its resolver appends to short names.
public struct PodClient: Hashable, Sendable {
    /// `default/web-0`.
    public var name: String
    public var addresses: [IPAddress]
    /// Its search list, in order; those that are no names are left out.
    public var searches: [DomainName]
    /// Names with fewer dots are first tried with the search list.
    public var dots: Int
}

extension NamePlan {
    /// Who asks from a pod's addresses; `nil` when they are not its own, or not any more.
    ///
    /// - Parameter nodeSearches: the search list of the pod's node, which its kubelet appends to the cluster's.
    public func client(_ pod: Pod, nodeSearches: [DomainName] = []) -> PodClient? {
        guard !pod.spec.usesHostNetwork, !pod.isTerminal, !pod.status.podIPs.isEmpty else { return nil }
        let list = searchList(of: pod, nodeSearches: nodeSearches)
        return PodClient(
            name: "\(pod.metadata.namespace)/\(pod.metadata.name)", addresses: pod.status.podIPs, searches: list.searches,
            dots: list.dots)
    }

    /// What kubelets write into a pod's resolv.conf, of any pod.
    public func searchList(of pod: Pod, nodeSearches: [DomainName] = []) -> (searches: [DomainName], dots: Int) {
        var searches: [DomainName] = []
        var dots = 1
        let asksCluster =
            pod.spec.dnsPolicy == .clusterFirstWithHostNet || (pod.spec.dnsPolicy == .clusterFirst && !pod.spec.usesHostNetwork)
        if asksCluster {
            searches = services.child(pod.metadata.namespace).map { [$0] } ?? []
            searches += [services, settings.domain]
            dots = 5
        }
        if pod.spec.dnsPolicy != .none { searches += nodeSearches }
        for text in pod.spec.dnsConfig.searches {
            guard let name = DomainName(text), !searches.contains(name) else { continue }
            searches.append(name)
        }
        if let text = pod.spec.dnsConfig.options.last(where: { $0.name == "ndots" })?.value, let number = Int(text) {
            dots = min(max(number, 0), 15)
        }
        return (searches, dots)
    }
}
