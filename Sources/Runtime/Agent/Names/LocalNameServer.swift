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
///  objects ──► NameFeed ──► NameServer ◄── queries of this node
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
        var server: NameServer?
        var addresses: Set<IPAddress> = []
        var upstreams: [Upstream]
        var probe: NameProbe
    }

    init(
        _ settings: LocalNameSettings, node: String, namespace: NetworkNamespace, surroundings: Surroundings, logger: Logger
    ) {
        (self.settings, self.namespace, self.surroundings, self.logger) = (settings, namespace, surroundings, logger)
        let plan = NamePlan(settings.names)
        forwarder = Forwarder(
            ForwardingSettings(upstreams: settings.upstreams), now: surroundings.now,
            random: { UInt64.random(in: .min ... .max) }, logger: logger, report: { logger.warning("\($0)") })
        state = Mutex(
            State(
                feed: NameFeed(plan, knowsClients: false), clients: LocalClients(plan, node: node),
                upstreams: settings.upstreams, probe: NameProbe(plan.probe)))
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

    private func forwarding(_ state: borrowing State) -> ForwardingSettings {
        ForwardingSettings(
            upstreams: state.upstreams, ownAddresses: Set(state.addresses.map { SocketAddress($0, 53) }),
            ownDomains: [settings.names.domain])
    }
}

// MARK: - What is served

extension LocalNameServer {
    /// What the objects say, in their order.
    func take(_ events: [ObjectEvent]) {
        state.withLock { state in
            let named = events.compactMap(Self.withoutPods)
            let isChanged = !named.isEmpty && state.feed.take(named)
            var touched: Set<IPAddress> = []
            for event in events { touched.formUnion(Self.note(event, &state.clients)) }
            guard isChanged || !touched.isEmpty else { return }
            refresh(touched, &state)
            serve(&state)
        }
    }

    /// Who asks is looked up elsewhere, and pods have no names by themselves, unless they are said to.
    private static func withoutPods(_ event: ObjectEvent) -> ObjectEvent? {
        switch event {
        case .listed(let objects): .listed(objects.filter { $0 is Service || $0 is EndpointSlice || $0 is Namespace })
        case .added(let object), .modified(let object):
            object is Service || object is EndpointSlice || object is Namespace ? event : nil
        case .deleted(let key, _): key.kind == Pod.resource.kind.kind ? nil : event
        case .faults: nil
        }
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
        for address in addresses {
            state.names[address] = state.clients[address].map { client in
                ClientNames.Client(client.name, searchList: settings.collapsesSearches ? client.searches : [])
            }
        }
    }

    private func serve(_ state: inout State) {
        state.server?.change { names in
            state.feed.put(into: &names)
            names.clients = state.names
        }
    }

    /// What the node's own resolver is told.
    func use(_ file: ResolverFile) {
        state.withLock { state in
            if settings.upstreams.isEmpty {
                var forwarding = forwarding(state)
                file.apply(to: &forwarding)
                state.upstreams = forwarding.upstreams
                forwarder.use(forwarding)
            }
            guard state.clients.use(nodeSearches: file.search) else { return }
            refresh(state.clients.addresses, &state)
            serve(&state)
        }
    }

    /// Follows the file of the node's own resolver until the task is cancelled.
    func followResolver() async {
        await FollowedFile(settings.resolverFile).follow(pause: { try await Task.sleep(for: .seconds(5)) }) { reading in
            switch reading {
            case .text(let text): use(ResolverFile(text))
            case .unreadable(let code):
                logger.warning("\(settings.resolverFile) cannot be read; what it said stays", metadata: ["errno": "\(code)"])
            }
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
            let server = NameServer(
                NameServerSettings(
                    addresses: addresses, threads: settings.threads, mayBindAbsent: true, now: surroundings.now),
                outside: forwarder, logger: logger)
            var names = ServedNames()
            state.feed.put(into: &names)
            names.clients = state.names
            server.serve(names)
            let failure = try namespace.perform { () throws(KernelError) -> (any Error)? in
                do {
                    try server.start()
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            (state.server, state.addresses) = (server, Set(addresses))
            forwarder.use(forwarding(state))
        }
    }

    /// Asks the server, so that the kernel sees that it answers, until the task is cancelled.
    func probe() async {
        while !Task.isCancelled {
            state.withLock { $0.probe.ask($0.addresses, id: UInt16.random(in: 1 ... .max), in: namespace) }
            try? await Task.sleep(for: NameProbe.pause)
        }
    }

    var problem: Problem? {
        let silent = state.withLock { state in state.probe.silences.filter { $0.value >= 5 }.keys.sorted() }
        guard !silent.isEmpty else { return nil }
        let names = silent.map(\.description).joined(separator: ", ")
        return Problem(.namesNotServed, nil, "the server at \(names) does not answer the agent: the cluster's servers are asked meanwhile")
    }

    func addFigures(to page: inout Exposition) {
        let server = state.withLock { $0.server }
        guard let server else { return }
        page.add(server.figures, server: "dns://:53")
        page.add(forwarder.figures, server: "dns://:53")
    }
}
