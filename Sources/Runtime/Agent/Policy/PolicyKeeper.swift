import Addressing
import Cluster
import KubeAPI
import KubeClient
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization
import Telemetry

/// Keeps the tables of policies as the objects and the attachments say: the only writer of them.
///
/// Two come here, each on its own thread: rounds, with what objects said, and ADD, which must not be answered before the pod's
/// isolation holds. A change costs what it touches: the tables are read at start, at the slow period, after a refusal and when
/// somebody else committed. What an earlier agent left is adopted; until the objects are known nothing of it is changed, and pods
/// that come are closed.
final class PolicyKeeper: Sendable {
    private let isOurs: Bool
    private let open: @Sendable () throws -> any NFTablesEnd
    private let count: (@Sendable (Table.ID) throws -> [String: [Counted?]])?
    private let survey: (@Sendable (Set<IPAddress>) -> [Problem])?
    private let connections: (any PolicyConnections)?
    private let state: Mutex<State>
    /// Tells whenever ``isLogging`` is something else than before.
    let loggingChanges: AsyncStream<Void>
    private let tellLogging: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - isOurs: without this duty the tables are taken away.
    ///   - connections: where connections are cut that are no longer allowed; `nil`: they are left to end by themselves.
    ///   - log: which new connections are logged.
    ///   - count: what the rules of a table have counted, by chain; `nil`: nobody can say.
    ///   - survey: what is wrong with the way to these addresses of this node; asked when everything is compared.
    ///   - open: the tables of the node's namespace.
    init(
        node: String, isOurs: Bool, connections: (any PolicyConnections)? = nil, log: PolicyLog = .none,
        count: (@Sendable (Table.ID) throws -> [String: [Counted?]])? = nil,
        survey: (@Sendable (Set<IPAddress>) -> [Problem])? = nil,
        open: @escaping @Sendable () throws -> any NFTablesEnd
    ) {
        self.isOurs = isOurs
        self.connections = connections
        self.count = count
        self.survey = survey
        self.open = open
        (loggingChanges, tellLogging) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        state = Mutex(State(index: PolicyIndex(node: node), tables: IPFamily.allCases.map { PolicyTable($0, log: log) }))
    }

    private struct State {
        var index: PolicyIndex
        var tables: [PolicyTable]
        /// The kernel holds what ``tables`` say, as far as is known.
        var isSaid = false
        /// The nodes, as they were last told.
        var members: [Member] = []
        var attached: [Attachment.ID: [IPAddress]] = [:]
        /// Our transactions so far.
        var commits: UInt32 = 0
        var problem: Problem?
        var surveyed: [Problem] = []
        /// Those that held what they should when they were last written or compared.
        var right: Set<Table.ID> = []
        /// Tables that somebody else takes away again and again.
        var restorations = Restorations<Table.ID>()
        var counts = PolicyCounts()
        /// Addresses whose connections are to be looked at yet: something may be refused of them that was allowed.
        var uncut: Set<IPAddress> = []
        /// When they may be looked at: each time all of the node's are.
        var nextCut = Duration.zero
        /// How many connections were cut so far.
        var cut = 0
        /// Whose the words are that the kernel's log says; also of rules that were there a moment ago.
        var words: [String: PolicyTally] = [:]
        var haveWordsChanged = true
        var conditions = PolicyConditions()
        /// Questions for names that policies refuse are logged.
        var isNameLogged = false
        var isLogging = false
    }

    /// What a settling came to.
    struct Outcome {
        var changes: [NFTables.Change] = []
        /// It was to be so already, and somebody had changed it.
        var isRestored = false
        /// How many connections were cut.
        var cut = 0
        /// Whose they were, the first some of them: `shop/web → shop/db`.
        var cutEnds: [String] = []
    }

    /// Of how many connections that were cut the ends are told.
    private static let mostCutEnds = 8

    var problems: [Problem] {
        state.withLock { state in
            let contested = Problem(contested: state.restorations.contested.map { "table \($0)" })
            return [state.problem, contested].compactMap(\.self) + state.surveyed + state.index.problems
        }
    }

    /// Ends the rests that are over.
    ///
    /// - Returns: whether one ended, so that it is time to look.
    func wake(at now: Duration) -> Bool { state.withLock { $0.restorations.wake(at: now) } }

    /// When connections are to be looked at; `nil`: not before something changes.
    var nextCut: Duration? { state.withLock { $0.uncut.isEmpty ? nil : $0.nextCut } }

