import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan

/// What is known of this node and its cluster, what was last said to the kernel, and the rounds between the two.
///
/// A full round compares everything with the kernel itself. A round of some keys compares them with what was last said for them,
/// and attachments, whose links somebody else makes, with the kernel, their own links alone. All end in the same state (there is a
/// test). No clock, no thread, no log: see ``Reconciler`` for when and why a round runs.
///
/// While this node's own object is not there, nothing can be planned but attachments: what was made before stays as it is.
///
/// It cannot be copied: a copy that lives while something is changed would make the change cost what there is.
struct NodeKeeper<Tables: NFTablesEnd>: ~Copyable {
    let host: any HostNetworkEnd
    var tables: Tables
    let pods: any AttachmentBook
    let duties: Set<Duty>
    let network: NetworkSettings
    private var services: ServiceKeeper
    /// Those that changed and are not in the tables yet, whichever round will bring them there.
    private var unsettledServices: Set<ServiceIndex.Name> = []
    /// Tables of services that somebody may have touched and that were not read since: they rested, or could not be read.
    private var unreadTables = Set(NodePlan.serviceTables)

    private(set) var snapshot = Snapshot()
    var facts: NodeFacts
    var said = Said()
    /// The attachments as the last rounds saw them.
    private(set) var seen: [Attachment.ID: Attachment] = [:]
    /// What the bridge was last planned with.
    var bridging = NodePlan.Bridging([Attachment]())
    /// Where news came from since the last full round: what goes with a link or an address, nobody took away.
    var stirred: Set<String> = []
    var restorations = Restorations<Thing>()
    /// After the last of our commits, when nobody else's came in between.
    var generation: UInt32?

    private(set) var linkProblems: [String: Problem] = [:]
    /// What the pods' side could not do without being asked, as it last said.
    var podProblems: [Problem] = []
    private var unknownLinks: Set<String> = []
    private(set) var refusedObjects: [HostNetwork.Key: Problem] = [:]
    /// The other nodes to try the tunnels with.
    private(set) var tunnelTargets: [TunnelTarget] = []
    /// Links of somebody else that have a tunnel's name: nothing is put on them.
    private var strangers: Set<String> = []
    /// By the name of the link. What stands on one is refused as well, and that is no problem of its own.
    private var refusedTunnels: [String: Problem] = [:]
    private var refusedTables: [Table.ID: Problem] = [:]

    init(
        node: String, host: any HostNetworkEnd, tables: Tables, pods: any AttachmentBook, duties: Set<Duty> = .all,
        network: NetworkSettings = NetworkSettings(), services: ServiceKeeper = ServiceKeeper()
    ) {
        self.duties = duties
        self.network = network
        self.services = services
        self.host = host
        self.tables = tables
        self.pods = pods
        facts = NodeFacts(name: node, uplinks: [:])
    }

    /// Something that can be put back.
    enum Thing: Hashable, Sendable {
        case object(HostNetwork.Key)
        case table(Table.ID)
    }

    /// One step; its words are made for whoever wants to read them.
    enum Step: Hashable, CustomStringConvertible {
        case network(HostNetwork.Change)
        case table(NFTables.Change)

        var description: String {
            switch self {
            case .network(let change): change.description
            case .table(let change): change.description
            }
        }
    }

    /// What a round came to.
    struct Outcome: Hashable {
        /// Steps said to the kernel.
        var steps: [Step] = []
        var refused = 0
        /// Elements of sets and maps, added and deleted.
        var elements = 0
        /// What was to be so already, and somebody had changed.
        var restored = 0

        mutating func add(_ other: Outcome) {
            steps += other.steps
            refused += other.refused
            elements += other.elements
            restored += other.restored
        }
    }

