import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization
import Telemetry

/// Who answers on this node for the cluster's name server.
protocol LocalNameServing: Sendable {
    /// What is wrong with it, and with what it is told to do.
    var problems: [Problem] { get }
    /// Whether it knows how it is to answer; before, it is not to be asked.
    var isConfigured: Bool { get }
    /// Of the object that tells it how; `nil`: of no other.
    func uid(of key: ObjectKey) -> String?
    /// Answers there, and nowhere else; without addresses not at all. Asked for what is so already, it does nothing.
    func serve(at addresses: [IPAddress]) throws
    /// A pod has addresses, before it can use them.
    func admit(_ tenant: PolicyTenant)
    /// It has them no more.
    func release(_ tenant: PolicyTenant)
}

/// Keeps what leads this node's queries to its own name server: the addresses of the cluster's one on `lo`, and the tables
/// `tulle-names`, which ``LocalNameTable`` describes.
///
/// Two come here, each on its own thread: rounds, and ADD, which must not be answered before the pod that may not ask is refused, and
/// does not wait for a server that begins or ends: while one does, nothing leads to it.
/// The tables go with the socket that is kept here, and nobody else can change them; the addresses stay when the agent ends, and do
/// no harm: what is translated never comes to `lo`. Where a server ends, first nothing new is led to it, then it answers what it
/// has, and then the rest of the tables and the addresses go.
final class LocalNameKeeper: Sendable {
    private let service: ServiceIndex.Name
    /// What says how names are served.
    private let configMap: ObjectKey
    private let isOurs: Bool
    private let policies: PolicyKeeper?
    private let isLogged: Bool
    private let serving: (any LocalNameServing)?
    private let loopback: any LoopbackHolding
    private let count: (@Sendable (Table.ID) throws -> [String: Counted])?
    private let open: @Sendable () throws -> any NFTablesEnd
    private let state: Mutex<State>
    /// Of rounds and the end alone.
    private let moving = Mutex(())

    /// - Parameters:
    ///   - service: the cluster's name server.
    ///   - configMap: what says how names are served.
    ///   - isOurs: without this duty the addresses are taken away; the tables went with their agent.
    ///   - policies: who may ask; `nil`: everybody.
    ///   - isLogged: questions of those who may not are told in the log of policies.
    ///   - count: what the rules of a table have counted, by their comments.
    ///   - open: the tables of the node's namespace, by a socket that stays open.
    init(
        _ service: ServiceIndex.Name, configMap: ObjectKey, node: String, isOurs: Bool = true, policies: PolicyKeeper?,
        isLogged: Bool = false, serving: (any LocalNameServing)?,
        loopback: any LoopbackHolding, count: (@Sendable (Table.ID) throws -> [String: Counted])? = nil,
        open: @escaping @Sendable () throws -> any NFTablesEnd
    ) {
        (self.service, self.configMap, self.isOurs) = (service, configMap, isOurs)
        let isLogged = isLogged && policies != nil
        (self.policies, self.isLogged, self.serving) = (policies, isLogged, serving)
        (self.loopback, self.count, self.open) = (loopback, count, open)
        let tables = IPFamily.allCases.map { LocalNameTable($0, isLogged: isLogged) }
        state = Mutex(State(rights: NameRights(node: node), tables: tables))
    }

    private struct State {
        var rights: NameRights
        var tables: [LocalNameTable]
        /// The socket that the tables live by.
        var kernel: (any NFTablesEnd)?
        /// Where the server answers.
        var servers: Set<IPAddress> = []
        /// Where it answered, and may still have queries; until when nobody waits for their answers any more.
        var left: (addresses: Set<IPAddress>, until: Duration)?
        /// The kernel holds what ``tables`` say.
        var isSaid = false
        var attached: [Attachment.ID: PolicyTenant] = [:]
        /// Our transactions so far.
        var commits: UInt32 = 0
        var problem: Problem?
        /// Addresses that somebody takes away again and again.
        var restorations = Restorations<IPAddress>()
        var refusedQueries: UInt64 = 0
    }

    /// What a settling came to.
    struct Outcome {
        var network: [HostNetwork.Change] = []
        var tables: [NFTables.Change] = []
        /// Addresses that were put back.
        var restored = 0
    }

