public import Addressing
public import Cluster
public import NFTables

/// The table of services of one family, as a small memory of what it holds: from it the whole table can be made, and a change to
/// a service becomes a handful of changes to elements, however many services there are.
///
/// The kernel chooses an endpoint by its place, so places are state: who stays keeps the place. An agent that starts reads them from
/// the table that it finds.
///
/// Per service port and way to ask for it the kernel holds one element for the front and one per endpoint; per node port the same,
/// whatever number of addresses the node has; chains only as many as there are different numbers of endpoints.
public struct ServiceTable: Sendable {
    public let family: IPFamily
    public let facts: ServiceFacts
    private var entries: [ServiceIndex.Name: [ServedPort]] = [:]
    private var complaints: [ServiceIndex.Name: [Problem]] = [:]
    /// Who has a front, and who else wants it.
    private var claims = FrontClaims()
    /// How many want an element that several can share.
    private var shared: [ElementKey: Int] = [:]
    /// Those that have a chain. They are never taken away: a chain costs nothing but its making, one look at every endpoint.
    private var kinds: [Door: Set<ServiceClass>]
    private var counts: [ServiceSet: Int] = [:]
    private var limits: [ServiceSet: UInt32] = [:]

    struct ElementKey: Hashable { var set: ServiceSet, key: Value }

    /// What a change comes to.
    public struct Update: Sendable {
        /// In an order the kernel accepts; to be carried out in one transaction.
        public var changes: [NFTables.Change] = []
        /// What to end once the changes are made.
        public var flows: Set<ServiceFlow> = []
        /// The table is made anew, because a map has become too small.
        public var isAnew = false
    }

    /// Everything there is.
    ///
    /// - Parameter observed: the table as it is now; endpoints keep their places in it.
    public init(
        _ facts: ServiceFacts, _ family: IPFamily, _ services: [ServiceIndex.Name: [ServicePort]] = [:],
        after observed: Table? = nil
    ) {
        self.facts = facts
        self.family = family
        kinds = [.address: Set((1...Self.standing).map { .balanced(.cluster, count: $0, seconds: nil) }), .nodePort: []]
        for (name, ports) in services {
            let (served, problems) = served(ports) { _ in ([], []) }
            entries[name] = served.isEmpty ? nil : served
            complaints[name] = problems.isEmpty ? nil : problems
        }
        for port in entries.values.joined() { for way in port.ways { claims.claim(way, port.id) } }
        if let observed { adopt(ObservedPlaces(observed)) }
        for port in entries.values.joined() { take(port) }
        for set in ServiceSet.all where set.isSized {
            let found = observed?.sets[set.name]?.shape.limit
            let count = counts[set] ?? 0
            limits[set] = found.flatMap { Int($0) >= count ? $0 : nil } ?? ServiceSet.limit(for: count)
        }
    }

    /// Lets endpoints stand as they were found. Where somebody else's front was found, nothing is to be learnt from it.
    private mutating func adopt(_ places: ObservedPlaces) {
        for name in Array(entries.keys) {
            guard var ports = entries.removeValue(forKey: name) else { continue }
            for index in ports.indices {
                let fronts = owned(ports[index]).map(\.key)
                for reach in Reach.allCases { ports[index].arrange(reach, after: places.order(fronts, reach)) }
            }
            entries[name] = ports
        }
    }

    /// Chains for so many endpoints stand ready: each on the map makes every new element a little dearer, and a missing one costs a
    /// look at the whole map (docs/decisions/0005).
    private static let standing = 16

    public var id: Table.ID { Table.ID(family == .v4 ? .ip : .ip6, PacketPath.serviceTable) }

    /// What cannot be served as written, the worst first.
    public var problems: [Problem] {
        (complaints.values.joined() + claims.refusals.map { Self.complaint(about: $0) }).sorted()
    }

    public var serviceNames: Set<ServiceIndex.Name> { Set(entries.keys) }
    /// There is no service in it.
    public var isEmpty: Bool { entries.isEmpty }

