public import Addressing
public import Cluster
import KubeAPI
public import NFTables

/// The table of policies of one family, as a small memory of what it holds: from it the whole table can be made, and a change
/// becomes a handful of changes to elements.
///
/// ```
/// forward   what belongs to a connection, or is about one                     → accept
///           a pod that reached itself                                         → accept
///           of TCP, and opens no connection, from or to an isolated pod       → drop
///           saddr → senders → class → sender-classes                          → jump out-…: no is drop, yes comes back
///           daddr → receivers → class → receiver-classes                      → goto in-…:  no is drop, yes is accept
/// ```
/// Per isolated pod and family the kernel holds seven elements; per selector in use one element for each pod that is meant, on every
/// node where it is in use; chains only for different sets of policies, whatever number of pods they isolate. A packet of a connection
/// that was allowed costs one rule; a new one costs what its pod's own rules at its port cost, and nothing for other pods'.
///
/// Why nothing is in the hooks input and output: traffic between a pod and its own node is always allowed, and nothing else of a
/// pod's passes there. Translation by services is before, masquerading behind: a packet is judged with the endpoint's address and the
/// client's own.
public struct PolicyTable: Sendable {
    public let family: IPFamily
    private var pods: [IPAddress: Entry] = [:]
    private var classes: [PolicyClass.ID: Held] = [:]
    /// How many classes use a set.
    private var sets: [PolicySet: Int] = [:]

    private struct Entry: Hashable {
        var ingress: PolicyClass.ID?
        var egress: PolicyClass.ID?

        var ids: [PolicyClass.ID] { [ingress, egress].compactMap(\.self) }
    }

    private struct Held: Hashable {
        var definition: PolicyClass
        var uses = 0
    }

    public init(_ family: IPFamily) { self.family = family }

    /// With everything that the index knows.
    public init(_ family: IPFamily, _ index: PolicyIndex) {
        self.init(family)
        var plan = Step()
        for address in index.subjects.keys { judge(address, index, &plan) }
    }

    public var id: Table.ID { Table.ID(family == .v4 ? .ip : .ip6, PacketPath.policyTable) }

    /// Without an isolated pod of the family there is no table.
    public var isWanted: Bool { !pods.isEmpty }

    /// The addresses that are isolated.
    public var addresses: Set<IPAddress> { Set(pods.keys) }
}

// MARK: - The whole

extension PolicyTable {
    /// The table with everything in it; `nil` when there is to be none.
    public func table(_ index: PolicyIndex) -> Table? {
        guard isWanted else { return nil }
        var contents: [PolicySet: [Value: NamedSet.Content]] = [:]
        for (address, entry) in pods {
            for element in elements(address, entry) { contents[element.set, default: [:]][element.key] = element.content }
        }
        var table = Table(id.family, id.name, chains: standing)
        for held in classes.values {
            let (chains, ports) = held.definition.rendered(family)
            for chain in chains { table.chains[chain.name] = chain }
            if let ports { table.sets[ports.name] = ports }
            let element = Self.element(of: held.definition)
            contents[held.definition.id.classes, default: [:]][element.key] = element.content
        }
        for set in PolicySet.standing { table.sets[set.name] = NamedSet(set.shape(family), contents[set] ?? [:]) }
        for set in sets.keys { table.sets[set.name] = NamedSet(set.shape(family), set.elements(family, index)) }
        return table
    }

    private var standing: [Chain] {
        let table = id.family
        let known = ConntrackState([.established, .related]).rawValue
        let late = "belongs to no connection"
        func dispatch(_ field: Field, _ map: PolicySet, _ classes: PolicySet) -> Rule {
            Rule(table, .chainedVerdict(of: [field], through: map.name, map: classes.name))
        }
        return [
            Chain(
                "forward", .init(.filter, .forward, priority: PacketPath.policyFilter),
                rules: [
                    Rule(table, .anyBit(.conntrackState, of: known), .decide(.accept)),
                    Rule(
                        table, .isIn([.sourceAddress, .destinationAddress], set: PolicySet.selves.name), .decide(.accept),
                        comment: "a pod that reached itself"),
                    Rule(
                        table, .isWithinConnection, .isIn([.sourceAddress], set: PolicySet.isolated.name), .decide(.drop),
                        comment: late),
                    Rule(
                        table, .isWithinConnection, .isIn([.destinationAddress], set: PolicySet.isolated.name), .decide(.drop),
                        comment: late),
                    dispatch(.sourceAddress, .senders, .senderClasses),
                    dispatch(.destinationAddress, .receivers, .receiverClasses),
                ])
        ]
    }

