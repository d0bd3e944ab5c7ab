public import Addressing
public import KubeAPI

/// What policies come to on one node: which of its addresses they isolate, and who is meant by the rules that do.
///
/// Indexed: a pod, label or policy that changes costs what it touches, however many there are. ``world`` is the reference that says
/// the same of one conversation (there is a test). Changes are collected until ``takeChanges()``.
///
/// A pod of this node is known by its object, and earlier by ``attach(_:to:uid:)``: from the moment it gets its addresses until its
/// object is known, it is closed where a policy could be about it.
public struct PolicyIndex: Sendable {
    /// The name of this node.
    public let node: String
    /// The same objects, for who asks about a conversation.
    public internal(set) var world = PolicyWorld()
    /// Whether the objects are known at all: before, whoever is attached is closed.
    public private(set) var isListed = false

    private(set) var policies: [String: [String: NetworkPolicy]] = [:]
    /// Those of the cluster, by name.
    public internal(set) var clusterPolicies: [String: ClusterNetworkPolicy] = [:]
    /// All of them that are about somebody, in the order in which they are asked.
    var ranks: [Rank] = []
    /// By namespace, the names of its policies by whom they are about.
    private var selecting: [String: SelectorIndex<String>] = [:]
    private(set) var namespaces: [String: [String: String]] = [:]
    /// What namespaces ask for, those that do.
    private var logs: [String: PolicyLog] = [:]
    private var pods: [ObjectKey: Entry] = [:]
    private var podsOf: [String: Set<ObjectKey>] = [:]
    private var holders: [IPAddress: Set<ObjectKey>] = [:]
    /// Who was given an address of this node.
    private var tenants: [IPAddress: Tenant] = [:]
    private var tenancies: [ObjectKey: Set<IPAddress>] = [:]

    var peers = PeerMembers()
    /// The nodes as policies of the cluster mean them.
    var nodes = PolicyNodes()
    /// Of which of the rules' sets an address is a member.
    private var standings: [IPAddress: Standing] = [:]
    /// The addresses of this node's pods, by namespace.
    private(set) var local: [String: Set<IPAddress>] = [:]
    private(set) var homes: [IPAddress: String] = [:]
    /// The pods of this node, as their objects are.
    private var originals: [ObjectKey: Pod] = [:]
    /// The addresses of this node that policies isolate, or that are closed.
    public private(set) var subjects: [IPAddress: Subject] = [:]
    var touched: Set<IPAddress> = []
    /// The policies that isolate here.
    var force: [ObjectKey: Force] = [:]

    /// Of policies that cannot be carried out as written.
    private var troubles: [ObjectKey: [Problem]] = [:]

    /// ``problems`` are others than when this was last set to `false`.
    public var areProblemsNew = false

    /// What of the policies cannot be carried out as written, whichever pods they are about.
    public var problems: [Problem] { troubles.values.flatMap(\.self) }

    public init(node: String) { self.node = node }

    /// What is known of a pod, as far as policies are concerned.
    private struct Entry: Hashable {
        var labels: [String: String]
        var addresses: [IPAddress]
        var ports: [PortMember]
        var uid: String
        var created: String
        var isLocal: Bool
    }

    private struct Tenant: Hashable {
        var pod: ObjectKey
        var uid: String

        func fits(_ other: String) -> Bool { uid.isEmpty || other.isEmpty || uid == other }
    }

    /// How many addresses a policy is about, and whom it meant when its rules' sets were asked for.
    struct Force {
        var count: Int
        var needs: PolicyNeeds
    }

    struct PortMember: Hashable {
        var name: NamedPort
        var number: UInt16
    }

    private struct Standing {
        var sets: [Int]
        var ports: [PortMember]
    }

    /// An address of this node that policies speak of.
    public struct Subject: Hashable, Sendable {
        public var pod: ObjectKey
        public var inForce: Policies
        /// What would be in force were the shadows policies like others; `nil` where there are none.
        public var onTrial: Policies?
        /// Nothing is known of its pod, and everything is refused.
        public var isClosed: Bool

        public init(pod: ObjectKey, inForce: Policies = Policies(), onTrial: Policies? = nil, isClosed: Bool = false) {
            (self.pod, self.inForce, self.onTrial, self.isClosed) = (pod, inForce, onTrial, isClosed)
        }
    }

