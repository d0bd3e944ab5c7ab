import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan

/// What is known of this node and its cluster, what was last said to the kernel, and the rounds between the two.
///
/// A full round compares everything with the kernel itself; a round of some keys compares them with what was last said for them.
/// Both end in the same state (there is a test). No clock, no thread, no log: see ``Reconciler`` for when and why a round runs.
struct NodeKeeper<Tables: NFTablesEnd> {
    private let host: any HostNetworkEnd
    private(set) var tables: Tables
    private let pods: any AttachmentBook
    private let duties: Set<Duty>

    private(set) var snapshot = Snapshot()
    private var facts: NodeFacts
    private var said: [NodePlan.Key: NodePlan.Part] = [:]
    private var missing: [Problem] = []
    private var refused: [Problem] = []

    init(
        node: String, host: any HostNetworkEnd, tables: Tables, pods: any AttachmentBook, duties: Set<Duty> = .all
    ) {
        self.duties = duties
        self.host = host
        self.tables = tables
        self.pods = pods
        facts = NodeFacts(name: node, uplinks: [:])
    }

    /// What a round came to.
    struct Outcome: Hashable {
        /// Steps said to the kernel.
        var changes: [String] = []
        var refused = 0
    }

    /// Everything that is wrong as far as the last rounds saw.
    var problems: [Problem] { snapshot.problems + said.values.flatMap(\.problems) + missing + refused }
}

// MARK: - Objects

extension NodeKeeper {
    /// What a change of objects makes due.
    enum Due: Hashable {
        case all
        case keys(Set<NodePlan.Key>)
    }

    mutating func list(_ objects: [any KubernetesObject]) -> Due { due(snapshot.replace(with: objects)) }
    mutating func set(_ object: any KubernetesObject) -> Due { due(snapshot.set(object)) }
    mutating func remove(_ key: ObjectKey) -> Due { due(snapshot.remove(key)) }

    private func due(_ touched: Set<Snapshot.Subject>) -> Due {
        // Our own node's object decides over everything here.
        if touched.contains(.node(facts.name)) { return .all }
        return .keys(Set(touched.flatMap(NodePlan.keys)))
    }
}

// MARK: - Rounds

extension NodeKeeper {
    /// Everything, compared with the kernel.
    mutating func settleAll() throws -> Outcome {
        let before = pods.attachments()
        let observed = try host.observe(Interest(sysctls: Set(NodePlan.settings))).filter(duties.concern)
        let now = pods.attachments()
        facts = NodeFacts(name: facts.name, observed: observed)
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: now.all, duties: duties)
        adoptNode(plan)
        let parts = Dictionary(uniqueKeysWithValues: plan.keys.map { ($0, plan.part($0)) })

        let moving = now.moving(since: before)
        let absent = now.all.values.filter { observed.link($0.link) == nil && !moving.contains($0.link) }
        let gone = Set(absent.map(\.link))
        // A link that nobody knows is a stray one, unless a call came and went while we looked: it may be about to come again
        // under the same name. The next round sees.
        let known = Set(now.all.values.map(\.link))
        let spared = Set(
            observed.links.map(\.name).filter { name in
                guard NodePlan.ownership.owns(link: name) else { return false }
                return !PacketPath.isPodLink(name) || now.claims != before.claims && !known.contains(name)
            })
        let untouchable = moving.union(now.lost.keys).union(spared)
        let desired = parts.values.reduce(into: State()) { state, part in
            // A pod's link cannot be made again from here: its other end is in a namespace that only the runtime names.
            for object in part.network.objects.values where !object.standsOn(untouchable.union(gone)) { state.insert(object) }
        }

        refused = []
        missing = absent.map(\.isMissing) + now.lost.map { Problem(link: $0.key, recordAt: $0.value) }
        var outcome = Outcome()
        try say(
            difference(from: observed.filter { !$0.standsOn(untouchable) }, to: desired, owned: NodePlan.ownership), &outcome)
        let planned = parts.values.reduce(into: [Table.ID: Table]()) { $0.merge($1.tables) { _, new in new } }
        for id in duties.tables { settle(id, to: planned[id], &outcome) }
        said = parts
        return outcome
    }

    /// Some keys, compared with what was last said for them.
    mutating func settle(_ keys: Set<NodePlan.Key>) throws -> Outcome {
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: pods.attachments().all, duties: duties)
        let old = keys.reduce(into: State()) { state, key in
            for object in said[key]?.network.objects.values ?? [:].values { state.insert(object) }
        }
        let new = plan.parts(keys)
        refused = []
        var outcome = Outcome()
        try say(difference(from: old, to: new.network, owned: NodePlan.ownership), &outcome)
        let before = keys.reduce(into: Set<Table.ID>()) { $0.formUnion(said[$1]?.tables.keys ?? [:].keys) }
        for id in before.union(new.tables.keys).sorted() { settle(id, to: new.tables[id], &outcome) }
        for key in keys { said[key] = plan.keys.contains(key) ? plan.part(key) : nil }
        return outcome
    }

    private mutating func say(_ steps: [HostNetwork.Change], _ outcome: inout Outcome) throws {
        guard !steps.isEmpty else { return }
        let refusals = try host.apply(steps)
        outcome.changes += steps.map(\.description)
        outcome.refused += refusals.count
        refused += refusals.map { Problem(.changeRefused, nil, "\($0)") }
    }

    /// One table that is refused does not keep the others from being right.
    private mutating func settle(_ id: Table.ID, to table: Table?, _ outcome: inout Outcome) {
        do {
            outcome.changes += try tables.settle(id, to: table).map(\.description)
        } catch {
            outcome.refused += 1
            refused.append(Problem(.changeRefused, nil, "table \(id): \(error)"))
        }
    }

    private func adoptNode(_ plan: NodePlan) {
        // A range that is refused makes no pool, as one that is not there.
        guard let own = plan.own else { return }
        pods.adopt(
            prefixes: own.podPrefixes, mtu: plan.facts.podMTU(addresses: own.addresses), reserved: Set(own.addresses))
    }
}

extension Attachment {
    fileprivate var isMissing: Problem {
        let addresses = addresses.map(\.description).joined(separator: ", ")
        return Problem(.podLinkMissing, nil, "link \(link) of \(id) (\(addresses)) is gone")
    }
}

extension Problem {
    fileprivate init(link: String, recordAt path: String) {
        self.init(.recordUnreadable, nil, "\(path), which is about link \(link), is no record of this release")
    }
}

extension Object {
    /// Whether it is one of these links, or goes with one of them.
    fileprivate func standsOn(_ links: Set<String>) -> Bool {
        if case .link(let own) = self { return links.contains(own.name) }
        return link.map(links.contains) ?? false
    }
}