    /// Everything that is wrong as far as the last rounds saw.
    var problems: [Problem] {
        let links = Array(linkProblems.values) + [Problem(unknownLinks: unknownLinks)].compactMap(\.self)
        let standing = refusedObjects.filter { key, _ in !(said.objects[key]?.standsOn(Set(refusedTunnels.keys)) ?? false) }
        let refusals = Array(standing.values) + Array(refusedTunnels.values) + Array(refusedTables.values)
        let contested = Problem(contested: restorations.contested.map { words($0) })
        return snapshot.problems + said.problems.values.flatMap(\.self) + links + podProblems + refusals
            + services.problems + [contested].compactMap(\.self)
    }

    /// What services under a policy Local come to here.
    var localServices: LocalServices { services.local }

    /// The tables of services hold what was asked for, as far as the last rounds saw.
    var areServicesRight: Bool { NodePlan.serviceTables.allSatisfy { refusedTables[$0] == nil } }

    /// What flannel's plugin has to know; `nil` while this node is not known.
    var flannelFile: FlannelFile? {
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: [:], duties: duties, network: network)
        guard let own = plan.own else { return nil }
        return FlannelFile(
            own: own.podPrefixes.filter { facts.families.contains($0.family) },
            ranges: snapshot.members.values.flatMap(\.podPrefixes), mtu: plan.podMTU,
            masquerades: network.masquerades)
    }

    /// The tables of pods' traffic, where they are this agent's.
    var podTables: [Table.ID] { duties.contains(.pods) || network.isForFlannel ? NodePlan.tables : [] }

    private func words(_ thing: Thing) -> String {
        switch thing {
        case .object(let key): said.objects[key]?.description ?? "the absence of \(key)"
        case .table(let id): "table \(id)"
        }
    }
}

// MARK: - Objects

extension NodeKeeper {
    /// What a change makes due.
    enum Due: Hashable {
        case all
        case keys(Set<NodePlan.Key>)
    }

    /// What tunnels were found to take.
    mutating func take(_ roads: NodeFacts.NarrowRoads) -> Due {
        let old = facts.narrowRoads
        guard roads != old else { return .keys([]) }
        facts.narrowRoads = roads
        guard roads.toOthers == old.toOthers else { return .all }
        let names = Set(roads.toNode.keys).union(old.toNode.keys).filter { roads.toNode[$0] != old.toNode[$0] }
        return .keys(Set(names.map(NodePlan.Key.peer)))
    }

    mutating func list(_ objects: [any KubernetesObject]) -> Due { due(snapshot.replace(with: objects)) }
    mutating func set(_ object: any KubernetesObject) -> Due { due(snapshot.set(object)) }
    mutating func remove(_ key: ObjectKey) -> Due { due(snapshot.remove(key)) }

    private mutating func due(_ touched: Set<Snapshot.Subject>) -> Due {
        for case .service(let name) in touched { unsettledServices.insert(name) }
        // Our own node's object decides over everything here.
        if touched.contains(.node(facts.name)) { return .all }
        return .keys(Set(touched.flatMap(NodePlan.keys)))
    }
}

// MARK: - Rounds

extension NodeKeeper {
    /// Everything, compared with the kernel.
    mutating func settleAll(at now: Duration) throws -> Outcome {
        let before = pods.attachments()
        let settings = Set(NodePlan.settings).union(said.objects.sysctls.map(\.path)).union(PodBridge.filterSettings)
        var observed = try host.observe(
            Interest(
                [.addresses, .neighbours, .forwardings, .routes, .rules, .qdiscs], sysctls: settings,
                neighbourLinks: Set(before.all.values.map(\.link)).union(PacketPath.nodeLinks),
                routeProtocols: [PacketPath.routeProtocol, PacketPath.advertisedProtocol],
                routeTables: PacketPath.routeTables)
        )
        if !duties.contains(.pods) { observed = observed.filter(duties.concern) }
        let after = pods.attachments()
        let narrowRoads = facts.narrowRoads
        facts = NodeFacts(name: facts.name, observed: observed, hasIPv6: host.hasIPv6)
        facts.narrowRoads = narrowRoads
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: after.all, duties: duties, network: network)
        let links = PodLinks(observed, before: before, after: after, known: unknownLinks)
        adoptNode(plan, also: links.addresses(in: observed))