    /// What speaks of a pod.
    public struct Policies: Hashable, Sendable {
        /// What isolates it for each direction, by name; empty where nothing does.
        public var ingress: [ObjectKey]
        public var egress: [ObjectKey]
        /// Policies of the cluster, in the order in which they are asked.
        public var cluster: [Mention]

        public init(ingress: [ObjectKey] = [], egress: [ObjectKey] = [], cluster: [Mention] = []) {
            (self.ingress, self.egress, self.cluster) = (ingress, egress, cluster)
        }

        public var isEmpty: Bool { ingress.isEmpty && egress.isEmpty && cluster.isEmpty }

        public func isolating(_ direction: NetworkPolicy.Direction) -> [ObjectKey] { direction == .ingress ? ingress : egress }

        var all: Set<ObjectKey> { Set(ingress).union(egress).union(cluster.map(\.policy)) }
    }

    /// That a policy of the cluster is about a pod.
    public struct Mention: Hashable, Sendable {
        public var policy: ObjectKey
        /// The namespace of the pod is known: otherwise it is not certain, and the policy opens nothing.
        public var isCertain: Bool

        public init(_ policy: ObjectKey, isCertain: Bool = true) { (self.policy, self.isCertain) = (policy, isCertain) }
    }

    /// What is other than the last time.
    public struct Changes: Sendable {
        /// Addresses whose isolation is another, or whose policies say something else.
        public var subjects: Set<IPAddress> = []
        public var peers: [PeerSelector: Edit<IPAddress>] = [:]
        public var ports: [NamedPort: Edit<SocketAddress>] = [:]
        /// Addresses to or from which something may be refused that was not.
        public var lessAllowed: Set<IPAddress> = []

        public var isEmpty: Bool { subjects.isEmpty && peers.isEmpty && ports.isEmpty }
    }

    /// Members that came and went. Of a set that is asked for the first time nothing is said here.
    public struct Edit<Element: Hashable & Sendable>: Hashable, Sendable {
        public var added: [Element] = []
        public var removed: [Element] = []
    }
}

// MARK: - What it comes to

extension PolicyIndex {
    public func policy(_ key: ObjectKey) -> NetworkPolicy? {
        key.kind == NetworkPolicy.resource.kind.kind ? policies[key.namespace]?[key.name] : nil
    }

    public func clusterPolicy(_ key: ObjectKey) -> ClusterNetworkPolicy? {
        key.kind == ClusterNetworkPolicy.resource.kind.kind ? clusterPolicies[key.name] : nil
    }

    /// What is to be logged of what a policy decides; `nil` where neither it nor its namespace asks for anything.
    public func log(of key: ObjectKey) -> PolicyLog? {
        guard let metadata = policy(key)?.metadata ?? clusterPolicy(key)?.metadata else { return nil }
        return PolicyLog(askedBy: metadata) ?? logs[key.namespace]
    }

    /// The addresses of the pods that are meant. Only those are known that a policy asks for that isolates here.
    public func members(of peer: PeerSelector) -> Set<IPAddress> { peers.members(of: peer) }

    /// Where pods have their port of this name.
    public func members(of port: NamedPort) -> Set<SocketAddress> { peers.members(of: port) }

    /// Whether there is something to take.
    public var hasChanges: Bool { !touched.isEmpty || peers.hasChanges }

    /// What changed since the last time it was asked.
    public mutating func takeChanges() -> Changes {
        let fresh = peers.takeFresh()
        for (namespace, selectors) in fresh.selectors { find(selectors, in: namespace) }
        if !fresh.elsewhere.isEmpty {
            for namespace in podsOf.keys where namespaces[namespace] == nil { find(fresh.elsewhere, in: namespace) }
        }
        if fresh.hasNodes { nodes.refresh(&peers) }
        if !fresh.ports.isEmpty { find(fresh.ports) }
        let unused = peers.takeUnused()
        for (id, members) in unused.sets {
            for address in members { standings[address]?.sets.removeAll { $0 == id } }
            nodes.forget(id, members)
        }
        for (port, members) in unused.ports {
            for place in members { standings[place.address]?.ports.removeAll { $0.name == port } }
        }
        var changes = Changes(subjects: touched)
        touched = []
        let edits = peers.takeEdits()
        (changes.peers, changes.ports) = (edits.peers, edits.ports)
        changes.lessAllowed = edits.lessAllowed.union(changes.subjects)
        return changes
    }
}