    /// The ports of protocols without an end of their own, with the ways in that are theirs.
    var endlessPorts: [(port: ServedPort, ways: [ServedPort.Way])] {
        entries.values.joined().filter { $0.transport != .tcp }.map { ($0, owned($0)) }
    }
}

// MARK: - The whole

extension ServiceTable {
    /// The table with everything in it.
    public var table: Table {
        // By their positions: to look each element's set up would cost as much as to put it there.
        var sets = ServiceSet.all.map(fixedElements)
        for (set, count) in counts where set.isSized { sets[set.position].reserveCapacity(count) }
        eachElement { sets[$0.position][$1] = $2 }
        return table(holding: sets)
    }

    /// What makes the table where there is none: what the difference of nothing and ``table`` comes to, in less memory than the
    /// table takes.
    public var creation: [Change] {
        var elements = ServiceSet.all.map { _ in [Change.Element]() }
        for (set, count) in counts where set.isSized { elements[set.position].reserveCapacity(count) }
        eachElement { elements[$0.position].append(Change.Element($1, $2)) }
        return difference(from: nil, to: table(holding: ServiceSet.all.map(fixedElements)))
            + ServiceSet.all.map { .addElements(id, shape($0), elements[$0.position]) }.filter { !$0.isVoid }
    }

    private func table(holding elements: [[Value: NamedSet.Content]]) -> Table {
        let chains = ServiceChains(family: family, facts: facts)
        return Table(
            id.family, id.name,
            chains: chains.standing + kinds.flatMap { door, kinds in kinds.compactMap { chains.chain($0, door) } },
            sets: ServiceSet.all.map { NamedSet(shape($0), elements[$0.position]) })
    }

    /// What comes from services, each once.
    private func eachElement(_ body: (ServiceSet, Value, NamedSet.Content) -> Void) {
        for ports in entries.values { for port in ports { for way in owned(port) { port.elements(way, body) } } }
        for element in shared.keys { body(element.set, element.key, NamedSet.Content()) }
    }

    private func shape(_ set: ServiceSet) -> NamedSet.Shape { set.shape(family, limit: limits[set] ?? ServiceSet.smallest) }

    /// Elements that do not come from services.
    private func fixedElements(_ set: ServiceSet) -> [Value: NamedSet.Content] {
        func elements(_ ranges: [(first: IPAddress, last: IPAddress)]) -> [Value: NamedSet.Content] {
            ranges.reduce(into: [:]) { elements, range in
                let last = range.first == range.last ? nil : Value(.address(range.last))
                elements[Value(.address(range.first))] = NamedSet.Content(last: last)
            }
        }
        func prefixes(_ prefixes: [IPPrefix]) -> [Value: NamedSet.Content] {
            elements(disjoint(prefixes.filter { $0.family == family }).map { ($0.address, $0.last) })
        }
        switch set {
        case .ownSources: return prefixes(facts.ownSources)
        case .serviceRanges: return prefixes(facts.serviceRanges)
        case .nodePortAddresses: return elements(facts.nodePortRanges(family))
        case .classes(let door):
            let asking: [ServiceClass] = [.split] + (door == .address ? [.guarded] : [])
            return fixedElements(.innerClasses(door)).merging(verdicts(asking, door)) { $1 }
        case .innerClasses(let door): return verdicts([.refused, .dropped] + (kinds[door] ?? []), door)
        default: return [:]
        }
    }

    private func verdicts(_ kinds: [ServiceClass], _ door: Door) -> [Value: NamedSet.Content] {
        kinds.reduce(into: [:]) {
            $0[Value(.mark($1.mark))] = NamedSet.Content(.verdict(ServiceChains.verdict($1, door)))
        }
    }