    var problems: [Problem] {
        state.withLock { state in
            let contested = Problem(contested: state.restorations.contested.map { "address \($0) on \(LoopbackAddresses.link)" })
            return [state.problem, contested].compactMap(\.self) + (serving?.problems ?? [])
        }
    }

    /// Where queries are answered on this node, once they are led there.
    var servers: Set<IPAddress> { state.withLock { $0.isSaid ? $0.servers : [] } }

    /// By which transports a pod's address may not ask.
    func refusals(of address: IPAddress) -> [TransportProtocol] {
        state.withLock { state in
            NameAsker.transports.filter { state.isSaid && state.rights.refused.contains(NameAsker(address, $0)) }
        }
    }

    /// Ends the rests that are over.
    ///
    /// - Returns: whether one ended, so that it is time to look.
    func wake(at now: Duration) -> Bool {
        state.withLock { state in
            let hasRested = state.restorations.wake(at: now)
            guard let left = state.left, left.until <= now else { return hasRested }
            state.left = nil
            return true
        }
    }

    /// Of the object that says how names are served, so that what is wrong with it can be told on it.
    func uid(of key: ObjectKey) -> String? { serving?.uid(of: key) }

    /// When the next rest ends.
    var nextWaking: Duration? {
        state.withLock { [$0.restorations.nextWaking, $0.left?.until].compactMap(\.self).min() }
    }

    /// Calls with the number of transactions so far, while none is made.
    func withCommits<Result>(_ body: (UInt32) throws -> Result) rethrows -> Result {
        try state.withLock { try body($0.commits) }
    }
}

// MARK: - What happened

extension LocalNameKeeper {
    /// An object came or changed.
    ///
    /// - Returns: whether there may be something to settle.
    func note(_ object: any KubernetesObject) -> Bool {
        guard isOurs else { return false }
        if isAbout(object.key, (object as? EndpointSlice)?.serviceName) { return true }
        guard policies != nil else { return false }
        return state.withLock { state in
            state.rights.mark(object)
            return state.rights.hasChanges
        }
    }

    /// An object went.
    ///
    /// - Returns: whether there may be something to settle.
    func note(gone key: ObjectKey) -> Bool {
        guard isOurs else { return false }
        if isAbout(key, nil) { return true }
        guard policies != nil else { return false }
        return state.withLock { state in
            state.rights.mark(gone: key)
            return state.rights.hasChanges
        }
    }

    /// These objects are all there are.
    func list(_ objects: [any KubernetesObject]) {
        guard isOurs, policies != nil else { return }
        state.withLock { state in
            for object in objects { state.rights.mark(object) }
            state.rights.markAll()
        }
    }

    /// A slice that goes does not say whose it was.
    private func isAbout(_ key: ObjectKey, _ owner: String?) -> Bool {
        if key == configMap { return true }
        guard key.namespace == service.namespace else { return false }
        switch key.kind {
        case Service.resource.kind.kind: return key.name == service.name
        case EndpointSlice.resource.kind.kind: return owner.map { $0 == service.name } ?? true
        default: return false
        }
    }

    /// Whether the kernel's news is that an address went which is held here.
    func isConcerned(_ news: KernelNews) -> Bool {
        guard case .address(let address, LoopbackAddresses.link, isGone: true) = news else { return false }
        return state.withLock { $0.servers.contains(address) }
    }

    /// Pods that were attached before this agent came: nothing is said to the kernel.
    func begin(_ attached: [PolicyTenant]) {
        guard isOurs else { return }
        state.withLock { state in for tenant in attached { state.attached[tenant.id] = tenant } }
        for tenant in attached { serving?.admit(tenant) }
    }

    /// A pod is about to get its link: when this returns, it is refused where it may not ask, and is known to the server.
    ///
    /// Policies know of it already. Where the kernel refuses to refuse, nobody's queries are led here any more.
    func admit(_ tenant: PolicyTenant) {
        guard isOurs else { return }
        serving?.admit(tenant)
        state.withLock { state in
            state.attached[tenant.id] = tenant
            state.rights.mark(tenant: tenant.pod)
            if state.isSaid { note(&state) { state in _ = try refuse(&state) } }
        }
    }

