public import Addressing
public import DNS
internal import KubeAPI

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
    /// Who asks from a pod's addresses; `nil` when they are not its own.
    ///
    /// - Parameter nodeSearches: the search list of the pod's node, which its kubelet appends to the cluster's.
    public func client(_ pod: NamedPod, nodeSearches: [DomainName] = []) -> PodClient? {
        guard !pod.usesHostNetwork else { return nil }
        let list = searchList(of: pod, nodeSearches: nodeSearches)
        return PodClient(
            name: "\(pod.namespace)/\(pod.name)", addresses: pod.addresses, searches: list.searches, dots: list.dots)
    }

    /// What kubelets write into a pod's resolv.conf, of any pod.
    public func searchList(of pod: NamedPod, nodeSearches: [DomainName] = []) -> (searches: [DomainName], dots: Int) {
        var searches: [DomainName] = []
        var dots = 1
        if pod.policy == .clusterFirstWithHostNet || (pod.policy == .clusterFirst && !pod.usesHostNetwork) {
            searches = services.child(pod.namespace).map { [$0] } ?? []
            searches += [services, settings.domain]
            dots = 5
        }
        if pod.policy != .none { searches += nodeSearches }
        for text in pod.searches {
            guard let name = DomainName(text), !searches.contains(name) else { continue }
            searches.append(name)
        }
        return (searches, pod.dots.map(Int.init) ?? dots)
    }
}

extension NamedPod {
    var key: ObjectKey { ObjectKey(Pod.resource.kind, namespace: namespace, name: name) }
}