    private func elements(_ address: IPAddress, _ entry: Entry) -> [PolicyElement] {
        let key = Value(.address(address))
        return entry.ids.flatMap {
            [PolicyElement(set: $0.set, key: key, content: $0.content), PolicyElement(set: $0.refused, key: key)]
        } + [
            PolicyElement(set: .isolated, key: key),
            PolicyElement(set: .selves, key: Value(.address(address), .address(address))),
        ]
    }

    private static func element(of definition: PolicyClass) -> Change.Element {
        Change.Element(Value(.mark(definition.id.number)), NamedSet.Content(.verdict(definition.id.verdict)))
    }
}

private struct PolicyElement: Hashable {
    var set: PolicySet
    var key: Value
    var content = NamedSet.Content()
}

// MARK: - Changes

extension PolicyTable {
    /// What a change was before.
    private struct Step {
        var pods: [IPAddress: Entry?] = [:]
        var classes: [PolicyClass.ID: PolicyClass?] = [:]
        var sets: [PolicySet: Bool] = [:]
    }

    /// Takes these changes in.
    ///
    /// - Parameter index: with the changes.
    /// - Returns: what it takes, in an order the kernel accepts, to be carried out in one transaction.
    public mutating func update(_ changes: PolicyIndex.Changes, _ index: PolicyIndex) -> [NFTables.Change] {
        let wasWanted = isWanted
        var step = Step()
        for address in changes.subjects { judge(address, index, &step) }
        guard wasWanted, isWanted else {
            guard wasWanted || isWanted else { return [] }
            return wasWanted ? [.deleteTable(id)] : difference(from: nil, to: table(index))
        }
        return makings(step, index) + moves(step) + edits(changes, step) + removals(step)
    }

    private mutating func judge(_ address: IPAddress, _ index: PolicyIndex, _ step: inout Step) {
        guard address.family == family else { return }
        let old = pods[address]
        var new: Entry?
        if let subject = index.subjects[address] {
            new = Entry(
                ingress: take(.ingress, subject, subject.ingress, index, &step),
                egress: take(.egress, subject, subject.egress, index, &step))
        }
        if step.pods[address] == nil { step.pods[address] = .some(old) }
        pods[address] = new
        for id in old?.ids ?? [] { release(id, &step) }
    }

    private mutating func take(
        _ direction: NetworkPolicy.Direction, _ subject: PolicyIndex.Subject, _ policies: [ObjectKey], _ index: PolicyIndex,
        _ step: inout Step
    ) -> PolicyClass.ID? {
        guard subject.isClosed || !policies.isEmpty else { return nil }
        let definition: PolicyClass
        if subject.isClosed {
            definition = .closed(direction)
        } else {
            let openings = policies.compactMap(index.policy).flatMap { PolicyOpening.all($0, direction, family) }
            definition = PolicyClass(direction, openings) { id in classes[id].map { $0.definition.openings != openings } ?? false
            }
        }
        let id = definition.id
        if classes[id] == nil {
            if step.classes[id] == nil { step.classes[id] = .some(nil) }
            classes[id] = Held(definition: definition)
            for set in definition.sets {
                if step.sets[set] == nil { step.sets[set] = sets[set] != nil }
                sets[set, default: 0] += 1
            }
        }
        classes[id]?.uses += 1
        return id
    }

    private mutating func release(_ id: PolicyClass.ID, _ step: inout Step) {
        classes[id]?.uses -= 1
        guard let held = classes[id], held.uses == 0 else { return }
        if step.classes[id] == nil { step.classes[id] = .some(held.definition) }
        classes[id] = nil
        for set in held.definition.sets {
            if step.sets[set] == nil { step.sets[set] = true }
            let uses = (sets[set] ?? 0) - 1
            sets[set] = uses == 0 ? nil : uses
        }
    }

