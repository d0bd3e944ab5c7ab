import Addressing
import Cluster
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NameServer
import Netlink
import Plan
import Synchronization
import Telemetry

/// This node's own name server: what is served, to whom, and who is asked for the rest.
///
/// ```
///  objects ──► NameFeed ──► DNSServer ◄── queries of this node
///  attachments, pods ──► LocalClients ──┘ │ names of others
///                                         ▼
///                                     Forwarder ──► the node's resolvers
/// ```
/// It serves only once the objects are known: before, the cluster's servers know more. What leads queries here is
/// ``LocalNameKeeper``'s to say.
final class LocalNameServer: LocalNameServing {
    private let settings: LocalNameSettings
    private let namespace: NetworkNamespace
    private let forwarder: Forwarder
    private let surroundings: Surroundings
    private let logger: Logger
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var feed: NameFeed
        var clients: LocalClients
        var names = ClientNames()
        var server: DNSServer?
        var addresses: Set<IPAddress> = []
        var configuration: NameServerConfiguration
        /// What the node's own resolver is told.
        var resolvers: ResolverFile?
        /// What people added to the names that are served.
        var custom: CustomNames?
        var probe: NameProbe
        var programming = NameProgramming()
    }

    init(
        _ settings: LocalNameSettings, node: String, namespace: NetworkNamespace, surroundings: Surroundings, logger: Logger
    ) {
        (self.settings, self.namespace, self.surroundings, self.logger) = (settings, namespace, surroundings, logger)
        let plan = NamePlan(settings.names)
        forwarder = Forwarder(
            settings.configuration.forwarding(nil, listening: [], domains: [settings.names.domain]),
            memory: AnswerMemory(settings.configuration.cache), now: surroundings.now,
            random: { surroundings.dice }, logger: logger, report: { logger.warning("\($0)") })
        state = Mutex(
            State(
                feed: NameFeed(plan, knowsClients: false), clients: LocalClients(plan, node: node),
                configuration: settings.configuration, probe: NameProbe(plan.probe)))
    }

    /// What the world outside is asked by begins. Before ``serve(at:)``.
    func start() throws {
        try namespace.perform { () throws(KernelError) in
            do { try forwarder.start() } catch {
                throw KernelError(Errno(rawValue: EMFILE), "ask for names of the world outside", explanation: "\(error)")
            }
        }
    }

    /// Nobody is answered any more.
    func stop() {
        try? serve(at: [])
        forwarder.stop()
    }

    private func forward(_ state: borrowing State) {
        forwarder.use(
            state.configuration.forwarding(
                state.resolvers, listening: Set(state.addresses.map { SocketAddress($0, 53) }),
                domains: [settings.names.domain] + state.configuration.custom.zones.map(\.apex)))
    }
}

// MARK: - What is served

extension LocalNameServer {
    /// What the objects say, in their order.
    func take(_ events: [ObjectEvent]) {
        let begin = surroundings.now()
        state.withLock { state in
            let named = events.compactMap(feedable)
            let isChanged = !named.isEmpty && state.feed.take(named)
            var touched: Set<IPAddress> = []
            for event in events { touched.formUnion(Self.note(event, &state.clients)) }
            guard isChanged || !touched.isEmpty else { return }
            refresh(touched, &state)
            serve(&state)
            state.programming.observe(events, took: surroundings.now() - begin, at: surroundings.date())
        }
    }

    /// Who asks is looked up elsewhere, and pods have no names by themselves, unless they are said to.
    private func feedable(_ event: ObjectEvent) -> ObjectEvent? {
        switch event {
        case .listed(let objects): .listed(objects.filter(hasName))
        case .added(let object), .modified(let object): hasName(object) ? event : nil
        case .deleted(let key, _): key.kind == Pod.resource.kind.kind && !havePodsNames ? nil : event
        case .faults: nil
        }
    }

    private var havePodsNames: Bool { settings.names.pods == .verified }

    private func hasName(_ object: any KubernetesObject) -> Bool {
        object is Service || object is EndpointSlice || object is Namespace || (object is Pod && havePodsNames)
    }

    private static func note(_ event: ObjectEvent, _ clients: inout LocalClients) -> Set<IPAddress> {
        switch event {
        case .listed(let objects):
            let pods = objects.compactMap { $0 as? Pod }
            var touched = clients.keep(only: Set(pods.map(\.key)))
            for pod in pods { touched.formUnion(clients.set(pod)) }
            return touched
        case .added(let object), .modified(let object): return (object as? Pod).map { clients.set($0) } ?? []
        case .deleted(let key, _): return key.kind == Pod.resource.kind.kind ? clients.remove(key) : []
        case .faults: return []
        }
    }

    func admit(_ tenant: PolicyTenant) {
        state.withLock { state in
            state.clients.attach(tenant.addresses, to: tenant.pod, uid: tenant.uid)
            refresh(tenant.addresses, &state)
            serve(&state)
        }
    }

    func release(_ tenant: PolicyTenant) {
        state.withLock { state in
            state.clients.detach(tenant.addresses, from: tenant.pod)
            refresh(tenant.addresses, &state)
            serve(&state)
        }
    }

