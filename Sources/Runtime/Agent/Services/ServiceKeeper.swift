import Addressing
import Cluster
import NFTables
import Plan

/// What was last said to the kernel of services, and how a change becomes a few elements.
///
/// A service that changes costs what its own endpoints cost: the tables are not read for it. At start, at the slow period and when
/// somebody else committed tables they are read whole and compared. Endpoints keep their places; what an earlier agent left is
/// adopted.
struct ServiceKeeper {
    private let ranges: [IPPrefix]
    private let nodePortAddresses: [IPPrefix]
    private let isOurs: Bool
    private let connections: (any ConnectionsEnd)?
    private var tables: [Table.ID: ServiceTable] = [:]
    /// Those whose table is in the kernel: without a service there is none.
    private var said: Set<Table.ID> = []
    /// Those whose last change was refused: what the kernel has of them is not what was said.
    private var doubtful: Set<Table.ID> = []
    /// The services that are still to be worked out again, for each table, before it is all of them once more.
    private var audits: [Table.ID: [ServiceIndex.Name]] = [:]
    /// Tables whose stale connections were not all ended as they became so: with them what was asked for once, and may not be any
    /// more. At the next success all connections are looked at.
    private var overdue: [Table.ID: Set<Value>] = [:]
    /// Why connections could not be ended.
    private var refusals: [Table.ID: Problem] = [:]
    /// What services under a policy Local come to here.
    private(set) var local = LocalServices()

    /// - Parameter isOurs: without this duty the tables are taken away, because somebody else's are to be used.
    init(
        ranges: [IPPrefix] = [], nodePortAddresses: [IPPrefix] = [], isOurs: Bool = true,
        connections: (any ConnectionsEnd)? = nil
    ) {
        self.ranges = ranges
        self.nodePortAddresses = nodePortAddresses
        self.isOurs = isOurs
        self.connections = connections
    }

    var problems: [Problem] { Array(Set(tables.values.flatMap(\.problems))) + refusals.values }

    /// Connections still lead to where they no longer should: it has to be tried again.
    var isBehind: Bool { !refusals.isEmpty }

    /// Services as they are understood: made once for the tables of both families.
    struct Resolved {
        let services: [ServiceIndex.Name: [ServicePort]]

        /// - Parameter names: also of services that are gone; `nil`: all there are.
        init(_ snapshot: Snapshot, _ names: Set<ServiceIndex.Name>? = nil) {
            let index = snapshot.services
            services = Dictionary(uniqueKeysWithValues: (names ?? index.names).map { ($0, index.ports(of: $0)) })
        }
    }

    /// At most so many services are worked out again in one go: a change must not wait long for it.
    private static let auditSize = 128