// MARK: - Changes

extension PolicyIndex {
    /// Takes these objects for everything there is. Kinds that mean nothing to policies are passed over.
    public mutating func replace(with objects: [any KubernetesObject]) {
        let policyKeys = policies.values.flatMap { $0.values.map(\.key) } + clusterPolicies.values.map(\.key)
        let namespaceKeys = namespaces.keys.map { ObjectKey(Namespace.resource.kind, name: $0) }
        let known = policyKeys + namespaceKeys + nodes.keys + pods.keys
        if !known.isEmpty {
            let kept = Set(objects.map(\.key))
            for key in known where !kept.contains(key) { remove(key) }
        }
        for object in objects { set(object) }
        guard !isListed else { return }
        isListed = true
        for address in tenants.keys { judge(address) }
    }

    /// An object is new or changed. Kinds that mean nothing to policies are passed over.
    public mutating func set(_ object: any KubernetesObject) {
        switch object {
        case let policy as NetworkPolicy:
            note(policy.problems + policy.metadata.annotationProblems(of: policy.key), of: policy.key)
            set(policy)
        case let policy as ClusterNetworkPolicy:
            note(policy.problems + policy.metadata.annotationProblems(of: policy.key), of: policy.key)
            set(policy)
        case let node as Node: set(node)
        case let namespace as Namespace:
            note(namespace.metadata.logProblems(of: namespace.key), of: namespace.key)
            set(namespace)
        case let pod as Pod: set(pod)
        default: break
        }
    }

    private mutating func note(_ problems: [Problem], of object: ObjectKey) {
        let new = problems.isEmpty ? nil : problems
        guard troubles[object] != new else { return }
        troubles[object] = new
        areProblemsNew = true
    }

    /// Forgets an object. Forgetting what is not known changes nothing.
    public mutating func remove(_ key: ObjectKey) {
        note([], of: key)
        switch (key.group, key.kind) {
        case (NetworkPolicy.resource.kind.group, NetworkPolicy.resource.kind.kind):
            world.remove(key)
            replace(policy: key, with: nil)
        case (ClusterNetworkPolicy.resource.kind.group, ClusterNetworkPolicy.resource.kind.kind):
            world.remove(key)
            replace(clusterPolicy: key, with: nil)
        case ("", Node.resource.kind.kind):
            world.remove(key)
            remove(node: key.name)
        case ("", Namespace.resource.kind.kind):
            world.remove(key)
            setLog(nil, ofNamespace: key.name)
            guard namespaces.removeValue(forKey: key.name) != nil else { return }
            peers.forget(namespace: key.name)
            refresh(namespace: key.name)
            judgeAgain(key.name)
        case ("", Pod.resource.kind.kind):
            world.remove(key)
            originals[key] = nil
            replace(pod: key, with: nil)
        default: break
        }
    }

    /// The nodes' addresses, for ``world``.
    public mutating func setNodes(_ members: some Sequence<Member>) { world.setNodes(members) }

    private mutating func set(_ namespace: Namespace) {
        world.set(namespace)
        setLog(PolicyLog(askedBy: namespace.metadata), ofNamespace: namespace.metadata.name)
        var labels = namespace.metadata.labels
        labels["kubernetes.io/metadata.name"] = namespace.metadata.name
        guard namespaces.updateValue(labels, forKey: namespace.metadata.name) != labels else { return }
        peers.set(labels, ofNamespace: namespace.metadata.name)
        refresh(namespace: namespace.metadata.name)
        judgeAgain(namespace.metadata.name)
    }

    private mutating func setLog(_ log: PolicyLog?, ofNamespace name: String) {
        guard logs[name] != log else { return }
        logs[name] = log
        for address in local[name] ?? [] where subjects[address] != nil { touched.insert(address) }
    }

    /// What a namespace's labels are is of interest to policies of the cluster alone.
    private mutating func judgeAgain(_ namespace: String) {
        guard !ranks.isEmpty else { return }
        for address in local[namespace] ?? [] { judge(address) }
    }

