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
/// input     only where a policy of the cluster may refuse a pod its own node:
///           what belongs to a connection, neighbour discovery, names          → accept
///           of TCP, and opens no connection, from a guarded pod               → drop
///           saddr → node-senders → class → node-classes                       → goto node-…: no is drop, yes is accept
/// output    of TCP, and opens no connection, to a guarded pod                 → drop
/// ```
/// Per isolated pod and family the kernel holds seven elements; per selector in use one element for each pod that is meant, on every
/// node where it is in use; chains only for different sets of policies, whatever number of pods they isolate. A packet of a connection
/// that was allowed costs one rule; a new one costs what its pod's own rules at its port cost, and nothing for other pods'.
///
/// Why nothing else is in the hooks input and output: a node always reaches its own pods, network policies have no say in what a
/// pod asks of its own node, and nothing else of a pod's passes there. Translation by services is before, masquerading behind: a packet is judged with the endpoint's address and the
/// client's own.
public struct PolicyTable: Sendable {
    public let family: IPFamily
    public let log: PolicyLog
    private var pods: [IPAddress: Entry] = [:]
    private var classes: [PolicyClass.ID: Held] = [:]
    /// How many classes are about what is sent to this node itself.
    private var guards = 0
    /// How many classes log something.
    private var loggers = 0
    /// How many classes use a set.
    private var sets: [PolicySet: Int] = [:]

    private struct Entry: Hashable {
        var ids: [PolicyClass.ID] = []
        /// Something is in force, and not only tried out.
        var isIsolated = false
    }

    private struct Held: Hashable {
        var definition: PolicyClass
        var uses = 0
    }

    /// - Parameter log: which new connections are logged, where neither a policy nor its namespace says.
    public init(_ family: IPFamily, log: PolicyLog = .none) { (self.family, self.log) = (family, log) }

    /// With everything that the index knows.
    public init(_ family: IPFamily, _ index: PolicyIndex, log: PolicyLog = .none) {
        self.init(family, log: log)
        var plan = Step()
        for address in index.subjects.keys { judge(address, index, &plan) }
    }

    public var id: Table.ID { Table.ID(family == .v4 ? .ip : .ip6, PacketPath.policyTable) }

    /// Without an isolated pod of the family there is no table.
    public var isWanted: Bool { !pods.isEmpty }

    private var isGuarding: Bool { guards > 0 }

    /// Whether there is a rule that logs.
    public var isLogging: Bool { loggers > 0 }

    /// Whose each rule is, by chain and in the rules' order; `nil` for those that only lead on. Costs a look at all classes.
    public var tallies: [String: [PolicyTally?]] {
        classes.values.reduce(into: [:]) { tallies, held in tallies.merge(held.definition.tallies(family)) { $1 } }
    }

