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

    var problems: [Problem] { Array(Set(tables.values.flatMap(\.problems))) }

    /// At most so many services are worked out again in one go: a change must not wait long for it.
    private static let auditSize = 512

    /// A table, compared with the kernel.
    ///
    /// A table that nobody else has touched holds what it was told. It is not read, and of its services some are worked out anew
    /// each time, in turn.
    ///
    /// - Parameter isUntouched: nobody but us has committed anything since the table was last compared.
    /// - Returns: what was changed, and whether that was to be so already.
    mutating func settle<Tables: NFTablesEnd>(
        _ id: Table.ID, _ plan: NodePlan, isUntouched: Bool = false, _ kernel: inout Tables
    ) throws -> (changes: [NFTables.Change], isRestored: Bool) {
        let family: IPFamily = id.family == .ip ? .v4 : .v6
        guard isOurs, plan.facts.families.contains(family) else {
            (tables[id], said) = (nil, said.subtracting([id]))
            if tables.isEmpty { local.replace(with: [:], node: "") }
            return (try kernel.settle(id, to: nil), false)
        }
        // Without our own node's object what was made before stays.
        guard let facts = plan.serviceFacts(ranges: ranges, nodePortAddresses: nodePortAddresses) else { return ([], false) }
        let index = plan.snapshot.services
        if isUntouched, !doubtful.contains(id), tables[id]?.facts == facts {
            var names = audits[id] ?? []
            if names.isEmpty { names = Array(index.names.union(tables[id]?.serviceNames ?? [])) }
            let slice = Set(names.suffix(Self.auditSize))
            audits[id] = names.dropLast(Self.auditSize)
            return (try settle(slice, of: id, plan.snapshot, &kernel), false)
        }
        let services = Dictionary(uniqueKeysWithValues: index.names.map { ($0, index.ports(of: $0)) })
        local.replace(with: services, node: facts.node)
        let observed = try kernel.observe(id)
        guard var table = tables.removeValue(forKey: id), table.facts == facts else {
            let table = ServiceTable(facts, family, services, after: observed?.table)
            tables[id] = table
            return (try say(table, from: observed, &kernel), false)
        }
        let gone = table.serviceNames.subtracting(services.keys).map { ($0, [ServicePort]()) }
        let update = table.set(services.merging(gone) { $1 })
        tables[id] = table
        let wasSaid = said.contains(id)
        let changes = try say(table, from: observed, &kernel)
        end(update.flows)
        return (changes, update.changes.isEmpty && wasSaid)
    }

    /// Some services in a table, compared with what was last said.
    mutating func settle<Tables: NFTablesEnd>(
        _ names: Set<ServiceIndex.Name>, of id: Table.ID, _ snapshot: Snapshot, _ kernel: inout Tables
    ) throws -> [NFTables.Change] {
        guard var table = tables[id] else { return [] }
        // One copy, changed in place.
        tables[id] = nil
        let services = Dictionary(uniqueKeysWithValues: names.map { ($0, snapshot.services.ports(of: $0)) })
        local.set(services, node: table.facts.node)
        let update = table.set(services)
        tables[id] = table
        guard said.contains(id), !table.isEmpty else {
            // The first service, or the last one: the table itself comes or goes.
            let changes = try say(table, from: try kernel.observe(id), &kernel)
            end(update.flows)
            return changes
        }
        if !update.changes.isEmpty {
            doubtful.insert(id)
            try kernel.apply(update.changes)
            doubtful.remove(id)
        }
        end(update.flows)
        return update.changes
    }

    private mutating func say<Tables: NFTablesEnd>(
        _ table: ServiceTable, from observed: ObservedTable?, _ kernel: inout Tables
    ) throws -> [NFTables.Change] {
        let id = table.id
        let isWanted = !table.isEmpty
        let changes = difference(from: observed, to: isWanted ? table.table : nil)
        if !changes.isEmpty {
            doubtful.insert(id)
            try kernel.apply(changes)
        }
        doubtful.remove(id)
        if isWanted { said.insert(id) } else { said.remove(id) }
        return changes
    }

    /// Connections are a cache of what was decided: what cannot be ended now runs out by itself.
    private func end(_ flows: Set<ServiceFlow>) {
        guard !flows.isEmpty else { return }
        try? connections?.end(flows)
    }
}
