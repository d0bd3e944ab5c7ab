/// One step of a transaction. All steps of a transaction hold together or not at all.
public enum Change: Hashable, Sendable {
    case addTable(Table.ID)
    /// One that goes with the socket it is made by (``Table/isOwned``). Refused when there is one of that name.
    case addOwnedTable(Table.ID)
    /// With everything in it.
    case deleteTable(Table.ID)
    case addChain(Table.ID, String, Chain.Base?)
    /// Its rules go with it; nothing may jump to it any more.
    case deleteChain(Table.ID, String)
    case addSet(Table.ID, NamedSet.Shape)
    /// Its elements go with it; no rule may use it any more.
    case deleteSet(Table.ID, String)
    /// Refused when a key is there already. Without elements nothing is done.
    case addElements(Table.ID, NamedSet.Shape, [Element])
    /// Refused when a key is not there.
    case deleteElements(Table.ID, NamedSet.Shape, [Element])
    /// Before the rule with this handle, or behind the last one.
    case addRule(Table.ID, chain: String, Rule, before: UInt64?)
    case deleteRule(Table.ID, chain: String, handle: UInt64)
    /// Deletes all rules of a chain.
    case flushChain(Table.ID, String)

    /// A key and what it holds.
    public struct Element: Hashable, Sendable {
        public var key: Value
        public var content: NamedSet.Content

        public init(_ key: Value, _ content: NamedSet.Content = NamedSet.Content()) {
            self.key = key
            self.content = content
        }
    }
}

extension Change {
    /// Whether there is nothing to do: a list of elements without an element.
    public var isVoid: Bool {
        switch self {
        case .addElements(_, _, let elements), .deleteElements(_, _, let elements): elements.isEmpty
        default: false
        }
    }
}

extension Change: CustomStringConvertible {
    /// What it does, on which object, in words for errors and logs.
    public var description: String {
        switch self {
        case .addTable(let table): "add table \(table)"
        case .addOwnedTable(let table): "add owned table \(table)"
        case .deleteTable(let table): "delete table \(table)"
        case .addChain(let table, let chain, _): "add chain \(table) \(chain)"
        case .deleteChain(let table, let chain): "delete chain \(table) \(chain)"
        case .addSet(let table, let shape): "add \(shape.data == .none ? "set" : "map") \(table) \(shape.name)"
        case .deleteSet(let table, let name): "delete set \(table) \(name)"
        case .addElements(let table, let shape, let elements): "add \(elements.count) elements to \(table) \(shape.name)"
        case .deleteElements(let table, let shape, let elements): "delete \(elements.count) elements of \(table) \(shape.name)"
        case .addRule(let table, let chain, _, _): "add rule to \(table) \(chain)"
        case .deleteRule(let table, let chain, let handle): "delete rule \(handle) of \(table) \(chain)"
        case .flushChain(let table, let chain): "delete all rules of \(table) \(chain)"
        }
    }
}

/// A table as it was found: with the numbers by which the kernel knows its rules.
public struct ObservedTable: Hashable, Sendable {
    public var table: Table
    /// Per chain, the handle of each rule, in the order of the rules.
    public var handles: [String: [UInt64]]

    public init(_ table: Table, handles: [String: [UInt64]]) {
        self.table = table
        self.handles = handles
    }
}