        let new = Said(parts(of: plan))
        bridging = plan.bridging
        let out = links.untouchable.union(links.absent.map(\.link))
        let outAddresses = links.untouchableAddresses.union(links.absent.flatMap(\.addresses))
        let resting = restorations.resting
        // A pod's link cannot be made again from here: its other end is in a namespace that only the runtime names.
        strangers = PacketPath.nodeLinks.subtracting(NodePlan.ownership(links: [], in: observed).links)
        // Mostly there is nothing to leave out, and a copy of all would be made.
        var desired = new.objects
        if !out.isEmpty || !outAddresses.isEmpty || !resting.isEmpty || !strangers.isEmpty {
            desired = desired.filter {
                !$0.standsOn(out, or: outAddresses) && !resting.contains(.object($0.key)) && !isOnStranger($0)
            }
        }
        try lookAtSettings(of: desired, beyond: settings, in: &observed)
        if !links.untouchable.isEmpty || !links.untouchableAddresses.isEmpty || !resting.isEmpty {
            observed = observed.filter {
                !$0.standsOn(links.untouchable, or: links.untouchableAddresses) && !resting.contains(.object($0.key))
            }
        }

        linkProblems = Dictionary(links.absent.map { ($0.link, $0.isMissing) }) { first, _ in first }
        for (link, path) in links.lost { linkProblems[link] = Problem(link: link, recordAt: path) }
        unknownLinks = links.unknown
        podProblems = after.problems
        let owned = NodePlan.ownership(links: Set(after.all.values.map(\.link)), in: observed)
        var outcome = Outcome()
        let steps = difference(
            from: observed, to: desired, owned: owned, keys: plan.own == nil ? Set(desired.objects.keys) : nil)
        try say(steps, towards: new, &outcome, at: now)
        if !refusedObjects.isEmpty || !refusedTunnels.isEmpty {
            let tried = Set(steps.map(\.object.key))
            refusedObjects = refusedObjects.filter { tried.contains($0.key) }
            refusedTunnels = refusedTunnels.filter { tried.contains(.link($0.key)) }
        }
        stirred = []
        let ids = plan.own == nil ? Array(new.frames.keys) : podTables
        let known = generation
        let commits = settle(tables: ids, to: new, &outcome, at: now)
        // As long as nobody else commits, the tables hold what they were told.
        let isUntouched = known != nil && generation == known.map { $0 &+ commits }
        settleServices(plan, isUntouched: isUntouched, &outcome, at: now)
        said = new
        // What could not be made need not be tried.
        tunnelTargets = plan.tunnelTargets().filter { refusedTunnels[$0.link] == nil }
        seen = after.all.filter { !links.moving.contains($0.value.link) }
        return outcome
    }

    /// Some keys.
    mutating func settle(_ keys: Set<NodePlan.Key>, at now: Duration) throws -> Outcome {
        var outcome = Outcome()
        var ids: Set<Attachment.ID> = []
        var others: Set<NodePlan.Key> = []
        var names: Set<ServiceIndex.Name> = []
        for key in keys {
            switch key {
            case .attachment(let id): ids.insert(id)
            case .service(let name): names.insert(name)
            case .node, .peer, .tunnel, .bridge, .masquerade: others.insert(key)
            }
        }
        if !ids.isEmpty { try settle(attachments: ids, &outcome, at: now) }
        if !others.isEmpty { try settle(planned: others, &outcome, at: now) }
        if !names.isEmpty { try settle(services: names, &outcome) }
        return outcome
    }

    /// The tables alone, compared with the kernel.
    mutating func settleTables(at now: Duration) -> Outcome {
        var outcome = Outcome()
        let isKnown = snapshot.members[facts.name] != nil
        settle(tables: isKnown ? podTables : Array(said.frames.keys), to: said, &outcome, at: now)
        settleServices(
            NodePlan(facts: facts, snapshot: snapshot, attachments: [:], duties: duties, network: network), &outcome, at: now)
        return outcome
    }

    /// Compared with what was last said.
    private mutating func settle(planned keys: Set<NodePlan.Key>, _ outcome: inout Outcome, at now: Duration) throws {
        let bridging = NodePlan.Bridging(pods.attachments().all.values)
        let plan = NodePlan(
            facts: facts, snapshot: snapshot, attachments: [:], duties: duties, network: network, bridging: bridging)
        guard plan.own != nil else { return }
        var (old, new) = (State(), Said())
        for key in keys {
            for object in said[key]?.network.objects.values ?? [:].values where !isOnStranger(object) { old.insert(object) }
            if plan.contains(key) { new[key] = plan.part(key) }
        }
        let desired = strangers.isEmpty ? new.objects : new.objects.filter { !isOnStranger($0) }
        try say(difference(from: old, to: desired, owned: NodePlan.ownership), towards: new, &outcome, at: now)
        let frames = keys.reduce(into: Set(new.frames.keys)) { $0.formUnion(said[$1]?.tables.keys ?? [:].keys) }
        let remade = frames.filter { said.frames[$0] != new.frames[$0] }
        var elements = ElementChanges()
        for key in keys { elements.take(from: said[key], to: new[key]) }
        if !remade.isEmpty {
            var all = said
            for key in keys { all[key] = new[key] }
            settle(tables: remade.sorted(), to: all, isAll: false, &outcome, at: now)
        }
        for key in keys { said[key] = new[key] }
        settle(elements, except: remade, &outcome)
    }

    /// Compared with the kernel: their own links, and what stands on them.
    private mutating func settle(attachments ids: Set<Attachment.ID>, _ outcome: inout Outcome, at now: Duration) throws {
        let before = pods.attachments()
        let plan = NodePlan(
            facts: facts, snapshot: snapshot, attachments: before.all.filter { ids.contains($0.key) }, duties: duties,
            network: network)
        var new = Said()
        for id in plan.attachments.keys { new[.attachment(id)] = plan.part(.attachment(id)) }
        let isOnBridge = plan.attachments.values.contains(where: \.isBridged)
        let names = Set(ids.map(\.link)).union(isOnBridge ? [PacketPath.podBridge] : [])
        let settings = Set(new.objects.sysctls.map(\.path))
        let hasQdiscs = new.objects.objects.keys.contains { if case .qdisc = $0 { true } else { false } }
        let observed = try host.observe(
            Interest(
                Set([.neighbours, .routes]).union(hasQdiscs ? [.qdiscs] : []).union(isOnBridge ? [.forwardings] : []),
                sysctls: settings, links: names,
                routeProtocols: [PacketPath.routeProtocol], routeTables: [Route.mainTable]))
        let after = pods.attachments()
        let moving = after.moving(since: before)

        var desired = State()
        var settled: Set<String> = []
        var addresses: Set<IPAddress> = []
        for id in ids where !moving.contains(id.link) && after.lost[id.link] == nil {
            let part = new[.attachment(id)]
            let isThere = observed.link(id.link) != nil
            linkProblems[id.link] = part != nil && !isThere ? plan.attachments[id]?.isMissing : nil
            if part == nil, isThere { unknownLinks.insert(id.link) } else { unknownLinks.remove(id.link) }
            said[.attachment(id)] = part
            seen[id] = plan.attachments[id]
            guard let part, isThere else { continue }
            settled.insert(id.link)
            addresses.formUnion(plan.attachments[id]?.addresses ?? [])
            for object in part.network.objects.values { desired.insert(object) }
        }
        let resting = restorations.resting
        desired = desired.filter { !resting.contains(.object($0.key)) }
        let there = observed.filter { $0.standsOn(settled, or: addresses) && !resting.contains(.object($0.key)) }
        try say(
            difference(from: there, to: desired, owned: NodePlan.ownership(links: settled)), towards: said, &outcome, at: now)
    }
}