    private func refresh(_ addresses: some Sequence<IPAddress>, _ state: inout State) {
        let collapses = settings.collapsesSearches && state.configuration.collapsesSearch
        for address in addresses {
            state.names[address] = state.clients[address].map { client in
                ClientNames.Client(client.name, searchList: collapses ? client.searches : [])
            }
        }
    }

    private func serve(_ state: inout State) {
        guard let server = state.server else { return }
        server.change { put(&state, into: &$0) }
    }

    private func put(_ state: inout State, into names: inout ServedNames) {
        state.feed.put(into: &names)
        names.clients = state.names
        names.isLogged = state.configuration.log == .all
        let custom = state.configuration.custom
        guard !custom.isEmpty || state.custom != nil else { return }
        custom.apply(to: &names.zones, insteadOf: state.custom)
        state.custom = custom.isEmpty ? nil : custom
    }

    /// What the node's own resolver is told.
    func use(_ file: ResolverFile) {
        state.withLock { state in
            state.resolvers = file
            forward(state)
            guard state.clients.use(nodeSearches: file.search) else { return }
            refresh(state.clients.addresses, &state)
            serve(&state)
        }
    }

    /// Another document. Its domain, its pods' names and what it remembers hold from the next start on.
    func use(_ configuration: NameServerConfiguration) {
        state.withLock { state in
            guard state.configuration != configuration else { return }
            state.configuration = configuration
            forward(state)
            refresh(state.clients.addresses, &state)
            serve(&state)
            logger.info("another configuration of names is in force")
        }
    }

    /// Follows the files that it is told by until the task is cancelled.
    func followFiles() async {
        var configuration = settings.configurationFile.map { FollowedFile($0) }
        var resolvers = FollowedFile(resolverFile)
        while !Task.isCancelled {
            if let file = settings.configurationFile, let reading = configuration?.changed() { read(reading, file) }
            // The document names another one.
            if resolvers.path != resolverFile { resolvers = FollowedFile(resolverFile) }
            switch resolvers.changed() {
            case .text(let text): use(ResolverFile(text))
            case .unreadable(let code):
                logger.warning("\(resolvers.path) cannot be read; what it said stays", metadata: ["errno": "\(code)"])
            case nil: break
            }
            try? await Task.sleep(for: .seconds(5))
        }
    }

    /// Also where upstreams are chosen the node's search list stands in its own file.
    private var resolverFile: String { state.withLock { $0.configuration.resolverFile } ?? "/etc/resolv.conf" }

    private func read(_ reading: FollowedFile.Reading, _ file: String) {
        switch reading {
        case .text(let text):
            do { use(try NameServerConfiguration(text, file: file)) } catch {
                logger.warning("what was in force stays", metadata: ["mistakes": "\(error)"])
            }
        case .unreadable(let code): logger.warning("\(file) cannot be read; what it said stays", metadata: ["errno": "\(code)"])
        }
    }
}

// MARK: - Where

extension LocalNameServer {
    func serve(at addresses: [IPAddress]) throws {
        try state.withLock { state in
            guard state.addresses != Set(addresses) else { return }
            state.server?.stop()
            (state.server, state.addresses) = (nil, [])
            guard !addresses.isEmpty else { return }
            let server = DNSServer(
                NameServerSettings(
                    addresses: addresses, threads: settings.threads, mayBindAbsent: true, now: surroundings.now,
                    report: { [logger] in logger.info("\($0)") }),
                outside: forwarder, logger: logger)
            var names = ServedNames()
            state.custom = nil
            put(&state, into: &names)
            server.serve(names)
            let failure = try namespace.perform { () throws(KernelError) -> (any Error)? in
                do {
                    try server.start()
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            (state.server, state.addresses) = (server, Set(addresses))
            forward(state)
        }
    }

    /// Asks the server, so that the kernel sees that it answers, until the task is cancelled.
    func probe() async {
        while !Task.isCancelled {
            state.withLock { $0.probe.ask($0.addresses, id: UInt16(truncatingIfNeeded: surroundings.dice), in: namespace) }
            try? await Task.sleep(for: NameProbe.pause)
        }
    }

    var problem: Problem? {
        let silent = state.withLock { state in state.probe.silences.filter { $0.value >= 5 }.keys.sorted() }
        guard !silent.isEmpty else { return nil }
        let names = silent.map(\.description).joined(separator: ", ")
        return Problem(
            .namesNotServed, nil, "the server at \(names) does not answer the agent: the cluster's servers are asked meanwhile")
    }

    func addFigures(to page: inout Exposition) {
        let (server, programming) = state.withLock { ($0.server, $0.programming) }
        guard let server else { return }
        programming.add(to: &page)
        page.add(server.figures, server: "dns://:53")
        page.add(forwarder.figures, server: "dns://:53")
    }
}

extension Surroundings {
    /// 64 bits of chance.
    fileprivate var dice: UInt64 { UInt64(random() * 0x1p32) << 32 | UInt64(random() * 0x1p32) }
}
