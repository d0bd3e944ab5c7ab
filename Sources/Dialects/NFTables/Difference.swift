import Reconcile

/// The transaction that turns what was found into what should be, in an order the kernel accepts; empty when they agree.
///
/// - Parameters:
///   - observed: the table as found, or `nil` when there is none.
///   - desired: the table as it should be, or `nil` when there should be none.
///
/// Elements and rules are changed one by one. A chain that should hook elsewhere or a set of another shape cannot be changed in
/// place, because rules hold on to them: then the whole table is replaced, in the same transaction, so no packet sees it missing.
public func difference(from observed: ObservedTable?, to desired: Table?) -> [Change] {
    switch (observed, desired) {
    case (nil, nil): return []
    case (let observed?, nil): return [.deleteTable(observed.table.id)]
    case (nil, let desired?): return creation(of: desired)
    case (let observed?, let desired?):
        guard canChangeInPlace(observed.table, desired) else {
            return [.deleteTable(observed.table.id)] + creation(of: desired)
        }
        return changes(from: observed, to: desired)
    }
}

private func canChangeInPlace(_ old: Table, _ new: Table) -> Bool {
    old.isOwned == new.isOwned
        && old.chains.allSatisfy { name, chain in new.chains[name].map { $0.base == chain.base } ?? true }
        && old.sets.allSatisfy { name, set in new.sets[name].map { $0.shape == set.shape } ?? true }
}

private func creation(of table: Table) -> [Change] {
    let empty = ObservedTable(Table(table.id.family, table.id.name), handles: [:])
    return [table.isOwned ? .addOwnedTable(table.id) : .addTable(table.id)] + changes(from: empty, to: table)
}

private func changes(from observed: ObservedTable, to desired: Table) -> [Change] {
    let id = desired.id
    let old = observed.table
    let chains = KeyedDifference(from: old.chains, to: desired.chains).sorted()
    let sets = KeyedDifference(from: old.sets, to: desired.sets).sorted()
    var steps: [Change] = []
    // What is pointed at comes before what points: sets and chains, then elements and rules; removal the other way round.
    steps += sets.added.map { .addSet(id, $0.value.shape) }
    steps += chains.added.map { .addChain(id, $0.key, $0.value.base) }
    steps += chains.removed.map { .flushChain(id, $0.key) }
    // Rules before elements: a rule that starts to use a map makes the kernel walk all elements that are in it already
    // (`nf_tables_bind_set`); 256 rules over 250,000 elements took 12 s that way.
    for chain in chains.added { steps += ruleChanges(id, from: [], handles: [], to: chain.value) }
    for chain in chains.changed {
        steps += ruleChanges(id, from: chain.old.rules, handles: observed.handles[chain.key] ?? [], to: chain.new)
    }
    for set in sets.changed { steps += elementChanges(id, from: set.old, to: set.new) }
    for set in sets.added { steps += elementChanges(id, from: NamedSet(set.value.shape), to: set.value) }
    // A set that goes and whose verdicts name chains that go: its elements first.
    steps += sets.removed.map { .deleteSet(id, $0.key) }
    steps += chains.removed.map { .deleteChain(id, $0.key) }
    return steps
}

/// What turns the elements of a set into others.
///
/// - Returns: at most two steps: deletions, then additions. An element with another content is deleted and added.
public func elementChanges(_ table: Table.ID, from old: NamedSet, to new: NamedSet) -> [Change] {
    guard !new.shape.isDynamic else { return [] }
    // A whole table at once: nothing to compare.
    guard !old.elements.isEmpty else {
        return new.elements.isEmpty
            ? [] : [.addElements(table, new.shape, new.elements.map { Change.Element($0.key, $0.value) })]
    }
    let difference = KeyedDifference(from: old.elements, to: new.elements)
    let deleted =
        difference.removed.map { Change.Element($0.key, $0.value) } + difference.changed.map { Change.Element($0.key, $0.old) }
    let added =
        difference.changed.map { Change.Element($0.key, $0.new) } + difference.added.map { Change.Element($0.key, $0.value) }
    return (deleted.isEmpty ? [] : [.deleteElements(table, new.shape, deleted)])
        + (added.isEmpty ? [] : [.addElements(table, new.shape, added)])
}

/// Keeps the rules that the old and the new list share at their beginning and end; replaces what is between.
private func ruleChanges(_ table: Table.ID, from old: [Rule], handles: [UInt64], to chain: Chain) -> [Change] {
    let new = chain.rules
    guard old != new else { return [] }
    precondition(handles.count == old.count, "a rule without its handle")
    let prefix = zip(old, new).prefix { $0 == $1 }.count
    let suffix = zip(old.dropFirst(prefix).reversed(), new.dropFirst(prefix).reversed()).prefix { $0 == $1 }.count
    let before = suffix > 0 ? handles[old.count - suffix] : nil
    let deletions = handles[prefix..<old.count - suffix].map { Change.deleteRule(table, chain: chain.name, handle: $0) }
    let additions = new[prefix..<new.count - suffix].map { Change.addRule(table, chain: chain.name, $0, before: before) }
    return deletions + additions
}