// MARK: - Steps

extension NodeKeeper {
    /// What should be said. Without this node's own object: what was said before, and the attachments.
    private func parts(of plan: NodePlan) -> [NodePlan.Key: NodePlan.Part] {
        guard plan.own == nil else { return Dictionary(uniqueKeysWithValues: plan.keys.map { ($0, plan.part($0)) }) }
        var parts = said.parts
        for key in parts.keys {
            if case .attachment = key { parts[key] = nil } else { parts[key]?.problems = [] }
        }
        for id in plan.attachments.keys { parts[.attachment(id)] = plan.part(.attachment(id)) }
        let node = plan.part(.node)
        parts[.node, default: node].problems = node.problems
        return parts
    }

    private func isOnStranger(_ object: Object) -> Bool { object.link.map(strangers.contains) ?? false }

    /// Which settings there are to look at is known only when the links are.
    private func lookAtSettings(of desired: State, beyond seen: Set<String>, in observed: inout State) throws {
        let more = Set(desired.sysctls.map(\.path)).subtracting(seen)
        guard !more.isEmpty else { return }
        for setting in try host.observe(Interest([], sysctls: more, links: [])).sysctls { observed.insert(.sysctl(setting)) }
    }

    private mutating func say(
        _ steps: [HostNetwork.Change], towards new: Said, _ outcome: inout Outcome, at now: Duration
    ) throws {
        guard !steps.isEmpty else { return }
        let refusals = try host.apply(steps).filter { !$0.isDone }
        outcome.steps += steps.map(Step.network)
        outcome.refused += refusals.count
        let refused = Set(refusals.map(\.change.object.key))
        var restored: [Thing] = []
        for step in steps {
            let object = step.object
            let key = object.key
            if said.objects[key] == new.objects[key], refusedObjects[key] == nil, !refused.contains(key),
                !object.standsOn(stirred)
            {
                restored.append(.object(key))
            }
            // A refusal stands until the same thing is said again and accepted.
            if !refusedObjects.isEmpty { refusedObjects[key] = nil }
            if case .link(let link) = object { refusedTunnels[link.name] = nil }
        }
        outcome.restored += restored.count
        restorations.note(restored, at: now)
        for refusal in refusals {
            refusedObjects[refusal.change.object.key] = Problem(.changeRefused, nil, "\(refusal)")
            guard case .link(let link) = refusal.change.object, case .vxlan = link.kind else { continue }
            refusedTunnels[link.name] = Problem(refusal, of: link, in: try host.observe(Interest([])))
        }
    }