    /// Whether a rule logs.
    var isLogging: Bool { state.withLock { $0.isLogging } }

    /// When the next rest ends.
    var nextWaking: Duration? { state.withLock { $0.restorations.nextWaking } }

    /// Of an object that a problem is about; `nil`: it is not there.
    func uid(of policy: ObjectKey) -> String? {
        state.withLock { ($0.index.policy(policy)?.metadata ?? $0.index.clusterPolicy(policy)?.metadata)?.uid }
    }

    /// What policies are to be told in their status that was not told yet.
    func conditionNotes() -> [ConditionNote] {
        state.withLock { $0.conditions.notes(on: $0.index.clusterPolicies.values) }
    }

    /// What objects and attachments come to; `nil` before the objects are known, and without this duty.
    ///
    /// - Parameter withNodes: whose addresses are nodes' is of interest.
    func ask<Result>(withNodes: Bool = false, _ body: (PolicyIndex) -> Result) -> Result? {
        guard isOurs else { return nil }
        return state.withLock { state in
            guard state.index.isListed else { return nil }
            if withNodes { state.index.setNodes(state.members) }
            return body(state.index)
        }
    }

    /// Calls with the number of transactions so far, while none is made.
    func withCommits<Result>(_ body: (UInt32) throws -> Result) rethrows -> Result {
        try state.withLock { try body($0.commits) }
    }
}

// MARK: - What objects say

extension PolicyKeeper {
    /// Takes these objects for everything there is.
    ///
    /// - Returns: whether there is something to settle.
    @discardableResult
    func list(_ objects: [any KubernetesObject]) -> Bool {
        guard isOurs else { return false }
        return state.withLock { state in
            state.index.replace(with: objects)
            return state.index.hasChanges
        }
    }

    /// - Returns: whether there is something to settle.
    func set(_ object: any KubernetesObject) -> Bool {
        guard isOurs else { return false }
        return state.withLock { state in
            state.index.set(object)
            // What is wrong with it is to be told, also where it is about nobody here.
            return Self.takeNews(&state) || state.index.hasChanges || object is ClusterNetworkPolicy
        }
    }

    /// - Returns: whether there is something to settle.
    func remove(_ key: ObjectKey) -> Bool {
        guard isOurs else { return false }
        return state.withLock { state in
            state.index.remove(key)
            return Self.takeNews(&state) || state.index.hasChanges
        }
    }

    /// What is wrong with an object is to be told, also where nothing else follows from it.
    private static func takeNews(_ state: inout State) -> Bool {
        defer { state.index.areProblemsNew = false }
        return state.index.areProblemsNew
    }

    /// Says what changed, compared with what was last said.
    ///
    /// - Parameter members: the nodes: what is cut is judged with them.
    @discardableResult
    func settle(_ members: some Collection<Member>, at now: Duration = .zero) throws -> Outcome {
        try state.withLock { state in
            guard isOurs, state.index.isListed else { return Outcome() }
            state.members = Array(members)
            var outcome = try state.isSaid ? say(&state) : compare(&state, at: now)
            (outcome.cut, outcome.cutEnds) = cut(&state, at: now)
            return outcome
        }
    }

    /// Compares everything with the kernel.
    func check(_ members: some Collection<Member>, at now: Duration = .zero) throws -> Outcome {
        try state.withLock { state in
            guard isOurs else { return try takeAway(&state) }
            guard state.index.isListed else { return Outcome() }
            state.members = Array(members)
            state.surveyed = survey?(Set(state.index.subjects.keys)) ?? []
            var outcome = try compare(&state, at: now)
            (outcome.cut, outcome.cutEnds) = cut(&state, at: now)
            return outcome
        }
    }
}

// MARK: - What pods do

extension PolicyKeeper {
    /// Pods that were attached before this agent came: nothing is said to the kernel.
    func begin(_ attached: [PolicyTenant]) {
        guard isOurs else { return }
        state.withLock { state in for tenant in attached { Self.attach(tenant, &state) } }
    }

    /// A pod is about to get its link: when this returns, its policies hold.
    func admit(_ tenant: PolicyTenant) throws {
        guard isOurs else { return }
        try state.withLock { state in
            Self.attach(tenant, &state)
            guard state.index.isListed else {
                return try change(&state) { PolicyTable.closing(tenant.addresses, $0, in: $1) }
            }
            _ = try state.isSaid ? say(&state) : compare(&state, at: nil)
        }
    }

