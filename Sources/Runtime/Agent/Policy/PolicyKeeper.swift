import Addressing
import Cluster
import KubeAPI
import NFTables
import Netlink
import Plan
import Synchronization

/// Keeps the tables of policies as the objects and the attachments say: the only writer of them.
///
/// Two come here, each on its own thread: rounds, with what objects said, and ADD, which must not be answered before the pod's
/// isolation holds. A change costs what it touches: the tables are read at start, at the slow period, after a refusal and when
/// somebody else committed. What an earlier agent left is adopted; until the objects are known nothing of it is changed, and pods
/// that come are closed.
final class PolicyKeeper: Sendable {
    private let isOurs: Bool
    private let open: @Sendable () throws -> any NFTablesEnd
    private let connections: (any PolicyConnections)?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - isOurs: without this duty the tables are taken away.
    ///   - connections: where connections are cut that are no longer allowed; `nil`: they are left to end by themselves.
    ///   - open: the tables of the node's namespace.
    init(
        node: String, isOurs: Bool, connections: (any PolicyConnections)? = nil,
        open: @escaping @Sendable () throws -> any NFTablesEnd
    ) {
        self.isOurs = isOurs
        self.connections = connections
        self.open = open
        state = Mutex(State(index: PolicyIndex(node: node), tables: IPFamily.allCases.map { PolicyTable($0) }))
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
    }

    /// What a settling came to.
    struct Outcome {
        var changes: [NFTables.Change] = []
        /// It was to be so already, and somebody had changed it.
        var isRestored = false
        /// How many connections were cut.
        var cut = 0
    }

    var problems: [Problem] { state.withLock { [$0.problem].compactMap(\.self) } }

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
            return state.index.hasChanges
        }
    }

    /// - Returns: whether there is something to settle.
    func remove(_ key: ObjectKey) -> Bool {
        guard isOurs else { return false }
        return state.withLock { state in
            state.index.remove(key)
            return state.index.hasChanges
        }
    }

    /// Says what changed, compared with what was last said.
    ///
    /// - Parameter members: the nodes: what is cut is judged with them.
    @discardableResult
    func settle(_ members: some Collection<Member>) throws -> Outcome {
        try state.withLock { state in
            guard isOurs, state.index.isListed else { return Outcome() }
            state.members = Array(members)
            return try state.isSaid ? say(&state) : compare(&state)
        }
    }

    /// Compares everything with the kernel.
    func check(_ members: some Collection<Member>) throws -> Outcome {
        try state.withLock { state in
            guard isOurs else { return try takeAway(&state) }
            guard state.index.isListed else { return Outcome() }
            state.members = Array(members)
            return try compare(&state)
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
            _ = try state.isSaid ? say(&state) : compare(&state)
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
            _ = try? state.isSaid ? say(&state) : compare(&state)
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
        outcome.cut = cut(&state, among: changes.lessAllowed)
        return outcome
    }

    private func compare(_ state: inout State) throws -> Outcome {
        let changes = state.index.takeChanges()
        var outcome = Outcome()
        var kernel = try open()
        let wasSaid = state.isSaid
        try note(&state) { state in
            for position in state.tables.indices {
                let isNews = !state.tables[position].update(changes, state.index).isEmpty
                let table = state.tables[position]
                let steps = difference(from: try kernel.observe(table.id), to: table.table(state.index))
                try Self.commit(steps, &kernel, &state)
                outcome.changes += steps
                if wasSaid, !isNews, !steps.isEmpty { outcome.isRestored = true }
            }
            state.isSaid = true
        }
        // Whatever was there before may have allowed what is not allowed now.
        if !outcome.changes.isEmpty { outcome.cut = cut(&state, among: Set(state.index.subjects.keys)) }
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
            state.problem = Problem(.changeRefused, nil, "table \(PacketPath.policyTable): \(error)")
            throw error
        }
    }

    /// Also what an address's holder of before had begun. Connections are a cache of what was decided: what cannot be cut now is left
    /// to end by itself.
    private func cut(_ state: inout State, among addresses: Set<IPAddress>) -> Int {
        guard let connections, !addresses.isEmpty, !state.index.subjects.isEmpty else { return 0 }
        state.index.setNodes(state.members)
        let index = state.index
        let count = try? connections.cut(Set(addresses.map(\.family))) { connection in
            guard addresses.contains(connection.original.source) || addresses.contains(connection.reply.source) else {
                return false
            }
            return index.forbids(connection)
        }
        return count ?? 0
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