    /// The pod's link is gone. What cannot be said now is said in the next round.
    func release(_ id: Attachment.ID) {
        guard isOurs else { return }
        state.withLock { state in
            guard let tenant = state.attached.removeValue(forKey: id) else { return }
            serving?.release(tenant)
            state.rights.mark(tenant: tenant.pod)
            if state.isSaid { note(&state) { state in _ = try refuse(&state) } }
        }
    }
}

// MARK: - Saying it

extension LocalNameKeeper {
    /// Says what changed, compared with what was last said.
    ///
    /// - Parameters:
    ///   - families: those that the node has.
    ///   - isWhole: compared with the kernel.
    @discardableResult
    func settle(
        _ services: ServiceIndex, families: Set<IPFamily> = Set(IPFamily.allCases), isWhole: Bool, at now: Duration = .zero
    ) -> Outcome {
        moving.withLock { _ in
            var outcome = Outcome()
            guard isOurs else {
                if isWhole { state.withLock { note(&$0) { _ in outcome.network = try loopback.hold([]) } } }
                return outcome
            }
            let ports = services.ports(of: service)
            let asked =
                serving?.isConfigured == false
                ? [] : ports.filter { $0.number == 53 && $0.transport == .udp }.flatMap(\.clusterIPs)
            let servers = Set(asked.filter { families.contains($0.family) })
            do {
                if try leave(for: servers, ports, &outcome, at: now) {
                    try move(to: servers, &outcome)
                } else if isWhole {
                    try restore(servers, &outcome, at: now)
                }
                try state.withLock { state in
                    state.servers = servers
                    outcome.tables += try state.isSaid && !isWhole ? refuse(&state) : compare(&state)
                    state.problem = nil
                }
            } catch {
                state.withLock { refused(&$0, error) }
            }
            if isLogged { policies?.log(names: state.withLock { $0.isSaid }) }
            return outcome
        }
    }

    /// Before a server ends, nothing new is led to it any more.
    ///
    /// - Returns: false where it is to go on as it is.
    private func leave(
        for servers: Set<IPAddress>, _ ports: [ServicePort], _ outcome: inout Outcome, at now: Duration
    ) throws -> Bool {
        try state.withLock { state in
            state.rights.use(ports)
            guard servers != state.servers else { return false }
            outcome.tables += try leave(&state, until: now + Self.patience)
            return true
        }
    }

    /// Clients wait for five seconds.
    static let patience: Duration = .seconds(6)

    /// What was led here goes on being answered.
    private func leave(_ state: inout State, until end: Duration) throws -> [NFTables.Change] {
        let addresses = state.servers
        state.servers = []
        guard state.isSaid else { return [] }
        state.isSaid = false
        state.left = (addresses.union(state.left?.addresses ?? []), end)
        return try say(&state)
    }

    /// Before something leads to a server, it answers. Without the lock: until then there is nothing that a pod could be refused.
    private func move(to servers: Set<IPAddress>, _ outcome: inout Outcome) throws {
        if servers.isEmpty { try serving?.serve(at: []) }
        outcome.network += try loopback.hold(servers.union(left))
        try serving?.serve(at: servers.sorted())
    }

    /// What somebody took from `lo` comes back.
    private func restore(_ servers: Set<IPAddress>, _ outcome: inout Outcome, at now: Duration) throws {
        let steps = try loopback.hold(servers.union(left), resting: state.withLock { $0.restorations.resting })
        let restored = steps.compactMap { step -> IPAddress? in
            guard case .add(.address(let address)) = step else { return nil }
            return address.address.address
        }
        outcome.network += steps
        outcome.restored += restored.count
        state.withLock { $0.restorations.note(restored, at: now) }
    }

    /// Who was asked there still waits for an answer from there.
    private var left: Set<IPAddress> { state.withLock { $0.left?.addresses ?? [] } }

    /// Compared with the kernel.
    private func compare(_ state: inout State) throws -> [NFTables.Change] {
        guard !state.servers.isEmpty else { return state.kernel == nil ? [] : try say(&state) }
        state.rights.markAll()
        guard askPolicies(&state) else { return [] }
        return try say(&state)
    }

