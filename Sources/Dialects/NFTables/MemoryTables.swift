/// Tables in memory that refuse what the kernel refuses, for tests of those who write tables.
public struct MemoryTables: NFTablesEnd, Sendable {
    private var tables: [Table.ID: ObservedTable] = [:]
    private var count: UInt32 = 1
    private var lastHandle: UInt64 = 0

    public init() {}

    /// Why a transaction was refused.
    public struct Refusal: Error, Hashable, Sendable {
        public enum Code: Hashable, Sendable {
            /// `ENOENT`
            case noSuchObject
            /// `EEXIST`
            case exists
            /// `EBUSY`
            case busy
        }
        public var code: Code
        public var change: String
    }

    public func observe(_ table: Table.ID) throws(Refusal) -> ObservedTable? { tables[table] }

    public func generation() throws(Refusal) -> UInt32 { count }

    public mutating func apply(_ changes: [Change]) throws(Refusal) {
        guard !changes.isEmpty else { return }
        var copy = self
        for change in changes {
            do throws(Problem) { try copy.carryOut(change) } catch {
                throw Refusal(code: error.code, change: change.description)
            }
        }
        copy.count += 1
        self = copy
    }

    private struct Problem: Error {
        var code: Refusal.Code
        init(_ code: Refusal.Code) { self.code = code }
    }

    private mutating func carryOut(_ change: Change) throws(Problem) {
        switch change {
        case .addTable(let id):
            if tables[id] == nil { tables[id] = ObservedTable(Table(id.family, id.name), handles: [:]) }
        case .deleteTable(let id):
            guard tables.removeValue(forKey: id) != nil else { throw Problem(.noSuchObject) }
        case .addChain(let id, let name, let base):
            try edit(id) { found throws(Problem) in
                guard found.table.chains[name] == nil else { throw Problem(.exists) }
                found.table.chains[name] = Chain(name, base)
                found.handles[name] = []
            }
        case .addSet(let id, let shape):
            try edit(id) { found throws(Problem) in
                guard found.table.sets[shape.name] == nil else { throw Problem(.exists) }
                found.table.sets[shape.name] = NamedSet(shape)
            }
        case .deleteChain(let id, let name):
            try edit(id) { found throws(Problem) in
                guard found.table.chains[name] != nil else { throw Problem(.noSuchObject) }
                guard !found.table.refers(toChain: name, outside: name) else { throw Problem(.busy) }
                found.table.chains[name] = nil
                found.handles[name] = nil
            }
        case .deleteSet(let id, let name):
            try edit(id) { found throws(Problem) in
                guard found.table.sets[name] != nil else { throw Problem(.noSuchObject) }
                guard !found.table.refers(toSet: name) else { throw Problem(.busy) }
                found.table.sets[name] = nil
            }
        case .addElements(let id, let shape, let elements):
            try editSet(id, shape) { set, table throws(Problem) in
                for element in elements {
                    if case .verdict(let verdict) = element.content.data, let chain = verdict.chain, table.chains[chain] == nil {
                        throw Problem(.noSuchObject)
                    }
                    guard set.elements.updateValue(element.content, forKey: element.key) == nil else { throw Problem(.exists) }
                }
            }
        case .deleteElements(let id, let shape, let elements):
            try editSet(id, shape) { set, _ throws(Problem) in
                for element in elements where set.elements.removeValue(forKey: element.key) == nil {
                    throw Problem(.noSuchObject)
                }
            }
        case .addRule(let id, let chain, let rule, let before):
            lastHandle += 1
            let handle = lastHandle
            try edit(id) { found throws(Problem) in
                guard let rules = found.table.chains[chain]?.rules, found.table.knowsNames(in: rule) else {
                    throw Problem(.noSuchObject)
                }
                var position = rules.count
                if let before {
                    guard let index = found.handles[chain]?.firstIndex(of: before) else { throw Problem(.noSuchObject) }
                    position = index
                }
                found.table.chains[chain]?.rules.insert(rule, at: position)
                found.handles[chain]?.insert(handle, at: position)
            }
        case .deleteRule(let id, let chain, let handle):
            try edit(id) { found throws(Problem) in
                guard let index = found.handles[chain]?.firstIndex(of: handle) else { throw Problem(.noSuchObject) }
                found.table.chains[chain]?.rules.remove(at: index)
                found.handles[chain]?.remove(at: index)
            }
        case .flushChain(let id, let chain):
            try edit(id) { found throws(Problem) in
                guard found.table.chains[chain] != nil else { throw Problem(.noSuchObject) }
                found.table.chains[chain]?.rules = []
                found.handles[chain] = []
            }
        }
    }

    private mutating func edit(_ id: Table.ID, _ body: (inout ObservedTable) throws(Problem) -> Void) throws(Problem) {
        guard var table = tables[id] else { throw Problem(.noSuchObject) }
        try body(&table)
        tables[id] = table
    }

    private mutating func editSet(
        _ id: Table.ID, _ shape: NamedSet.Shape, _ body: (inout NamedSet, Table) throws(Problem) -> Void
    ) throws(Problem) {
        try edit(id) { found throws(Problem) in
            guard var set = found.table.sets[shape.name] else { throw Problem(.noSuchObject) }
            try body(&set, found.table)
            found.table.sets[shape.name] = set
        }
    }
}

extension Table {
    /// Whether a rule of another chain or a map's element goes to this chain.
    fileprivate func refers(toChain name: String, outside own: String) -> Bool {
        let byRule = chains.values.contains { chain in
            chain.name != own
                && chain.rules.contains { rule in
                    rule.expressions.contains { if case .verdict(let verdict) = $0 { verdict.chain == name } else { false } }
                }
        }
        let byElement = sets.values.contains { set in
            set.shape.data == .verdict
                && set.elements.values.contains {
                    if case .verdict(let verdict) = $0.data { verdict.chain == name } else { false }
                }
        }
        return byRule || byElement
    }

    fileprivate func refers(toSet name: String) -> Bool {
        chains.values.contains { $0.rules.contains { $0.expressions.contains { $0.set == name } } }
    }

    fileprivate func knowsNames(in rule: Rule) -> Bool {
        rule.expressions.allSatisfy { expression in
            if case .verdict(let verdict) = expression, let chain = verdict.chain { return chains[chain] != nil }
            return expression.set.map { sets[$0] != nil } ?? true
        }
    }
}

extension Expression {
    /// The set it looks into.
    var set: String? {
        switch self {
        case .lookup(let set, _, _, _), .update(let set, _, _, _): set
        default: nil
        }
    }
}