    /// The addresses that policies speak of.
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
        var table = Table(id.family, id.name, chains: isGuarding ? standing + guarding : standing)
        for held in classes.values {
            let (chains, ports) = held.definition.rendered(family)
            for chain in chains { table.chains[chain.name] = chain }
            for map in ports { table.sets[map.name] = map }
            let element = Self.element(of: held.definition)
            contents[held.definition.id.classes, default: [:]][element.key] = element.content
        }
        for set in isGuarding ? PolicySet.standing + PolicySet.guarding : PolicySet.standing {
            table.sets[set.name] = NamedSet(set.shape(family), contents[set] ?? [:])
        }
        for set in sets.keys { table.sets[set.name] = NamedSet(set.shape(family), set.elements(family, index)) }
        return table
    }

    private static let late = "belongs to no connection"

    private func dispatch(_ field: Field, _ map: PolicySet, _ classes: PolicySet) -> NFTables.Rule {
        Rule(id.family, .chainedVerdict(of: [field], through: map.name, map: classes.name))
    }

    /// Where TCP goes that asks for no connection: what asks for one is not looked up twice.
    private var lateChain: Chain {
        Chain(
            "late",
            rules: [Field.sourceAddress, .destinationAddress].map {
                Rule(id.family, .isIn([$0], set: PolicySet.isolated.name), .decide(.drop), comment: Self.late)
            })
    }

    private func lateRule(_ field: Field, _ set: PolicySet) -> NFTables.Rule {
        Rule(id.family, .isWithinConnection, .isIn([field], set: set.name), .decide(.drop), comment: Self.late)
    }

    /// Whatever belongs to what was allowed. A packet of TCP that asks for a connection is judged each time: one that ended a moment
    /// ago, or that is still to be cut, may have had its addresses and ports.
    private var knownRules: [NFTables.Rule] {
        let isKnown = Statement.anyBit(.conntrackState, of: ConntrackState([.established, .related]).rawValue)
        return [
            Rule(id.family, .isWithinConnection, isKnown, .decide(.accept)),
            Rule(id.family, .match(.transportProtocol, .notEqual, .transport(.tcp)), isKnown, .decide(.accept)),
        ]
    }

    private var standing: [Chain] {
        [
            Chain(
                "forward", .init(.filter, .forward, priority: PacketPath.policyFilter),
                rules: knownRules + [
                    Rule(
                        id.family, .isIn([.sourceAddress, .destinationAddress], set: PolicySet.selves.name), .decide(.accept),
                        comment: "a pod that reached itself"),
                    Rule(id.family, .isWithinConnection, .decide(.jump(lateChain.name))),
                    dispatch(.sourceAddress, .senders, .senderClasses),
                    dispatch(.destinationAddress, .receivers, .receiverClasses),
                ]), lateChain,
        ]
    }

    /// Those that are there where a pod's way to its own node is judged.
    private var guarding: [Chain] {
        // Neighbour discovery belongs to no connection, and without it a pod is not found. A query to this node's name server
        // belongs to none either, and was judged where that was decided (``LocalNameTable``).
        let untracked = Rule(
            id.family, .anyBit(.conntrackState, of: ConntrackState.untracked.rawValue), .decide(.accept),
            comment: family == .v6 ? "neighbour discovery, names" : "names")
        return [
            Chain(
                "input", .init(.filter, .input, priority: PacketPath.policyFilter),
                rules: knownRules + [
                    untracked, lateRule(.sourceAddress, .guarded), dispatch(.sourceAddress, .nodeSenders, .nodeClasses),
                ]),
            Chain(
                "output", .init(.filter, .output, priority: PacketPath.policyFilter),
                rules: knownRules + [untracked, lateRule(.destinationAddress, .guarded)]),
        ]
    }

    private func elements(_ address: IPAddress, _ entry: Entry) -> [PolicyElement] {
        let key = Value(.address(address))
        var elements = entry.ids.map { PolicyElement(set: $0.set, key: key, content: $0.content) }
        elements += Set(entry.ids.map(\.refused)).map { PolicyElement(set: $0, key: key) }
        if entry.ids.contains(where: { $0.way == .sendToNode }) { elements.append(PolicyElement(set: .guarded, key: key)) }
        if entry.isIsolated { elements.append(PolicyElement(set: .isolated, key: key)) }
        elements.append(PolicyElement(set: .selves, key: Value(.address(address), .address(address))))
        return elements
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
        let (wasWanted, wasGuarding) = (isWanted, isGuarding)
        let step = take(changes, index)
        guard wasWanted, isWanted else {
            guard wasWanted || isWanted else { return [] }
            return wasWanted ? [.deleteTable(id)] : difference(from: nil, to: table(index))
        }
        return (isGuarding && !wasGuarding ? beginGuarding : []) + makings(step, index) + moves(step) + edits(changes, step)
            + removals(step) + (wasGuarding && !isGuarding ? endGuarding : [])
    }

    /// Takes these changes in, for who compares the whole table with what there is.
    ///
    /// - Returns: whether the table is another than before.
    public mutating func note(_ changes: PolicyIndex.Changes, _ index: PolicyIndex) -> Bool {
        let step = take(changes, index)
        return step.pods.contains { $0.value != pods[$0.key] } || !edits(changes, step).isEmpty
    }

    private mutating func take(_ changes: PolicyIndex.Changes, _ index: PolicyIndex) -> Step {
        var step = Step()
        for address in changes.subjects { judge(address, index, &step) }
        return step
    }

    private var beginGuarding: [NFTables.Change] {
        PolicySet.guarding.map { .addSet(id, $0.shape(family)) }
            + guarding.flatMap { chain -> [NFTables.Change] in
                [.addChain(id, chain.name, chain.base)] + chain.rules.map { .addRule(id, chain: chain.name, $0, before: nil) }
            }
    }

    private var endGuarding: [NFTables.Change] {
        guarding.flatMap { [.flushChain(id, $0.name), .deleteChain(id, $0.name)] }
            + PolicySet.guarding.map { .deleteSet(id, $0.name) }
    }

    private mutating func judge(_ address: IPAddress, _ index: PolicyIndex, _ step: inout Step) {
        guard address.family == family else { return }
        let old = pods[address]
        var new = Entry()
        if let subject = index.subjects[address] {
            for way in PolicyWay.allCases {
                guard let definition = definition(way, subject, index) else { continue }
                new.ids.append(take(definition, &step))
                if !definition.course.isEmpty { new.isIsolated = true }
            }
        }
        if step.pods[address] == nil { step.pods[address] = .some(old) }
        pods[address] = new.ids.isEmpty ? nil : new
        for id in old?.ids ?? [] { release(id, &step) }
    }

    /// `nil`: nothing is asked.
    private func definition(
        _ way: PolicyWay, _ subject: PolicyIndex.Subject, _ index: PolicyIndex
    ) -> PolicyClass? {
        // Its own node is open to a pod of which nothing is known.
        if subject.isClosed { return way == .sendToNode ? nil : .closed(way, log) }
        let course = PolicyCourse(subject.inForce, way, family, index, log)
        var trial = subject.onTrial.map { PolicyCourse($0, way, family, index, log) }
        if trial == course { trial = nil }
        let asksNothing = way == .sendToNode ? !course.refusesSomething : course.isEmpty
        guard !asksNothing || trial?.isEmpty == false else { return nil }
        return PolicyClass(way, course, trial: trial) { id in
            classes[id].map { $0.definition.course != course || $0.definition.trial != trial } ?? false
        }
    }

    private mutating func take(_ definition: PolicyClass, _ step: inout Step) -> PolicyClass.ID {
        let id = definition.id
        if classes[id] == nil {
            if step.classes[id] == nil { step.classes[id] = .some(nil) }
            classes[id] = Held(definition: definition)
            if id.way == .sendToNode { guards += 1 }
            if definition.isLogged { loggers += 1 }
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
        if id.way == .sendToNode { guards -= 1 }
        if held.definition.isLogged { loggers -= 1 }
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
            for ports in part.content.ports { changes.append(.addSet(id, ports.shape)) }
            for chain in part.content.chains { changes.append(.addChain(id, chain.name, nil)) }
        }
        for part in parts {
            for chain in part.content.chains {
                changes += chain.rules.map { .addRule(id, chain: chain.name, $0, before: nil) }
            }
        }
        for set in new { changes.append(.addElements(id, set.shape(family), Self.sorted(set.elements(family, index)))) }
        for part in parts {
            for ports in part.content.ports { changes.append(.addElements(id, ports.shape, Self.sorted(ports.elements))) }
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
        let sets = PolicySet.standing + PolicySet.guarding
        return sets.compactMap { set in gone[set].map { .deleteElements(id, set.shape(family), $0) } }
            + sets.compactMap { set in come[set].map { .addElements(id, set.shape(family), $0) } }
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
            for ports in part.content.ports { changes.append(.deleteSet(id, ports.name)) }
            for chain in part.content.chains.reversed() { changes.append(.deleteChain(id, chain.name)) }
        }
        let unused = step.sets.filter { $0.value && sets[$0.key] == nil }.keys.sorted { $0.name < $1.name }
        return changes + unused.map { .deleteSet(id, $0.name) }
    }
}