    private mutating func set(_ policy: NetworkPolicy) {
        world.set(policy)
        replace(policy: policy.key, with: policy)
    }

    private mutating func set(_ pod: Pod) {
        let isLocal = pod.spec.nodeName == node && !pod.spec.usesHostNetwork
        originals[pod.key] = isLocal || tenancies[pod.key] != nil ? pod : nil
        world.set(seen(pod))
        let isFree = pod.spec.usesHostNetwork || pod.isTerminal
        replace(
            pod: pod.key,
            with: Entry(
                labels: pod.metadata.labels, addresses: isFree ? [] : pod.status.podIPs, ports: pod.portMembers,
                uid: pod.runtimeUID, created: pod.metadata.creationTimestamp ?? "",
                isLocal: isLocal))
    }

    /// The pod with the addresses it was given here, which its object may not name yet, or no more.
    private func seen(_ pod: Pod) -> Pod {
        let given = Set(tenancies[pod.key] ?? []).filter { tenants[$0]?.fits(pod.runtimeUID) == true }
        guard !given.isEmpty, !pod.spec.usesHostNetwork else { return pod }
        var seen = pod
        if pod.isTerminal { (seen.status.phase, seen.status.podIPs) = (.running, []) }
        seen.status.podIPs += given.subtracting(seen.status.podIPs).sorted()
        return seen
    }

    private mutating func replace(policy key: ObjectKey, with policy: NetworkPolicy?) {
        let old = policies[key.namespace]?[key.name]
        policies[key.namespace, default: [:]][key.name] = policy
        if policies[key.namespace]?.isEmpty == true { policies[key.namespace] = nil }
        if let old, let policy, old.means(the: policy) { return }
        if let selector = policy?.podSelector {
            selecting[key.namespace, default: SelectorIndex()].set(selector, for: key.name)
        } else {
            selecting[key.namespace]?.remove(key.name)
            if selecting[key.namespace]?.isEmpty == true { selecting[key.namespace] = nil }
        }
        if let policy { renew(key, PolicyNeeds(policy), among: local[key.namespace] ?? []) }
        for address in local[key.namespace] ?? [] { judge(address) }
    }

    private mutating func replace(pod key: ObjectKey, with entry: Entry?) {
        let old = pods[key]
        guard old != entry else { return }
        pods[key] = entry
        if entry == nil {
            podsOf[key.namespace]?.remove(key)
            if podsOf[key.namespace]?.isEmpty == true { podsOf[key.namespace] = nil }
        } else if old == nil {
            podsOf[key.namespace, default: []].insert(key)
        }
        for address in old?.addresses ?? [] {
            holders[address]?.remove(key)
            if holders[address]?.isEmpty == true { holders[address] = nil }
        }
        for address in entry?.addresses ?? [] { holders[address, default: []].insert(key) }
        let addresses = Set((old?.addresses ?? []) + (entry?.addresses ?? [])).union(tenancies[key] ?? [])
        for address in addresses {
            refresh(address)
            judge(address)
        }
    }
}

extension PolicyIndex {
    /// A pod of this node was given addresses: from now on they are its own, whatever objects say.
    ///
    /// - Parameter uid: the pod's, where it is known: a pod of the same name that was before is another.
    public mutating func attach(_ addresses: [IPAddress], to pod: ObjectKey, uid: String = "") {
        for address in addresses {
            if let before = tenants[address]?.pod { tenancies[before]?.remove(address) }
            tenants[address] = Tenant(pod: pod, uid: uid)
            tenancies[pod, default: []].insert(address)
            refresh(address)
            judge(address)
        }
        if let original = originals[pod] { world.set(seen(original)) }
    }

    /// Nobody has these addresses any more.
    public mutating func detach(_ addresses: [IPAddress]) {
        for address in addresses {
            guard let tenant = tenants.removeValue(forKey: address) else { continue }
            tenancies[tenant.pod]?.remove(address)
            if tenancies[tenant.pod]?.isEmpty == true { tenancies[tenant.pod] = nil }
            refresh(address)
            judge(address)
            if let original = originals[tenant.pod] { world.set(seen(original)) }
        }
    }
}