    /// The pod's link is gone. What cannot be said now is said in the next round.
    func release(_ id: Attachment.ID) {
        guard isOurs else { return }
        state.withLock { state in
            guard let addresses = state.attached.removeValue(forKey: id) else { return }
            state.index.detach(addresses)
            guard state.index.isListed else {
                try? change(&state) { PolicyTable.releasing(addresses, $0, in: $1) }
                return
            }
            _ = try? state.isSaid ? say(&state) : compare(&state, at: nil)
        }
    }

    private static func attach(_ tenant: PolicyTenant, _ state: inout State) {
        state.attached[tenant.id] = tenant.addresses
        state.index.attach(tenant.addresses, to: tenant.pod, uid: tenant.uid)
    }

    /// While nothing is known of policies: what was found stays, but for this.
    private func change(_ state: inout State, _ body: (IPFamily, Table?) -> Table?) throws {
        var kernel = try open()
        try note(&state) { state in
            for table in state.tables {
                let observed = try kernel.observe(table.id)
                try Self.commit(difference(from: observed, to: body(table.family, observed?.table)), &kernel, &state)
            }
        }
    }
}

// MARK: - Saying it

extension PolicyKeeper {
    private func say(_ state: inout State) throws -> Outcome {
        guard state.index.hasChanges else { return Outcome() }
        let changes = state.index.takeChanges()
        var outcome = Outcome()
        for position in state.tables.indices { outcome.changes += state.tables[position].update(changes, state.index) }
        guard !outcome.changes.isEmpty else { return outcome }
        var kernel = try open()
        try note(&state) { state in try Self.commit(outcome.changes, &kernel, &state) }
        noteWords(&state)
        if connections != nil { state.uncut.formUnion(changes.lessAllowed) }
        return outcome
    }

    /// - Parameter now: what rests then is left as it is; `nil`: nothing rests, because a pod waits.
    private func compare(_ state: inout State, at now: Duration?) throws -> Outcome {
        let changes = state.index.takeChanges()
        var outcome = Outcome()
        var kernel = try open()
        let resting = now == nil ? [] : state.restorations.resting
        // One that was killed may have committed, and not have cut.
        let isFirst = state.right.isEmpty
        try note(&state) { state in
            for position in state.tables.indices {
                let isNews = state.tables[position].note(changes, state.index)
                let table = state.tables[position]
                guard !resting.contains(table.id) else { continue }
                let steps = difference(from: try kernel.observe(table.id), to: table.table(state.index))
                try Self.commit(steps, &kernel, &state)
                outcome.changes += steps
                if !state.right.insert(table.id).inserted, !isNews, !steps.isEmpty {
                    outcome.isRestored = true
                    if let now { state.restorations.note([table.id], at: now) }
                }
            }
            state.isSaid = state.tables.allSatisfy { !resting.contains($0.id) }
        }
        noteWords(&state)
        // Whatever was there before may have allowed what is not allowed now.
        if connections != nil, isFirst || !outcome.changes.isEmpty { state.uncut.formUnion(state.index.subjects.keys) }
        return outcome
    }

    private func takeAway(_ state: inout State) throws -> Outcome {
        var outcome = Outcome()
        var kernel = try open()
        try note(&state) { state in
            for table in state.tables {
                let steps = difference(from: try kernel.observe(table.id), to: nil)
                try Self.commit(steps, &kernel, &state)
                outcome.changes += steps
            }
        }
        return outcome
    }

    /// The rules are others.
    private func noteWords(_ state: inout State) {
        state.haveWordsChanged = true
        noteLogging(&state)
    }

    /// Questions for names that policies refuse are logged beside what their own tables log, or not any more.
    func log(names isLogged: Bool) {
        guard isOurs else { return }
        state.withLock { state in
            state.isNameLogged = isLogged
            noteLogging(&state)
        }
    }

    private func noteLogging(_ state: inout State) {
        let isLogging = state.isNameLogged || state.tables.contains(where: \.isLogging)
        guard state.isLogging != isLogging else { return }
        state.isLogging = isLogging
        tellLogging.yield()
    }

    private static func commit(
        _ changes: [NFTables.Change], _ kernel: inout any NFTablesEnd, _ state: inout State
    ) throws {
        guard changes.contains(where: { !$0.isVoid }) else { return }
        try kernel.apply(changes)
        state.commits &+= 1
    }