    /// One table that is refused does not keep the others from being right.
    ///
    /// - Returns: the commits that were made.
    @discardableResult
    private mutating func settle(
        tables ids: [Table.ID], to new: Said, isAll: Bool = true, _ outcome: inout Outcome, at now: Duration
    ) -> UInt32 {
        let resting = restorations.resting
        let before = try? tables.generation()
        var commits: UInt32 = 0
        for id in ids where !resting.contains(.table(id)) {
            do {
                let table = new.table(id)
                let changes = try tables.settle(id, to: table)
                refusedTables[id] = nil
                guard !changes.isEmpty else { continue }
                commits += 1
                outcome.note(changes)
                if said.table(id) == table {
                    outcome.restored += 1
                    restorations.note([.table(id)], at: now)
                }
            } catch {
                outcome.refused += 1
                refusedTables[id] = Problem(.changeRefused, nil, "table \(id): \(error)")
            }
        }
        // Only what is ours came in between: then the next commit that is not counted is somebody else's.
        let isQuiet = before != nil && (isAll || before == generation)
        let after = try? tables.generation()
        generation = isQuiet && after == before.map { $0 &+ commits } ? after : nil
        return commits
    }

    /// Other nodes' places in the tables: the tables are not looked at. A refusal says that they are not what they were believed to
    /// be, and a full round compares them.
    private mutating func settle(_ elements: ElementChanges, except remade: Set<Table.ID>, _ outcome: inout Outcome) {
        let ids = elements.tables.filter { !remade.contains($0) && !restorations.resting.contains(.table($0)) }
        guard !ids.isEmpty else { return }
        let before = try? tables.generation()
        var commits: UInt32 = 0
        for id in ids {
            let changes = elements.changes(of: id)
            guard !changes.isEmpty else { continue }
            do {
                try tables.apply(changes)
                commits += 1
                outcome.steps += changes.map(Step.table)
            } catch {
                outcome.refused += 1
                refusedTables[id] = Problem(.changeRefused, nil, "table \(id): \(error)")
            }
        }
        count(commits, since: before)
    }