extension PolicyIndex.Subject {
    func names(_ policy: ObjectKey) -> Bool {
        func names(_ policies: PolicyIndex.Policies) -> Bool {
            policies.ingress.contains(policy) || policies.egress.contains(policy)
                || policies.cluster.contains { $0.policy == policy }
        }
        return names(inForce) || onTrial.map(names) ?? false
    }
}

// MARK: - Who has an address

extension PolicyIndex {
    /// Of a pod: those of its object, and those it was given here.
    public func addresses(of key: ObjectKey) -> Set<IPAddress> {
        Set(pods[key]?.addresses ?? []).union(tenancies[key] ?? [])
    }

    /// The pod whose address it is; `nil` when it is none's, or that of one that nothing is known of.
    private func owner(of address: IPAddress) -> (key: ObjectKey, entry: Entry)? {
        if let tenant = tenants[address] {
            guard let entry = pods[tenant.pod], tenant.fits(entry.uid) else { return nil }
            return (tenant.pod, entry)
        }
        // Two hold one address only for the moment in which one goes and the other is not told of it: the newer one has it.
        guard let holding = holders[address] else { return nil }
        var newest: (key: ObjectKey, entry: Entry)?
        for key in holding {
            guard let entry = pods[key] else { continue }
            if let other = newest, (entry.created, key) < (other.entry.created, other.key) { continue }
            newest = (key, entry)
        }
        return newest
    }

    /// Of which sets an address is a member.
    private mutating func refresh(_ address: IPAddress) {
        let owner = owner(of: address)
        stand(address, owner.map { standing(of: $0.entry, in: $0.key.namespace) } ?? Standing(sets: [], ports: []))
    }

    private func standing(of entry: Entry, in namespace: String) -> Standing {
        Standing(sets: peers.sets(entry.labels, in: namespace), ports: entry.ports.filter { peers.isAskedFor($0.name) })
    }

    private mutating func stand(_ address: IPAddress, _ new: Standing) {
        let old = standings[address] ?? Standing(sets: [], ports: [])
        standings[address] = new.sets.isEmpty && new.ports.isEmpty ? nil : new
        if old.sets != new.sets {
            for id in old.sets where !new.sets.contains(id) { peers.put(address, false, in: id) }
            for id in new.sets where !old.sets.contains(id) { peers.put(address, true, in: id) }
        }
        if old.ports != new.ports {
            for port in old.ports where !new.ports.contains(port) {
                peers.put(SocketAddress(address, port.number), false, in: port.name)
            }
            for port in new.ports where !old.ports.contains(port) {
                peers.put(SocketAddress(address, port.number), true, in: port.name)
            }
        }
    }

    /// Finds who is meant by selectors that nobody asked for before.
    private mutating func find(_ selectors: [(id: Int, labels: LabelSelector)], in namespace: String) {
        // Where many are new, a pod's labels find them quicker than they find the pod.
        guard selectors.count <= 16 else { return refresh(namespace: namespace) }
        for key in podsOf[namespace] ?? [] {
            guard let labels = pods[key]?.labels else { continue }
            for (id, selector) in selectors where selector.matches(labels) {
                for address in addresses(of: key) where owner(of: address)?.key == key {
                    guard standings[address]?.sets.contains(id) != true else { continue }
                    standings[address, default: Standing(sets: [], ports: [])].sets.append(id)
                    standings[address]?.sets.sort()
                    peers.put(address, true, in: id)
                }
            }
        }
    }

    /// Finds the pods that have ports of these names.
    private mutating func find(_ names: Set<NamedPort>) {
        let keys = pods.filter { $0.value.ports.contains { names.contains($0.name) } }.keys
        for key in keys { for address in addresses(of: key) { refresh(address) } }
    }

    private mutating func refresh(namespace: String) {
        for key in podsOf[namespace] ?? [] {
            guard let entry = pods[key] else { continue }
            // Once for all its addresses, where nobody else has a claim to them.
            let standing = standing(of: entry, in: namespace)
            for address in entry.addresses {
                if tenants[address] == nil, holders[address]?.count == 1 { stand(address, standing) } else { refresh(address) }
            }
            for address in tenancies[key] ?? [] where !entry.addresses.contains(address) { refresh(address) }
        }
    }

