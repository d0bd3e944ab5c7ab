public import Addressing
public import DNS
public import KubeAPI

extension NamePlan {
    /// A question that every server of the cluster's names has an answer to: what the schema of names is called.
    public var probe: Question { Question(settings.domain.below(NamePlan.schemaLabel), .txt) }
}

/// Who asks on this node: its pods by their addresses, with the search list of each.
///
/// A pod that was given an address here has it, whatever objects say of it, from the moment it was given: an address that is used
/// again never has its old pod's namespace. Until its object is known nothing is known of its search list.
public struct LocalClients: Sendable {
    private var plan: NamePlan
    /// The name of this node.
    private let node: String
    /// The node's own search list, of which kubelets append a copy.
    private var nodeSearches: [DomainName]
    private var pods: [ObjectKey: Pod] = [:]
    private var holders: [IPAddress: Set<ObjectKey>] = [:]
    private var tenants: [IPAddress: Tenant] = [:]
    private var tenancies: [ObjectKey: Set<IPAddress>] = [:]

    private struct Tenant: Hashable {
        var pod: ObjectKey
        var uid: String
    }

    /// One of them.
    public struct Client: Hashable, Sendable {
        /// `shop/web-0`.
        public var name: String
        /// Empty where a name is asked for as it is at first, and where it is not known.
        public var searches: [DomainName]
    }

    public init(_ plan: NamePlan, node: String, nodeSearches: [DomainName] = []) {
        (self.plan, self.node, self.nodeSearches) = (plan, node, nodeSearches)
    }

    /// The pod at an address; `nil` when it is none's, or when two claim it.
    public subscript(address: IPAddress) -> Client? {
        if let tenant = tenants[address] {
            return client(tenant.pod, pods[tenant.pod].flatMap { $0.fits(tenant.uid) ? $0 : nil })
        }
        guard let holding = holders[address], holding.count == 1, let key = holding.first else { return nil }
        return client(key, pods[key])
    }

    private func client(_ key: ObjectKey, _ pod: Pod?) -> Client {
        let list = pod.map { plan.searchList(of: NamedPod($0), nodeSearches: nodeSearches) }
        return Client(name: "\(key.namespace)/\(key.name)", searches: list.map { $0.dots > 1 ? $0.searches : [] } ?? [])
    }

    /// Where a pod of this node has its addresses; empty when there is none of this name.
    public func addresses(of pod: ObjectKey) -> Set<IPAddress> {
        tenancies[pod] ?? pods[pod]?.ownAddresses ?? []
    }

    /// What a pod of this node appends to short names; `nil` when its object is not known.
    public func searchList(of pod: ObjectKey) -> (searches: [DomainName], dots: Int)? {
        pods[pod].map { plan.searchList(of: NamedPod($0), nodeSearches: nodeSearches) }
    }

    /// All addresses that somebody has.
    public var addresses: Set<IPAddress> { Set(tenants.keys).union(holders.keys) }
}

// MARK: - Changes

extension LocalClients {
    /// A pod came or changed. Other nodes' pods, and those on their node's network, are passed over.
    ///
    /// - Returns: addresses at which there may be somebody else now.
    public mutating func set(_ pod: Pod) -> Set<IPAddress> {
        guard pod.spec.nodeName == node, !pod.spec.usesHostNetwork else { return remove(pod.key) }
        let before = pods.updateValue(pod, forKey: pod.key)
        guard before != pod else { return [] }
        return move(pod.key, from: before, to: pod)
    }

    /// - Returns: addresses at which there may be somebody else now.
    public mutating func remove(_ key: ObjectKey) -> Set<IPAddress> {
        guard let before = pods.removeValue(forKey: key) else { return [] }
        return move(key, from: before, to: nil)
    }

    /// What is not among these is not there any more.
    ///
    /// - Returns: addresses at which there may be somebody else now.
    public mutating func keep(only keys: Set<ObjectKey>) -> Set<IPAddress> {
        pods.keys.filter { !keys.contains($0) }.reduce(into: []) { $0.formUnion(remove($1)) }
    }

    private mutating func move(_ key: ObjectKey, from old: Pod?, to new: Pod?) -> Set<IPAddress> {
        let (before, after) = (old?.ownAddresses ?? [], new?.ownAddresses ?? [])
        for address in before {
            holders[address]?.remove(key)
            if holders[address]?.isEmpty == true { holders[address] = nil }
        }
        for address in after { holders[address, default: []].insert(key) }
        return before.union(after).union(tenancies[key] ?? [])
    }

    /// A pod of this node was given addresses.
    ///
    /// - Parameter uid: the pod's; empty when the runtime did not say.
    public mutating func attach(_ addresses: [IPAddress], to pod: ObjectKey, uid: String) {
        for address in addresses {
            forget(address)
            tenants[address] = Tenant(pod: pod, uid: uid)
            tenancies[pod, default: []].insert(address)
        }
    }

    /// A pod has these addresses no more. What another was given meanwhile stays its own.
    public mutating func detach(_ addresses: [IPAddress], from pod: ObjectKey) {
        for address in addresses where tenants[address]?.pod == pod { forget(address) }
    }

    private mutating func forget(_ address: IPAddress) {
        guard let tenant = tenants.removeValue(forKey: address) else { return }
        tenancies[tenant.pod]?.remove(address)
        if tenancies[tenant.pod]?.isEmpty == true { tenancies[tenant.pod] = nil }
    }

    /// Search lists end with the domain of this plan from now on.
    public mutating func use(_ plan: NamePlan) { self.plan = plan }

    /// - Returns: whether it is another list than before, and everybody has another one.
    public mutating func use(nodeSearches: [DomainName]) -> Bool {
        guard nodeSearches != self.nodeSearches else { return false }
        self.nodeSearches = nodeSearches
        return true
    }
}

extension Pod {
    fileprivate var ownAddresses: Set<IPAddress> { isTerminal ? [] : Set(status.podIPs) }

    /// Whether it is the pod of this uid. Of a pod that the node has from a file, the kubelet tells runtimes another than the object's.
    fileprivate func fits(_ uid: String) -> Bool {
        uid.isEmpty || metadata.uid.isEmpty || [metadata.uid, metadata.annotations["kubernetes.io/config.mirror"]].contains(uid)
    }
}