    /// After a refusal the kernel is not what it was believed to be: all of it is to be looked at.
    private func note(_ state: inout State, _ body: (inout State) throws -> Void) throws {
        do {
            try body(&state)
            state.problem = nil
        } catch {
            state.isSaid = false
            state.right = []
            state.problem = Problem(.changeRefused, nil, "table \(PacketPath.policyTable): \(error)")
            throw error
        }
    }

    /// How often connections are looked at at most: pods that come and go make it a walk through all of them each time.
    private static let cutDistance = Duration.milliseconds(200)

    /// Also what an address's holder of before had begun. Connections are a cache of what was decided: what cannot be cut now is
    /// tried again a second later.
    private func cut(_ state: inout State, at now: Duration) -> (count: Int, ends: [String]) {
        guard let connections, !state.uncut.isEmpty, now >= state.nextCut else { return (0, []) }
        let addresses = state.uncut
        state.uncut = []
        guard !state.index.subjects.isEmpty else { return (0, []) }
        state.nextCut = now + Self.cutDistance
        // Of what cannot be listed the node's object knows the most important.
        let own = (try? connections.ownAddresses()) ?? []
        state.index.setNodes(state.members + [Member(name: state.index.node, addresses: own, podPrefixes: [])])
        let index = state.index
        var ends: [String] = []
        let count = try? connections.cut(Set(addresses.map(\.family))) { connection in
            guard addresses.contains(connection.original.source) || addresses.contains(connection.reply.source) else {
                return false
            }
            guard index.forbids(connection) else { return false }
            guard ends.count < Self.mostCutEnds else { return true }
            let pair = [connection.original.source, connection.reply.source].map { address in
                let name = index.world.name(of: address)
                return name.isEmpty ? address.description : name
            }.joined(separator: " → ")
            if !ends.contains(pair) { ends.append(pair) }
            return true
        }
        guard let count else {
            state.uncut = addresses
            state.nextCut = now + .seconds(1)
            return (0, [])
        }
        state.cut += count
        return (count, ends)
    }
}

// MARK: - What it came to

extension PolicyKeeper {
    /// Policies that are known to the agent at most: a page of figures is read by machines that keep all of it.
    private static var mostFigures: Int { 2000 }

    /// Reads what the rules have counted, and puts it on a page.
    func addFigures(to page: inout Exposition) {
        guard isOurs else { return }
        state.withLock { state in
            readCounts(&state)
            page.add(
                "tulle_policy_addresses", .gauge, "Addresses of this node that policies speak of, or that are closed.",
                .init(state.index.subjects.count))
            page.add(
                "tulle_policy_connections_cut_total", .counter, "Connections that were cut because policies allow them no more.",
                .init(state.cut))
            page.add(
                "tulle_policy_new_connections_total", .counter,
                "New connections that rules decided about; what nothing opens is counted for each policy that isolates.",
                state.counts.samples(Self.mostFigures))
        }
    }

    private func readCounts(_ state: inout State) {
        guard let count, state.isSaid else { return }
        for table in state.tables where table.isWanted {
            // What cannot be read now is read the next time.
            guard let counts = try? count(table.id) else { continue }
            state.counts.read(counts, of: table.id, table.tallies)
        }
        let index = state.index
        state.counts.keep { index.policy($0) != nil || index.clusterPolicy($0) != nil }
    }

    /// What is to be written of a packet that a rule logged.
    ///
    /// - Parameter word: what the rule says.
    func note(of word: String, _ flow: LoggedPacket.Flow) -> PolicyNote? {
        state.withLock { state in
            if state.words[word] == nil, state.haveWordsChanged { learnWords(&state) }
            guard let tally = state.words[word] else { return nil }
            func name(_ address: IPAddress) -> String { state.index.world.name(of: address) }
            return PolicyNote(tally: tally, flow: flow, from: name(flow.source), to: name(flow.destination))
        }
    }

    private func learnWords(_ state: inout State) {
        state.haveWordsChanged = false
        if state.words.count > 20_000 { state.words = [:] }
        for table in state.tables {
            for case let tally? in table.tallies.values.flatMap(\.self) { state.words[tally.word] = tally }
        }
    }
}

/// Who has an address of this node, as the runtime said it.
struct PolicyTenant: Hashable, Sendable {
    var id: Attachment.ID
    var pod: ObjectKey
    /// Empty when the runtime did not say.
    var uid: String
    var addresses: [IPAddress]
}