    private func say(_ state: inout State) throws -> [NFTables.Change] {
        var kernel = try state.kernel ?? open()
        state.kernel = kernel
        var changes: [NFTables.Change] = []
        let tables = IPFamily.allCases.map {
            LocalNameTable(
                $0, servers: state.servers, left: state.left?.addresses ?? [], refused: state.rights.refused, isLogged: isLogged)
        }
        for table in tables {
            let steps = difference(from: try kernel.observe(table.id), to: table.table)
            try commit(steps, &kernel, &state)
            changes += steps
        }
        state.kernel = kernel
        state.tables = tables
        state.isSaid = !state.servers.isEmpty
        return changes
    }

    /// Who may not ask, compared with what was last said.
    private func refuse(_ state: inout State) throws -> [NFTables.Change] {
        guard state.rights.hasChanges, askPolicies(&state), var kernel = state.kernel else { return [] }
        var changes: [NFTables.Change] = []
        for position in state.tables.indices { changes += state.tables[position].refuse(state.rights.refused) }
        try commit(changes, &kernel, &state)
        return changes
    }

    /// - Returns: false while policies do not know yet: then nobody is to be let in.
    private func askPolicies(_ state: inout State) -> Bool {
        guard let policies else { return true }
        var rights = state.rights
        guard policies.ask(withNodes: rights.areAllDue, { rights.settle($0) }) != nil else { return false }
        state.rights = rights
        return true
    }

    private func commit(_ changes: [NFTables.Change], _ kernel: inout any NFTablesEnd, _ state: inout State) throws {
        guard changes.contains(where: { !$0.isVoid }) else { return }
        try kernel.apply(changes)
        state.commits &+= 1
    }

    /// What cannot be said as it should be is not said at all: without its socket the kernel takes the tables away, and queries go
    /// where policies hold without us.
    private func note(_ state: inout State, _ body: (inout State) throws -> Void) {
        do {
            try body(&state)
            state.problem = nil
        } catch {
            refused(&state, error)
        }
    }

    private func refused(_ state: inout State, _ error: any Error) {
        (state.kernel, state.isSaid) = (nil, false)
        state.problem = Problem(.namesNotServed, nil, "queries of this node go to the cluster's servers: \(error)")
    }
}

// MARK: - What it came to

extension LocalNameKeeper {
    /// Nothing new is led here any more; the server goes on, and what it answers goes the way that it went.
    func leave() {
        guard isOurs else { return }
        moving.withLock { _ in
            state.withLock { state in note(&state) { state in _ = try leave(&state, until: .zero) } }
        }
    }

    /// The server ends, and what led to it and from it goes.
    func end() {
        guard isOurs else { return }
        leave()
        moving.withLock { _ in
            try? serving?.serve(at: [])
            state.withLock { ($0.kernel, $0.isSaid, $0.left) = (nil, false, nil) }
        }
    }

    /// What is to be written of a question that was refused.
    func note(refused flow: LoggedPacket.Flow) -> PolicyNote? {
        guard let transport = TransportProtocol(number: flow.transport) else { return nil }
        let rights = state.withLock { $0.rights }
        return policies?.ask { index in
            PolicyNote(
                tally: rights.refusal(of: NameAsker(flow.source, transport), index), flow: flow,
                from: index.world.name(of: flow.source), to: "\(service.namespace)/\(service.name)")
        }
    }

    func addFigures(to page: inout Exposition) {
        guard isOurs else { return }
        state.withLock { state in
            let tables = state.isSaid ? state.tables.filter { $0.table != nil } : []
            page.add(
                "tulle_dns_local_addresses", .gauge, "Addresses at which this node answers its own queries.",
                .init(state.isSaid ? state.servers.count : 0))
            guard policies != nil else { return }
            page.add(
                "tulle_dns_refused_pods", .gauge, "Addresses of this node's pods that may not ask.",
                .init(Set(state.rights.refused.map(\.address)).count))
            guard let count else { return }
            let refused = tables.reduce(UInt64(0)) { sum, table in
                sum + ((try? count(table.id))?[LocalNameTable.refusal]?.packets ?? 0)
            }
            // The kernel's counts end with the tables.
            state.refusedQueries = max(state.refusedQueries, refused)
            page.add(
                "tulle_dns_refused_packets_total", .counter, "Packets to this node's name server from pods that may not ask.",
                .init(Int(clamping: state.refusedQueries)))
        }
    }
}