    /// Counts in what a port adds, when everything is made at once.
    private mutating func take(_ port: ServedPort) {
        let ways = owned(port)
        var (counts, shared) = (self.counts, self.shared)
        // Moved out and back: two copies would be made otherwise.
        (self.counts, self.shared) = ([:], [:])
        for way in ways {
            port.countElements(way) { counts[$0, default: 0] += $1 }
            for kind in way.classes { need(kind, way.door) }
        }
        port.sharedElements(ways) { set, key in
            if shared.updateValue((shared[ElementKey(set: set, key: key)] ?? 0) + 1, forKey: ElementKey(set: set, key: key))
                == nil
            {
                counts[set, default: 0] += 1
            }
        }
        (self.counts, self.shared) = (counts, shared)
    }

    private mutating func need(_ kind: ServiceClass, _ door: Door) {
        if case .balanced = kind { kinds[door, default: []].insert(kind) }
    }

    /// The ways in that are this port's and nobody else's.
    private func owned(_ port: ServedPort) -> [ServedPort.Way] {
        port.ways.allSatisfy { claims.owner($0.key) == port.id }
            ? port.ways : port.ways.filter { claims.owner($0.key) == port.id }
    }
}

// MARK: - Changes

extension ServiceTable {
    /// Takes these services for what they are now: no ports for one that is gone. The others stay.
    public mutating func set(_ services: [ServiceIndex.Name: [ServicePort]]) -> Update {
        var next: [ServiceIndex.Name: [ServedPort]] = [:]
        for (name, ports) in services {
            let old = Dictionary((entries[name] ?? []).map { ($0.id, $0) }) { first, _ in first }
            let (served, problems) = served(ports) { port in old[port.id].map { ($0.cluster, $0.local) } ?? ([], []) }
            next[name] = served
            complaints[name] = problems.isEmpty ? nil : problems
        }
        // Who had a front that somebody else gets, or gets one that becomes free, is touched too.
        var touched = Set(services.keys)
        let keys = Set((next.values.joined() + touched.flatMap { entries[$0] ?? [] }).flatMap { $0.ways.map(\.key) })
        // Of the fronts concerned alone: a copy of all would cost what there is, not what changes.
        let old = Dictionary(uniqueKeysWithValues: keys.map { ($0, claims.owner($0)) })
        for port in touched.flatMap({ entries[$0] ?? [] }) { for way in port.ways { claims.release(way, port.id) } }
        for port in next.values.joined() { for way in port.ways { claims.claim(way, port.id) } }
        for key in keys {
            for id in [old[key] ?? nil, claims.owner(key)].compactMap({ $0 }) {
                touched.insert(ServiceIndex.Name(namespace: id.namespace, name: id.service))
            }
        }
        let before = touched.flatMap { entries[$0] ?? [] }.map { port in
            (port: port, ways: port.ways.filter { (old[$0.key] ?? claims.owner($0.key)) == port.id })
        }
        for (name, ports) in next { entries[name] = ports.isEmpty ? nil : ports }
        let after = touched.flatMap { entries[$0] ?? [] }.map { (port: $0, ways: owned($0)) }
        return update(from: before, to: after)
    }

    private typealias Owned = (port: ServedPort, ways: [ServedPort.Way])

    private mutating func update(from before: [Owned], to after: [Owned]) -> Update {
        var update = Update()
        var chains: [NFTables.Change] = []
        for (_, ways) in after {
            for way in ways { for kind in way.classes where isNew(kind, way.door) { chains += make(kind, way.door) } }
        }
        var edits = ElementEdits()
        edits.reserve(before.map(\.port))
        for (port, ways) in before {
            for way in ways { port.elements(way) { edits.old[ElementKey(set: $0, key: $1)] = $2 } }
            port.sharedElements(ways) { edits.shared[ElementKey(set: $0, key: $1), default: 0] -= 1 }
        }
        for (port, ways) in after {
            for way in ways { port.elements(way) { edits.add(ElementKey(set: $0, key: $1), $2) } }
            port.sharedElements(ways) { edits.shared[ElementKey(set: $0, key: $1), default: 0] += 1 }
        }
        let (deleted, added) = edits.result(&shared)
        for (set, elements) in deleted { counts[set, default: 0] -= elements.count }
        for (set, elements) in added { counts[set, default: 0] += elements.count }
        update.flows = Self.flows(family, before, after)
        if counts.contains(where: { $0.value > Int(limits[$0.key] ?? .max) }) {
            for (set, count) in counts where set.isSized && count > Int(limits[set] ?? 0) {
                limits[set] = ServiceSet.limit(for: count)
            }
            update.isAnew = true
            update.changes = [.deleteTable(id)] + creation
            return update
        }
        func changes(_ sets: [ServiceSet: [Change.Element]], _ change: (NamedSet.Shape, [Change.Element]) -> Change) -> [Change] {
            sets.filter { !$0.value.isEmpty }.sorted { $0.key.name < $1.key.name }.map { set, elements in
                change(shape(set), elements.sorted { $0.key < $1.key })
            }
        }
        let id = id
        update.changes =
            chains + changes(deleted) { .deleteElements(id, $0, $1) } + changes(added) { .addElements(id, $0, $1) }
        return update
    }

