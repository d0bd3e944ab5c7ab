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
            /// `ENFILE`: the set holds as many elements as it may.
            case full
            /// `EOPNOTSUPP`: packets enter a base chain by its hook alone.
            case notSupported
            /// `EMLINK`: jumps from a base chain go round, or deeper than sixteen.
            case tooManyLinks
        }
        public var code: Code
        public var change: String
    }

    public func observe(_ table: Table.ID) throws(Refusal) -> ObservedTable? { tables[table] }

    public func generation() throws(Refusal) -> UInt32 { count }

    public mutating func apply(_ changes: [Change]) throws(Refusal) {
        let changes = changes.filter { !$0.isVoid }
        guard !changes.isEmpty else { return }
        var copy = self
        for change in changes {
            do throws(Problem) { try copy.carryOut(change) } catch {
                throw Refusal(code: error.code, change: change.description)
            }
        }
        // As the kernel: at the end of the transaction, and only for what packets can reach.
        if let last = changes.last, copy.tables.values.contains(where: \.table.jumpsTooDeep) {
            throw Refusal(code: .tooManyLinks, change: last.description)
        }
        copy.count += 1
        self = copy
    }

    fileprivate struct Problem: Error {
        var code: Refusal.Code
        init(_ code: Refusal.Code) { self.code = code }
    }

    private mutating func carryOut(_ change: Change) throws(Problem) {
        switch change {
        case .addTable(let id):
            if tables[id] == nil { tables[id] = ObservedTable(Table(id.family, id.name), handles: [:]) }
        case .addOwnedTable(let id):
            guard tables[id] == nil else { throw Problem(.exists) }
            tables[id] = ObservedTable(Table(id.family, id.name, isOwned: true), handles: [:])
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
                guard !found.table.refers(toChain: name) else { throw Problem(.busy) }
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
                    if case .verdict(let verdict) = element.content.data { try table.check(verdict) }
                    guard !set.collides(with: element) else { throw Problem(.exists) }
                    set.elements[element.key] = element.content
                    if let limit = set.shape.limit, set.elements.count > limit { throw Problem(.full) }
                }
            }
        case .deleteElements(let id, let shape, let elements):
            try editSet(id, shape) { set, _ throws(Problem) in
                for element in elements {
                    guard let key = set.found(element) else { throw Problem(.noSuchObject) }
                    set.elements[key] = nil
                }
            }
        case .addRule(let id, let chain, let rule, let before):
            lastHandle += 1
            let handle = lastHandle
            try edit(id) { found throws(Problem) in
                guard let rules = found.table.chains[chain]?.rules else { throw Problem(.noSuchObject) }
                try found.table.check(rule)
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
    /// Whether a rule, be it the chain's own, or a map's element goes to this chain.
    fileprivate func refers(toChain name: String) -> Bool {
        let byRule = chains.values.contains { chain in
            chain.rules.contains { rule in
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

    /// `NFT_JUMP_STACK_SIZE` is 16; `goto` counts as `jump` does.
    fileprivate var jumpsTooDeep: Bool {
        var depths: [String: Int] = [:]
        let names = chains.values.filter { $0.base != nil }.map(\.name)
        return names.contains { depth(of: $0, above: [], &depths) >= 16 }
    }

    /// The most jumps one behind the other from this chain; a circle has no end.
    private func depth(of name: String, above: Set<String>, _ known: inout [String: Int]) -> Int {
        if above.contains(name) { return 16 }
        if let depth = known[name] { return depth }
        var depth = 0
        for next in targets(of: name) { depth = max(depth, 1 + self.depth(of: next, above: above.union([name]), &known)) }
        known[name] = depth
        return depth
    }

    private func targets(of name: String) -> Set<String> {
        var targets: Set<String> = []
        for expression in chains[name]?.rules.flatMap(\.expressions) ?? [] {
            switch expression {
            case .verdict(let verdict): targets.formUnion(verdict.chain.map { [$0] } ?? [])
            case .lookup(let set, _, .verdict, _):
                for content in sets[set]?.elements.values ?? [:].values {
                    if case .verdict(let verdict) = content.data, let chain = verdict.chain { targets.insert(chain) }
                }
            default: break
            }
        }
        return targets
    }

    /// What a rule names has to be there.
    fileprivate func check(_ rule: Rule) throws(MemoryTables.Problem) {
        for expression in rule.expressions {
            if case .verdict(let verdict) = expression { try check(verdict) }
            if let set = expression.set, sets[set] == nil { throw MemoryTables.Problem(.noSuchObject) }
        }
    }

    fileprivate func check(_ verdict: Verdict) throws(MemoryTables.Problem) {
        guard let name = verdict.chain else { return }
        guard let chain = chains[name] else { throw MemoryTables.Problem(.noSuchObject) }
        if chain.base != nil { throw MemoryTables.Problem(.notSupported) }
    }
}

extension NamedSet {
    /// Whether an element cannot stand beside those that are there.
    ///
    /// Of concatenated ranges the kernel looks only whether the first or the last key is in another (`nft_pipapo_insert`).
    fileprivate func collides(with element: Change.Element) -> Bool {
        if elements[element.key] != nil { return true }
        guard shape.isInterval else { return false }
        let last = element.content.last ?? element.key
        guard shape.key.count > 1 else {
            return elements.contains { $0.key <= last && element.key <= $0.value.last ?? $0.key }
        }
        return elements.contains { holds($0, element.key) || holds($0, last) }
    }

    /// The key of the element that the kernel deletes when asked to delete this one.
    ///
    /// Of concatenated ranges it takes any that holds the key (`nft_pipapo_deactivate`).
    fileprivate func found(_ element: Change.Element) -> Value? {
        let isConcatenatedRange = shape.isInterval && shape.key.count > 1
        if let known = elements[element.key] {
            return isConcatenatedRange || known.last == element.content.last ? element.key : nil
        }
        return isConcatenatedRange ? elements.first { holds($0, element.key) }?.key : nil
    }

    private func holds(_ range: (key: Value, value: Content), _ key: Value) -> Bool {
        guard let low = range.key.split(shape.key), let high = (range.value.last ?? range.key).split(shape.key),
            let fields = key.split(shape.key)
        else { return false }
        return fields.indices.allSatisfy { Value(low[$0]) <= Value(fields[$0]) && Value(fields[$0]) <= Value(high[$0]) }
    }
}

extension Expression {
    /// The set it looks into.
    var set: String? {
        switch self {
        case .lookup(let set, _, _, _), .update(let set, _, _, _), .forget(let set, _, _): set
        default: nil
        }
    }
}