    /// A table, compared with the kernel.
    ///
    /// A table that nobody else has touched holds what it was told. It is not read, and of its services some are worked out anew
    /// each time, in turn.
    ///
    /// - Parameters:
    ///   - changed: nobody but us has committed anything since the table was last compared, and these services have changed; `nil`:
    ///     the table has to be compared.
    ///   - everything: of the plan's snapshot; `nil`: it is made here.
    /// - Returns: what was changed, and whether that was to be so already.
    mutating func settle<Tables: NFTablesEnd>(
        _ id: Table.ID, _ plan: NodePlan, changed: Set<ServiceIndex.Name>? = nil, _ kernel: inout Tables,
        _ everything: Resolved? = nil
    ) throws -> (changes: [NFTables.Change], isRestored: Bool) {
        let family: IPFamily = id.family == .ip ? .v4 : .v6
        guard isOurs, plan.facts.families.contains(family) else {
            (tables[id], overdue[id], refusals[id], said) = (nil, nil, nil, said.subtracting([id]))
            if tables.isEmpty { local.replace(with: [:], node: "") }
            return (try kernel.settle(id, to: nil), false)
        }
        // Without our own node's object what was made before stays.
        guard let facts = plan.serviceFacts(ranges: ranges, nodePortAddresses: nodePortAddresses) else { return ([], false) }
        let index = plan.snapshot.services
        if let changed, !doubtful.contains(id), tables[id]?.facts == facts {
            var names = audits[id] ?? []
            if names.isEmpty { names = Array(index.names.union(tables[id]?.serviceNames ?? [])) }
            let slice = changed.union(names.suffix(Self.auditSize))
            audits[id] = names.dropLast(Self.auditSize)
            return (try settle(Resolved(plan.snapshot, slice), of: id, &kernel), false)
        }
        let services = (everything ?? Resolved(plan.snapshot)).services
        local.replace(with: services, node: facts.node)
        let observed = try kernel.observe(id)
        // None of a table that is made anew.
        var update: ServiceTable.Update?
        if var table = tables.removeValue(forKey: id), table.facts == facts {
            let gone = table.serviceNames.subtracting(services.keys).map { ($0, [ServicePort]()) }
            update = table.set(services.merging(gone) { $1 })
            tables[id] = table
        } else {
            tables[id] = ServiceTable(facts, family, services, after: observed?.table)
        }
        let flows = update?.flows ?? []
        let wasSaid = said.contains(id)
        let changes = try commit(flows, of: id) { try $0.say(id, from: observed, &kernel) }
        // Nobody looked while there was no agent, or the table was not what it should have been.
        if update == nil || !changes.isEmpty {
            overdue[id, default: []].formUnion(observed.map { ServiceTable.endlessFronts(in: $0.table) } ?? [])
        }
        end(flows, of: id)
        return (changes, update?.changes.isEmpty == true && wasSaid)
    }

    /// Some services in a table, compared with what was last said.
    mutating func settle<Tables: NFTablesEnd>(
        _ resolved: Resolved, of id: Table.ID, _ kernel: inout Tables
    ) throws -> [NFTables.Change] {
        guard var table = tables[id] else { return [] }
        // One copy, changed in place.
        tables[id] = nil
        local.set(resolved.services, node: table.facts.node)
        let update = table.set(resolved.services)
        tables[id] = table
        let isThere = said.contains(id) && !table.isEmpty
        let changes = try commit(update.flows, of: id) { keeper in
            // The first service, or the last one: the table itself comes or goes.
            guard isThere else { return try keeper.say(id, from: try kernel.observe(id), &kernel) }
            if !update.changes.isEmpty { try kernel.apply(update.changes) }
            return update.changes
        }
        end(update.flows, of: id)
        return changes
    }

    /// What a commit that fails would have made stale is so once one succeeds.
    private mutating func commit(
        _ flows: Set<ServiceFlow>, of id: Table.ID, _ body: (inout Self) throws -> [NFTables.Change]
    ) throws -> [NFTables.Change] {
        doubtful.insert(id)
        do {
            let changes = try body(&self)
            doubtful.remove(id)
            return changes
        } catch {
            overdue[id, default: []].formUnion(flows.map(\.front))
            throw error
        }
    }

    private mutating func say<Tables: NFTablesEnd>(
        _ id: Table.ID, from observed: ObservedTable?, _ kernel: inout Tables
    ) throws -> [NFTables.Change] {
        guard let table = tables[id] else { return [] }
        let isWanted = !table.isEmpty
        let changes =
            isWanted && observed == nil ? table.creation : difference(from: observed, to: isWanted ? table.table : nil)
        if !changes.isEmpty { try kernel.apply(changes) }
        if isWanted { said.insert(id) } else { said.remove(id) }
        return changes
    }

    /// What could not be ended is tried again with the next round; until then it is a problem.
    private mutating func end(_ flows: Set<ServiceFlow>, of id: Table.ID) {
        guard let connections, let table = tables[id] else { return overdue[id] = nil }
        do {
            if let fronts = overdue[id] {
                try connections.end(table.staleConnections(formerly: fronts.union(flows.map(\.front))))
            } else if !flows.isEmpty {
                try connections.end(flows)
            }
            (overdue[id], refusals[id]) = (nil, nil)
        } catch {
            overdue[id, default: []].formUnion(flows.map(\.front))
            refusals[id] = Problem(.changeRefused, nil, "connections to endpoints that are gone: \(error)")
        }
    }
}
