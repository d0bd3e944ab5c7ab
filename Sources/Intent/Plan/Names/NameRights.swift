internal import Addressing
public import Cluster
public import KubeAPI

/// Who of this node's pods may ask the name server of their node: whoever may reach an endpoint of the cluster's, by UDP and by TCP
/// each for itself, whatever form its policies take.
///
/// A change costs what it touches: ``mark(_:)`` and its like take down what an object could have changed, ``settle(_:)`` asks for
/// those alone. The answer to “who may” is ``PolicyWorld``'s, and so the reference is not another one than the kernel's.
public struct NameRights: Sendable {
    /// Those who may not ask.
    public private(set) var refused: Set<NameAsker> = []
    /// By transport, where the cluster's name servers are.
    private var endpoints: [TransportProtocol: [SocketAddress]] = [:]
    private var hosts: Set<IPAddress> = []
    /// The pods that these are, and their namespaces; as they were when all was asked.
    private var hostPods: Set<ObjectKey> = []
    private var hostNamespaces: Set<String> = []
    private var hasHostsOfNoPod = false
    private var due = Due(isAll: true)
    /// The name of this node.
    private let node: String
    /// The addresses that objects say of this node's pods, and of others that claim one of them.
    private var placed: [ObjectKey: Set<IPAddress>] = [:]
    /// Whatever address a pod of this node ever had: no more than its node has for pods.
    private var known: Set<IPAddress> = []

    private struct Due: Hashable {
        var isAll = false
        var namespaces: Set<String> = []
        var pods: Set<ObjectKey> = []
        var addresses: Set<IPAddress> = []
    }

    public init(node: String) { self.node = node }

    /// Whether there is something to settle.
    public var hasChanges: Bool { due != Due() }

    /// Whether everybody is to be asked about.
    public var areAllDue: Bool { due.isAll }
}

// MARK: - What may have changed

extension NameRights {
    /// Everything.
    public mutating func markAll() { due = Due(isAll: true) }

    /// The ports of the service that names are asked at, as they are now; none when there is no such service.
    public mutating func use(_ ports: [ServicePort]) {
        var new: [TransportProtocol: [SocketAddress]] = [:]
        for port in ports where port.number == 53 {
            // Whoever may answer counts, also where this node would not send its packets.
            let answering = port.endpoints.filter { $0.isReady || $0.isServing }
            new[port.transport, default: []] += answering.map { SocketAddress($0.address, $0.port) }
        }
        guard new != endpoints else { return }
        endpoints = new
        hosts = Set(new.values.flatMap { $0.map(\.address) })
        markAll()
    }

    /// An object came or changed. Other nodes' pods mean nothing, but for those that are asked.
    public mutating func mark(_ object: any KubernetesObject) {
        guard let pod = object as? Pod else { return mark(object.key) }
        let new = Set(pod.status.podIPs)
        if pod.spec.nodeName == node { known.formUnion(new) }
        let old = placed[pod.key]
        let isOfInterest = pod.spec.nodeName == node || !known.isDisjoint(with: new)
        placed[pod.key] = isOfInterest ? new : nil
        if !hosts.isDisjoint(with: new) { markAll() } else { mark(pod.key) }
        guard !due.isAll, old != nil || isOfInterest else { return }
        due.pods.insert(pod.key)
        due.addresses.formUnion((old ?? []).union(new))
    }

    /// A pod of this node was given addresses, or gave them back.
    public mutating func mark(tenant pod: ObjectKey) {
        if !due.isAll { due.pods.insert(pod) }
    }

    /// An object came, changed or went.
    public mutating func mark(_ key: ObjectKey) {
        switch (key.group, key.kind) {
        case (NetworkPolicy.resource.kind.group, NetworkPolicy.resource.kind.kind): mark(namespace: key.namespace)
        case (ClusterNetworkPolicy.resource.kind.group, ClusterNetworkPolicy.resource.kind.kind): markAll()
        case ("", Namespace.resource.kind.kind): mark(namespace: key.name)
        case ("", Node.resource.kind.kind): if hasHostsOfNoPod { markAll() }
        case ("", Pod.resource.kind.kind):
            if hostPods.contains(key) { markAll() }
        default: break
        }
    }

    /// An object is gone.
    public mutating func mark(gone key: ObjectKey) {
        mark(key)
        guard let old = placed.removeValue(forKey: key), !due.isAll else { return }
        due.pods.insert(key)
        due.addresses.formUnion(old)
    }

    private mutating func mark(namespace: String) {
        if hostNamespaces.contains(namespace) { markAll() } else if !due.isAll { due.namespaces.insert(namespace) }
    }
}

// MARK: - What it comes to

extension NameRights {
    /// Asks again for what may have changed.
    public mutating func settle(_ index: PolicyIndex) {
        let due = due
        self.due = Due()
        if due.isAll {
            hostPods = Set(hosts.compactMap(index.pod))
            hostNamespaces = Set(hostPods.map(\.namespace))
            hasHostsOfNoPod = hosts.contains { index.pod(at: $0) == nil }
            refused = []
            for address in index.localAddresses() { judge(address, index) }
        }
        for namespace in due.namespaces { for address in index.localAddresses(in: namespace) { judge(address, index) } }
        for pod in due.pods { for address in index.addresses(of: pod) { judge(address, index) } }
        for address in due.addresses { judge(address, index) }
        // Somebody elsewhere who has such an address may have had it first: when he goes it is this node's.
        for address in due.isAll ? known : due.addresses where !index.isLocal(address) {
            if let pod = index.pod(at: address) { placed[pod, default: []].insert(address) }
        }
        // Of pods that went nobody asks any more.
        refused = refused.filter { index.isLocal($0.address) }
    }

    /// Whose word it is that somebody may not ask: on the way to the first of the cluster's servers, where there is one.
    public func refusal(of asker: NameAsker, _ index: PolicyIndex) -> PolicyTally {
        func tally(_ policies: [ObjectKey], _ direction: NetworkPolicy.Direction) -> PolicyTally {
            PolicyTally(policies: policies, direction: direction, place: "", outcome: .denied)
        }
        let endpoints = (endpoints[asker.transport] ?? []).filter { $0.address.family == asker.address.family }
        guard let first = endpoints.min() else { return tally([], .egress) }
        let verdict = index.world.verdict(
            on: PolicyWorld.Conversation(from: asker.address, to: first.address, asker.transport, port: first.port))
        for (direction, side) in [(NetworkPolicy.Direction.egress, verdict.egress), (.ingress, verdict.ingress)] {
            switch side {
            case .closed(_, let policies): return tally(policies, direction)
            case .decided(_, let decision) where !decision.isAllowed: return tally([decision.policy], direction)
            default: break
            }
        }
        return tally([], .egress)
    }

    private mutating func judge(_ address: IPAddress, _ index: PolicyIndex) {
        guard index.isLocal(address) else { return }
        for transport in NameAsker.transports {
            let asker = NameAsker(address, transport)
            if index.mayReach(endpoints[transport] ?? [], from: address, transport) {
                refused.remove(asker)
            } else {
                refused.insert(asker)
            }
        }
    }
}