    /// All services, compared with the kernel.
    ///
    /// - Parameter isUntouched: nobody but us has committed tables since they were last compared: they need not be read again.
    private mutating func settleServices(
        _ plan: NodePlan, isUntouched: Bool = false, _ outcome: inout Outcome, at now: Duration
    ) {
        let resting = restorations.resting
        let ids = NodePlan.serviceTables.filter { !resting.contains(.table($0)) }
        if !isUntouched { unreadTables.formUnion(NodePlan.serviceTables) }
        let isOfAll = duties.contains(.services) && !unreadTables.isDisjoint(with: ids)
        let everything = isOfAll ? ServiceKeeper.Resolved(plan.snapshot) : nil
        let before = try? tables.generation()
        var commits: UInt32 = 0
        var areAllSettled = ids.count == NodePlan.serviceTables.count && plan.own != nil
        for id in ids {
            do {
                let changed = unreadTables.contains(id) ? nil : unsettledServices
                let result = try services.settle(id, plan, changed: changed, &tables, everything)
                unreadTables.remove(id)
                refusedTables[id] = nil
                guard !result.changes.isEmpty else { continue }
                commits += 1
                outcome.note(result.changes)
                if result.isRestored {
                    outcome.restored += 1
                    restorations.note([.table(id)], at: now)
                }
            } catch {
                areAllSettled = false
                outcome.refused += 1
                refusedTables[id] = Problem(.changeRefused, nil, "table \(id): \(error)")
            }
        }
        if services.isBehind { outcome.refused += 1 }
        if areAllSettled { unsettledServices = [] }
        count(commits, since: before)
    }

    /// Some services, element by element: the tables are not looked at. A refusal says that they are not what they were believed to
    /// be, and makes a full round due.
    private mutating func settle(services names: Set<ServiceIndex.Name>, _ outcome: inout Outcome) throws {
        guard duties.contains(.services), snapshot.members[facts.name] != nil else { return }
        let before = try? tables.generation()
        var commits: UInt32 = 0
        defer { count(commits, since: before) }
        let resolved = ServiceKeeper.Resolved(snapshot, names)
        for id in NodePlan.serviceTables {
            let changes = try services.settle(resolved, of: id, &tables)
            if !changes.isEmpty { commits += 1 }
            outcome.note(changes)
        }
        unsettledServices.subtract(names)
        if services.isBehind { outcome.refused += 1 }
    }

    /// Whether nobody else committed since the last time.
    private mutating func count(_ commits: UInt32, since before: UInt32?) {
        guard let known = generation, known == before, let after = try? tables.generation(), after == known &+ commits else {
            generation = nil
            return
        }
        generation = after
    }

    /// - Parameter taken: addresses that belong to pods nobody has a record of.
    private func adoptNode(_ plan: NodePlan, also taken: Set<IPAddress>) {
        // A range that is refused makes no pool, as one that is not there.
        guard let own = plan.own else { return }
        pods.adopt(
            prefixes: own.podPrefixes.filter { plan.facts.families.contains($0.family) },
            mtu: plan.podMTU, reserved: taken.union(own.addresses))
    }
}

extension NodeKeeper.Outcome {
    fileprivate mutating func note(_ steps: [NFTables.Change]) {
        self.steps += steps.map(NodeKeeper.Step.table)
        for step in steps {
            switch step {
            case .addElements(_, _, let items), .deleteElements(_, _, let items): elements += items.count
            default: break
            }
        }
    }
}

extension Refusal {
    /// What was to go was gone already.
    var isDone: Bool {
        guard case .remove = change else { return false }
        return [.noSuchObject, .noSuchEntry, .noSuchDevice, .addressNotAvailable].contains(code)
    }
}