    /// Whether an address is isolated, and by what.
    mutating func judge(_ address: IPAddress) {
        let old = subjects[address]
        let (namespace, new) = subject(at: address)
        if homes[address] != namespace {
            if let home = homes[address] {
                local[home]?.remove(address)
                if local[home]?.isEmpty == true { local[home] = nil }
            }
            homes[address] = namespace
            if let namespace { local[namespace, default: []].insert(address) }
        }
        guard old != new else { return }
        subjects[address] = new
        touched.insert(address)
        for key in new?.policies ?? [] { enforce(key) }
        for key in old?.policies ?? [] { relax(key) }
    }

    /// The namespace of the pod of this node that has the address, and what isolates it.
    private func subject(at address: IPAddress) -> (namespace: String?, Subject?) {
        let owner = owner(of: address)
        if let tenant = tenants[address], owner == nil || !isListed {
            let namespace = tenant.pod.namespace
            let isMeant = policies[namespace]?.values.contains { !$0.isShadow } == true || isMentioned(namespace)
            let isClosed = !isListed || isMeant
            return (namespace, isClosed ? Subject(pod: tenant.pod, isClosed: true) : nil)
        }
        guard let owner, owner.entry.isLocal || tenants[address] != nil else { return (nil, nil) }
        let namespace = owner.key.namespace
        let found = (selecting[namespace]?.matches(owner.entry.labels) ?? []).sorted().compactMap { policies[namespace]?[$0] }
        let mentions = mentions(of: owner.entry.labels, in: namespace)
        func speaking(withShadows: Bool) -> Policies {
            let found = withShadows ? found : found.filter { !$0.isShadow }
            return Policies(
                ingress: found.filter { $0.directions.contains(.ingress) }.map(\.key),
                egress: found.filter { $0.directions.contains(.egress) }.map(\.key),
                cluster: mentions.filter { withShadows || !$0.isShadow }.map(\.mention))
        }
        let hasShadows = found.contains(where: \.isShadow) || mentions.contains(where: \.isShadow)
        let subject = Subject(
            pod: owner.key, inForce: speaking(withShadows: false), onTrial: hasShadows ? speaking(withShadows: true) : nil)
        return (namespace, subject.inForce.isEmpty && subject.onTrial == nil ? nil : subject)
    }

    /// What a policy says is another: whom it asks for, and what is to be said of whom it is about.
    mutating func renew(_ key: ObjectKey, _ needs: PolicyNeeds, among addresses: some Sequence<IPAddress>) {
        guard let known = force[key]?.needs else { return }
        // What both ask for stays.
        peers.acquire(needs)
        peers.release(known)
        force[key]?.needs = needs
        for address in addresses where subjects[address]?.names(key) == true { touched.insert(address) }
    }

    private mutating func enforce(_ key: ObjectKey) {
        guard force[key] == nil else {
            force[key]?.count += 1
            return
        }
        guard let needs = policy(key).map(PolicyNeeds.init) ?? clusterPolicy(key).map(PolicyNeeds.init) else { return }
        force[key] = Force(count: 1, needs: needs)
        peers.acquire(needs)
    }

    private mutating func relax(_ key: ObjectKey) {
        guard let known = force[key] else { return }
        guard known.count == 1 else {
            force[key]?.count -= 1
            return
        }
        force[key] = nil
        peers.release(known.needs)
    }
}

extension PolicyIndex.Subject {
    /// A policy of the cluster speaks of it.
    var isOfCluster: Bool { !inForce.cluster.isEmpty || onTrial?.cluster.isEmpty == false }

    fileprivate var policies: Set<ObjectKey> { inForce.all.union(onTrial?.all ?? []) }
}

extension Pod {
    /// What its kubelet tells a runtime: of a pod that the node has from a file, not its object's own.
    fileprivate var runtimeUID: String { metadata.annotations["kubernetes.io/config.mirror"] ?? metadata.uid }

    /// Named ports, each once.
    fileprivate var portMembers: [PolicyIndex.PortMember] {
        var members: [PolicyIndex.PortMember] = []
        for port in ports where !port.name.isEmpty {
            let member = PolicyIndex.PortMember(name: NamedPort(port.name, port.transport), number: port.number)
            if !members.contains(member) { members.append(member) }
        }
        return members
    }
}