    private func makings(_ step: Step, _ index: PolicyIndex) -> [NFTables.Change] {
        let made = step.classes.filter { $0.value == nil }.keys.compactMap { classes[$0]?.definition }
            .sorted { $0.id.chain < $1.id.chain }
        let new = step.sets.filter { !$0.value && sets[$0.key] != nil }.keys.sorted { $0.name < $1.name }
        let parts = made.map { (definition: $0, content: $0.rendered(family)) }
        var changes = new.map { NFTables.Change.addSet(id, $0.shape(family)) }
        for part in parts {
            if let ports = part.content.ports { changes.append(.addSet(id, ports.shape)) }
            for chain in part.content.chains { changes.append(.addChain(id, chain.name, nil)) }
        }
        for part in parts {
            for chain in part.content.chains {
                changes += chain.rules.map { .addRule(id, chain: chain.name, $0, before: nil) }
            }
        }
        for set in new { changes.append(.addElements(id, set.shape(family), Self.sorted(set.elements(family, index)))) }
        for part in parts {
            if let ports = part.content.ports { changes.append(.addElements(id, ports.shape, Self.sorted(ports.elements))) }
            let classes = part.definition.id.classes.shape(family)
            changes.append(.addElements(id, classes, [Self.element(of: part.definition)]))
        }
        return changes
    }

    private static func sorted(_ elements: [Value: NamedSet.Content]) -> [Change.Element] {
        elements.map { Change.Element($0.key, $0.value) }.sorted { $0.key < $1.key }
    }

    /// This node's pods.
    private func moves(_ step: Step) -> [NFTables.Change] {
        var (gone, come): ([PolicySet: [Change.Element]], [PolicySet: [Change.Element]]) = ([:], [:])
        for (address, before) in step.pods.sorted(by: { $0.key < $1.key }) where before != pods[address] {
            let old = before.map { elements(address, $0) } ?? []
            let new = pods[address].map { elements(address, $0) } ?? []
            for element in old where !new.contains(element) {
                gone[element.set, default: []].append(Change.Element(element.key, element.content))
            }
            for element in new where !old.contains(element) {
                come[element.set, default: []].append(Change.Element(element.key, element.content))
            }
        }
        return PolicySet.standing.compactMap { set in gone[set].map { .deleteElements(id, set.shape(family), $0) } }
            + PolicySet.standing.compactMap { set in come[set].map { .addElements(id, set.shape(family), $0) } }
    }

    /// Who is meant by rules that were there before.
    private func edits(_ changes: PolicyIndex.Changes, _ step: Step) -> [NFTables.Change] {
        func isOld(_ set: PolicySet) -> Bool { sets[set] != nil && step.sets[set] != false }
        var edits: [NFTables.Change] = []
        for (peer, edit) in changes.peers where isOld(.members(peer)) {
            let shape = PolicySet.members(peer).shape(family)
            func elements(_ addresses: [IPAddress]) -> [Change.Element] {
                addresses.filter { $0.family == family }.sorted().map { Change.Element(Value(.address($0))) }
            }
            edits += [.deleteElements(id, shape, elements(edit.removed)), .addElements(id, shape, elements(edit.added))]
        }
        for (port, edit) in changes.ports where isOld(.named(port)) {
            let shape = PolicySet.named(port).shape(family)
            func elements(_ places: [SocketAddress]) -> [Change.Element] {
                places.filter { $0.address.family == family }.sorted().map {
                    Change.Element(Value(.address($0.address), .port($0.port)))
                }
            }
            edits += [.deleteElements(id, shape, elements(edit.removed)), .addElements(id, shape, elements(edit.added))]
        }
        return edits.filter { !$0.isVoid }
    }

    private func removals(_ step: Step) -> [NFTables.Change] {
        let gone = step.classes.compactMap { id, before in before.flatMap { classes[id] == nil ? $0 : nil } }
            .sorted { $0.id.chain < $1.id.chain }
        let parts = gone.map { (definition: $0, content: $0.rendered(family)) }
        var changes: [NFTables.Change] = gone.map {
            .deleteElements(id, $0.id.classes.shape(family), [Self.element(of: $0)])
        }
        for part in parts { for chain in part.content.chains.reversed() { changes.append(.flushChain(id, chain.name)) } }
        for part in parts {
            if let ports = part.content.ports { changes.append(.deleteSet(id, ports.name)) }
            for chain in part.content.chains.reversed() { changes.append(.deleteChain(id, chain.name)) }
        }
        let unused = step.sets.filter { $0.value && sets[$0.key] == nil }.keys.sorted { $0.name < $1.name }
        return changes + unused.map { .deleteSet(id, $0.name) }
    }
}
