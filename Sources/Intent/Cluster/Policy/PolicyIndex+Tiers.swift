import Addressing
public import KubeAPI

// Policies of the cluster: there are few of them, and each may be about any pod.

extension PolicyIndex {
    /// Whom a policy of the cluster is about, and its place among the others.
    struct Rank: Hashable, Sendable {
        var key: ObjectKey
        var priority: Int
        var subject: ClusterNetworkPolicy.PodGroup
        var isShadow: Bool

        init?(_ policy: ClusterNetworkPolicy) {
            guard let subject = policy.subject else { return nil }
            (key, priority, self.subject, isShadow) = (policy.key, policy.priority, subject, policy.isShadow)
        }

        /// Two of one priority have no order by the API; here the name decides.
        static func precedes(_ a: Rank, _ b: Rank) -> Bool { (a.priority, a.key.name) < (b.priority, b.key.name) }
    }

    mutating func set(_ policy: ClusterNetworkPolicy) {
        world.set(policy)
        replace(clusterPolicy: policy.key, with: policy)
    }

    mutating func replace(clusterPolicy key: ObjectKey, with policy: ClusterNetworkPolicy?) {
        let old = clusterPolicies[key.name]
        clusterPolicies[key.name] = policy
        guard old != nil || policy != nil else { return }
        if let old, let policy, old.means(the: policy) { return }
        ranks.removeAll { $0.key == key }
        if let rank = policy.flatMap(Rank.init) {
            ranks.append(rank)
            ranks.sort(by: Rank.precedes)
        }
        let addresses = local.values.flatMap(\.self)
        if let policy { renew(key, PolicyNeeds(policy), among: addresses) }
        for address in addresses { judge(address) }
    }

    mutating func set(_ node: Node) {
        let labels = nodes.labels(of: self.node)
        guard nodes.set(node, &peers) else { return }
        world.set(node)
        judgeWayToNode(before: labels)
    }

    mutating func remove(node name: String) {
        let labels = nodes.labels(of: node)
        nodes.remove(name, &peers)
        judgeWayToNode(before: labels)
    }

    /// What is delivered on this node is judged by its labels, and not by the addresses that its object names.
    private mutating func judgeWayToNode(before labels: [String: String]?) {
        guard nodes.labels(of: node) != labels else { return }
        for (address, subject) in subjects where subject.isOfCluster { touched.insert(address) }
    }

    /// Whether a rule that means nodes by labels means this one; `nil`: its object is not known.
    public func isThisNode(_ selector: LabelSelector) -> Bool? {
        if selector.requirements.isEmpty { return true }
        return nodes.labels(of: node).map(selector.matches)
    }

    /// Which of them are about a pod with these labels.
    func mentions(of labels: [String: String], in namespace: String) -> [(mention: Mention, isShadow: Bool)] {
        guard !ranks.isEmpty else { return [] }
        let around = namespaces[namespace]
        return ranks.compactMap { rank in
            guard rank.subject.pods.matches(labels), around.map(rank.subject.namespaces.matches) ?? true else { return nil }
            return (Mention(rank.key, isCertain: around != nil), rank.isShadow)
        }
    }

    /// Whether one that is in force could be about some pod of a namespace.
    func isMentioned(_ namespace: String) -> Bool {
        ranks.contains { !$0.isShadow && (namespaces[namespace].map($0.subject.namespaces.matches) ?? true) }
    }
}

/// The addresses that nodes' objects name, as members of what policies ask for.
struct PolicyNodes: Sendable {
    private var entries: [String: Entry] = [:]
    private var holders: [IPAddress: Set<String>] = [:]
    private var standings: [IPAddress: Set<Int>] = [:]

    private struct Entry: Hashable {
        var labels: [String: String]
        var addresses: Set<IPAddress>
    }

    var keys: [ObjectKey] { entries.keys.map { ObjectKey(Node.resource.kind, name: $0) } }

    /// Of a node whose object is known.
    func labels(of name: String) -> [String: String]? { entries[name]?.labels }

    /// - Returns: whether it is another than before, as far as policies are concerned.
    mutating func set(_ node: Node, _ peers: inout PeerMembers) -> Bool {
        replace(node.metadata.name, Entry(labels: node.metadata.labels, addresses: node.named), &peers)
    }

    mutating func remove(_ name: String, _ peers: inout PeerMembers) { _ = replace(name, nil, &peers) }

    private mutating func replace(_ name: String, _ entry: Entry?, _ peers: inout PeerMembers) -> Bool {
        let old = entries[name]
        guard old != entry else { return false }
        entries[name] = entry
        for address in old?.addresses ?? [] {
            holders[address]?.remove(name)
            if holders[address]?.isEmpty == true { holders[address] = nil }
        }
        for address in entry?.addresses ?? [] { holders[address, default: []].insert(name) }
        for address in (old?.addresses ?? []).union(entry?.addresses ?? []) { refresh(address, &peers) }
        return true
    }

    /// Something new is asked for.
    mutating func refresh(_ peers: inout PeerMembers) {
        for address in holders.keys { refresh(address, &peers) }
    }

    /// Two nodes may name one address: it is a member as long as one of them is meant.
    private mutating func refresh(_ address: IPAddress, _ peers: inout PeerMembers) {
        let new = Set((holders[address] ?? []).compactMap { entries[$0]?.labels }.flatMap(peers.sets(ofNode:)))
        let old = standings[address] ?? []
        for id in old.subtracting(new) { peers.put(address, false, in: id) }
        for id in new.subtracting(old) { peers.put(address, true, in: id) }
        standings[address] = new.isEmpty ? nil : new
    }

    /// Nobody asks for this any more.
    mutating func forget(_ id: Int, _ members: Set<IPAddress>) {
        for address in members where standings[address]?.remove(id) != nil && standings[address]?.isEmpty == true {
            standings[address] = nil
        }
    }
}