    private func isNew(_ kind: ServiceClass, _ door: Door) -> Bool {
        guard case .balanced = kind else { return false }
        return kinds[door]?.contains(kind) != true
    }

    /// A chain, its rules, and how classes lead to it.
    private mutating func make(_ kind: ServiceClass, _ door: Door) -> [Change] {
        need(kind, door)
        guard let chain = ServiceChains(family: family, facts: facts).chain(kind, door) else { return [] }
        let element = Change.Element(Value(.mark(kind.mark)), .init(.verdict(ServiceChains.verdict(kind, door))))
        return [.addChain(id, chain.name, nil)] + chain.rules.map { .addRule(id, chain: chain.name, $0, before: nil) }
            + [.classes(door), .innerClasses(door)].map { .addElements(id, shape($0), [element]) }
    }

    private static func flows(_ family: IPFamily, _ before: [Owned], _ after: [Owned]) -> Set<ServiceFlow> {
        let old = Dictionary(before.map { ($0.port.id, $0) }) { first, _ in first }
        let new = Dictionary(after.map { ($0.port.id, $0) }) { first, _ in first }
        return Set(old.keys).union(new.keys).reduce(into: []) { flows, id in
            // One that changed its protocol is another.
            guard let from = old[id], let to = new[id], from.port.transport != to.port.transport else {
                return flows.formUnion(ServiceFlow.stale(family, from: old[id], to: new[id]))
            }
            flows.formUnion(ServiceFlow.stale(family, from: from, to: nil))
            flows.formUnion(ServiceFlow.stale(family, from: nil, to: to))
        }
    }
}

/// What a change comes to, element by element.
private struct ElementEdits {
    /// Those that nothing new is like.
    var old: [ServiceTable.ElementKey: NamedSet.Content] = [:]
    /// How many more want an element.
    var shared: [ServiceTable.ElementKey: Int] = [:]

    typealias Elements = [ServiceSet: [Change.Element]]

    private var deleted: Elements = [:]
    private var added: Elements = [:]

    mutating func reserve(_ ports: [ServedPort]) {
        old.reserveCapacity(ports.reduce(0) { $0 + ($1.cluster.count + $1.local.count + 2) * $1.ways.count })
    }

    /// An element that is to be there; once what is there is known.
    mutating func add(_ element: ServiceTable.ElementKey, _ content: NamedSet.Content) {
        if let before = old.removeValue(forKey: element) {
            guard before != content else { return }
            deleted[element.set, default: []].append(Change.Element(element.key, before))
        }
        added[element.set, default: []].append(Change.Element(element.key, content))
    }

    mutating func result(_ known: inout [ServiceTable.ElementKey: Int]) -> (deleted: Elements, added: Elements) {
        for (element, content) in old { deleted[element.set, default: []].append(Change.Element(element.key, content)) }
        for (element, more) in shared where more != 0 {
            let before = known[element] ?? 0
            known[element] = before + more == 0 ? nil : before + more
            if before == 0 { added[element.set, default: []].append(Change.Element(element.key)) }
            if before + more == 0 { deleted[element.set, default: []].append(Change.Element(element.key)) }
        }
        return (deleted, added)
    }
}
