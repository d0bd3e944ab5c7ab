import Addressing
import CLinux
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
/// It serves only once the objects are known, and a document that says how: before, the cluster's servers know more. What leads
/// queries here is ``LocalNameKeeper``'s to say. Until it serves it has neither a thread nor a socket.
final class LocalNameServer: LocalNameServing {
    let settings: LocalNameSettings
    private let node: String
    private let namespace: NetworkNamespace
    private let hasAllPods: Bool
    private let canAskForPods: Bool
    private let surroundings: Surroundings
    private let logger: Logger
    private let log: QueryLog
    private let state: Mutex<State>
    /// Of who begins to serve or ends it.
    private let moving = Mutex(())
    /// Rings when it begins to serve.
    private let beginnings: AsyncStream<Void>
    private let begin: AsyncStream<Void>.Continuation

    private struct State: ~Copyable {
        var feed: NameFeed
        var clients: LocalClients
        var names = ClientNames()
        var server: DNSServer?
        /// The one before, which may still have queries.
        var leaving: DNSServer?
        /// Who asks for names of others, while somebody is served, and until whoever waits has his answer.
        var forwarder: Forwarder?
        /// For how many more turns of ``run(_:)`` that is, once nobody is served any more.
        var turnsLeft: Int?
        var addresses: Set<IPAddress> = []
        /// What says how names are to be served here.
        var document: FollowedConfiguration
        /// What was last put in force of it.
        var served: NameServerConfiguration?
        var documentUID: String?
        /// What the ConfigMap has in the place of a document.
        var strayKeys: [String] = []
        /// Whom the document has us ask.
        var resolvers = FollowedResolvers()
        /// What the node's own resolver is told, whoever is asked.
        var nodeResolvers = FollowedResolvers()
        /// Of this node and its pods.
        var ownNetworks: [IPPrefix] = []
        /// Pods that may have names are among the objects: all of the cluster's.
        var knowsAllPods = false
        var probe: NameProbe
        var programming = NameProgramming()
    }

    /// - Parameters:
    ///   - knowsAllPods: every pod of the cluster comes with the objects, and not this node's alone.
    ///   - canAskForPods: somebody holds them, and gives them when they are needed (``needsPods``): until then none is kept here.
    init(
        _ settings: LocalNameSettings, node: String, namespace: NetworkNamespace, knowsAllPods: Bool, canAskForPods: Bool = false,
        surroundings: Surroundings, logger: Logger
    ) {
        (self.settings, self.node, self.namespace, hasAllPods) = (settings, node, namespace, knowsAllPods)
        self.canAskForPods = canAskForPods
        (self.surroundings, self.logger) = (surroundings, logger)
        log = QueryLog(linesPerSecond: settings.configuration.logRate, now: surroundings.now)
        let plan = NamePlan(settings.names(settings.configuration))
        (beginnings, begin) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        var feed = NameFeed(plan, knowsClients: false, waitsForObjects: false)
        feed.use(settings.configuration.custom)
        state = Mutex(
            State(
                feed: feed, clients: LocalClients(plan, node: node),
                document: FollowedConfiguration(
                    settings.configurationFile, configuration: settings.configurationFile == nil ? nil : settings.configuration),
                served: settings.configurationFile == nil ? nil : settings.configuration,
                probe: NameProbe(plan.probe)))
    }

    /// Ends the server; when this returns, whoever asked it has his answer, or waits for one no more.
    func finish() async {
        try? serve(at: [])
        // Other work of the process goes on meanwhile.
        let steps = Int(LocalNameKeeper.patience / Self.step)
        for _ in 0..<steps where !(state.withLock { $0.leaving?.isIdle ?? true }) {
            guard (try? await Task.sleep(for: Self.step)) != nil else { return }
        }
    }

    private static let step: Duration = .milliseconds(20)

    /// Nobody is answered any more, and who wrote the log has ended: what is left of it is written.
    func stop() {
        try? serve(at: [])
        endForwarder()
        log.writeRest(write)
    }
}

// MARK: - What is served

extension LocalNameServer {
    /// What the objects say, in their order.
    ///
    /// - Parameter age: how long ago that was read.
    /// - Returns: whether something else is wrong with them than before.
    @discardableResult
    func take(_ events: [ObjectEvent], age: () -> Duration = { .zero }) -> Bool {
        state.withLock { state in
            let before = state.feed.problemChanges
            take(events, age, &state)
            return state.feed.problemChanges != before
        }
    }

    private func take(_ events: [ObjectEvent], _ age: () -> Duration, _ state: inout State) {
        for event in events {
            readDocument(in: event, &state)
            if case .listed = event {
                state.knowsAllPods = hasAllPods && state.document.configuration?.pods == .verified
                put(&state)
            }
            note(nodeIn: event, &state)
        }
        let named = events.compactMap { feedable($0, state.knowsAllPods) }
        var changes: [NamedChange] = []
        let isChanged = !named.isEmpty && state.feed.take(named, &changes)
        var touched: Set<IPAddress> = []
        for event in events { touched.formUnion(Self.note(event, &state.clients)) }
        guard isChanged || !touched.isEmpty else { return }
        refresh(touched, &state)
        serve(&state)
        if state.server != nil { state.programming.observe(changes, took: age(), at: surroundings.date()) }
    }

    /// Whether pods are to be named, and those that there are were not told: they come by ``know(_:)``, before the next events.
    var needsPods: Bool {
        state.withLock { state in
            canAskForPods && state.feed.isComplete && !state.knowsAllPods && state.document.configuration?.pods == .verified
        }
    }

    /// These are all pods; from now on changes of them are taken.
    func know(_ pods: some Sequence<Pod>) {
        state.withLock { state in
            state.knowsAllPods = true
            _ = state.feed.take(pods.map { .added($0) })
            put(&state)
            serve(&state)
        }
    }

    /// Who asks is looked up elsewhere, and pods have no names by themselves, unless they are said to.
    private func feedable(_ event: ObjectEvent, _ arePodsNamed: Bool) -> ObjectEvent? {
        func hasName(_ object: any KubernetesObject) -> Bool {
            object is Service || object is EndpointSlice || object is Namespace || (object is Pod && arePodsNamed)
        }
        return switch event {
        case .listed(let objects): .listed(objects.filter(hasName))
        case .added(let object), .modified(let object): hasName(object) ? event : nil
        case .deleted(let key, _): key.kind == Pod.resource.kind.kind && !arePodsNamed ? nil : event
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

    /// Whoever asks from this node's own addresses is not limited.
    private func note(nodeIn event: ObjectEvent, _ state: inout State) {
        let own: Node? =
            switch event {
            case .listed(let objects): objects.lazy.compactMap { $0 as? Node }.first { $0.metadata.name == self.node }
            case .added(let object), .modified(let object): (object as? Node).flatMap { $0.metadata.name == node ? $0 : nil }
            case .deleted, .faults: nil
            }
        guard let own else { return }
        let networks = own.spec.podCIDRs + own.internalAddresses.map { IPPrefix(host: $0) }
        guard networks != state.ownNetworks else { return }
        state.ownNetworks = networks
        if state.document.configuration?.rateLimit != nil { serve(&state) }
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
        let collapses = settings.collapsesSearches && state.document.configuration?.collapsesSearch ?? false
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
        let configuration = state.document.configuration
        state.feed.put(into: &names)
        names.clients = state.names
        names.isLogged = configuration?.log == .all
        names.forwards = configuration?.forwards ?? true
        let hosts = IPFamily.allCases.map(LocalNameTable.prober) + state.addresses + state.clients.addresses
        let own = state.ownNetworks + hosts.sorted().map { IPPrefix(host: $0) }
        names.responseLimit = configuration?.rateLimit.map {
            ResponseLimit(rate: $0.responsesPerSecond, exempt: $0.exempt + own)
        }
    }
}

// MARK: - By which document

extension LocalNameServer {
    /// Whether something says how names are served here, and it can be done so.
    var isConfigured: Bool { state.withLock { Self.isConfigured($0) } }

    private static func isConfigured(_ state: borrowing State) -> Bool {
        guard let configuration = state.document.configuration else { return false }
        return configuration.pods != .verified || state.knowsAllPods
    }

    /// So that people find what is said of it.
    func uid(of key: ObjectKey) -> String? { key == settings.configMap ? state.withLock { $0.documentUID } : nil }

    private func readDocument(in event: ObjectEvent, _ state: inout State) {
        guard settings.configurationFile == nil else { return }
        switch event {
        case .listed(let objects):
            use(objects.lazy.compactMap { $0 as? ConfigMap }.first { $0.key == settings.configMap }, &state)
        case .added(let object), .modified(let object):
            if object.key == settings.configMap, let map = object as? ConfigMap { use(map, &state) }
        case .deleted(let key, _): if key == settings.configMap { use(nil, &state) }
        case .faults: break
        }
    }

    private func use(_ map: ConfigMap?, _ state: inout State) {
        state.documentUID = map?.metadata.uid
        state.strayKeys = map.map(NameDocument.strayKeys) ?? []
        note(state.document.use(map.flatMap { NameDocument($0) }), &state)
    }

    private func note(_ news: FollowedConfiguration.News?, _ state: inout State) {
        switch news {
        case .inForce: put(&state)
        case .takenBack:
            // Then the cluster's servers are somebody else's, or will be told otherwise.
            if state.served != nil { logger.info("nothing says how names are served: the cluster's servers are asked") }
            state.served = nil
        case .refused, nil: break
        }
        // Whoever looks at files is told that there are some.
        if news != nil, state.document.hasFiles { begin.yield() }
    }

    /// From now on names are served so; a query keeps what it began with, and what is remembered stays.
    private func put(_ state: inout State) {
        guard let configuration = state.document.configuration, state.served != configuration else { return }
        // Until the pods are known, names are given as before.
        if configuration.pods == .verified, canAskForPods, !state.knowsAllPods { return }
        state.served = configuration
        if configuration.pods != .verified, canAskForPods, state.knowsAllPods {
            state.knowsAllPods = false
            state.feed.forgetPods()
        }
        let names = settings.names(configuration)
        if names != state.feed.plan.settings {
            let plan = NamePlan(names)
            state.feed.use(names, knowsClients: false, collapsesSearches: false)
            state.clients.use(plan)
            state.probe = NameProbe(plan.probe)
        }
        state.feed.use(configuration.custom)
        log.use(linesPerSecond: configuration.logRate)
        state.forwarder?.memory.settings = configuration.cache
        if state.server != nil { _ = lookAtResolvers(&state) }
        forward(state)
        refresh(state.clients.addresses, &state)
        serve(&state)
        // What was needed to read it, and what was served before.
        _ = clinux_trim_memory()
        logger.info("another configuration of names is in force")
    }

    private func forward(_ state: borrowing State) {
        guard let forwarder = state.forwarder, let configuration = state.document.configuration else { return }
        forwarder.use(
            configuration.forwarding(
                state.resolvers.resolvers, listening: Set(state.addresses.map { SocketAddress($0, 53) }),
                domains: state.feed.ownDomains))
    }
}

// MARK: - Files

extension LocalNameServer {
    /// Asks the server, so that the kernel sees that it answers, and looks at the files that say how it is to answer, until the task is
    /// cancelled. While nobody is served, and there is no such file, it wakes nobody.
    ///
    /// - Parameter changed: a file says something else than before.
    func run(_ changed: @escaping @Sendable () -> Void) async {
        var beginnings = beginnings.makeAsyncIterator()
        var turns = 0
        while !Task.isCancelled {
            if turns % Self.turnsOfFiles == 0, look() { changed() }
            turns += 1
            endForwarder(isTurn: true)
            let isBusy = state.withLock { state in
                state.probe.ask(
                    state.server == nil ? [] : state.addresses, id: UInt16(truncatingIfNeeded: surroundings.dice), in: namespace)
                return state.server != nil || state.document.hasFiles || state.forwarder != nil
            }
            if isBusy {
                try? await Task.sleep(for: NameProbe.pause)
            } else {
                guard await beginnings.next() != nil else { return }
                turns = 0
            }
        }
    }

    /// Writes the log of queries until the task is cancelled. Those who serve never wait for it.
    func writeLog() async {
        await log.write(pause: { try await Task.sleep(for: .seconds(1)) }, write)
    }

    private func write(_ line: QueryLog.Line) { logger.info("\(line)") }

    /// Some seconds more than clients wait for an answer.
    private static let turnsOfWaiting = 4

    /// How often it asks for each time that it looks at files.
    private static let turnsOfFiles = 3

    /// Looks at the files now.
    ///
    /// - Returns: whether the document says something else, or has other mistakes.
    func look() -> Bool {
        state.withLock { state in
            let news = state.document.look()
            note(news, &state)
            if state.server != nil, lookAtResolvers(&state) { forward(state) }
            return news != nil
        }
    }

    /// Whoever is asked, pods have their copy of the search list from the node's own file.
    ///
    /// - Returns: whether there are others to be asked.
    private func lookAtResolvers(_ state: inout State) -> Bool {
        let named = state.document.configuration?.resolverFile
        let path = named == LocalNameSettings.usualResolverFile ? settings.resolverFile : named
        let isOther = state.resolvers.look(at: path, logger)
        // What is wrong with a file is told once.
        if state.nodeResolvers.look(at: settings.resolverFile, path == settings.resolverFile ? nil : logger),
            state.clients.use(nodeSearches: state.nodeResolvers.resolvers?.search ?? [])
        {
            refresh(state.clients.addresses, &state)
            serve(&state)
        }
        return isOther
    }
}

// MARK: - Where

extension LocalNameServer {
    /// A server begins and ends without the lock: whoever says something of pods meanwhile waits for nothing of it.
    func serve(at addresses: [IPAddress]) throws {
        try moving.withLock { _ in
            let (isOther, old) = state.withLock { state -> (Bool, DNSServer?) in
                guard state.addresses != Set(addresses) else { return (false, nil) }
                defer { (state.server, state.addresses) = (nil, []) }
                state.leaving = state.server
                // Who asks for names outside goes on, for the next server or for those who wait.
                if state.forwarder != nil { state.turnsLeft = addresses.isEmpty ? Self.turnsOfWaiting : nil }
                return (true, state.server)
            }
            if let old {
                // Nothing leads to it any more; what was on its way then still comes.
                poll(nil, 0, Self.way)
                // It answers what it has received.
                old.stop()
            }
            guard isOther, !addresses.isEmpty else { return }
            do { try open(at: addresses) } catch {
                state.withLock { state in
                    state.addresses = []
                    if state.forwarder != nil { state.turnsLeft = Self.turnsOfWaiting }
                }
                throw error
            }
        }
    }

    /// In milliseconds; what is on its way is in a queue of the kernel, for less than one of them where the machine has time.
    private static let way: Int32 = 100

    private func open(at addresses: [IPAddress]) throws {
        let (old, cache) = state.withLock { ($0.forwarder, ($0.document.configuration ?? settings.configuration).cache) }
        let forwarder = try old ?? startedForwarder(cache)
        let server = DNSServer(
            NameServerSettings(
                addresses: addresses, threads: settings.threads, mayBindAbsent: true, now: surroundings.now,
                report: { [log] in if !NameProbe.asked($0) { log.hear($0) } }),
            outside: forwarder, logger: logger)
        state.withLock { state in
            (state.forwarder, state.addresses) = (forwarder, Set(addresses))
            _ = lookAtResolvers(&state)
            // The document may be another by now.
            forwarder.memory.settings = (state.document.configuration ?? settings.configuration).cache
            forward(state)
            var names = ServedNames()
            put(&state, into: &names)
            server.serve(names)
        }
        try server.start(in: namespace)
        state.withLock { state in
            state.server = server
            // What was said while it began.
            _ = lookAtResolvers(&state)
            forward(state)
            serve(&state)
        }
        begin.yield()
    }

    /// - Parameter isTurn: not before whoever waits for a name of others has had the time for it.
    private func endForwarder(isTurn: Bool = false) {
        let old = state.withLock { state -> Forwarder? in
            guard let left = state.turnsLeft else { return nil }
            state.turnsLeft = left - 1
            if isTurn, left > 0 { return nil }
            defer { (state.forwarder, state.turnsLeft) = (nil, nil) }
            return state.forwarder
        }
        old?.stop()
    }

    /// It remembers nothing yet, and asks nobody.
    private func startedForwarder(_ cache: MemorySettings) throws -> Forwarder {
        let memory = AnswerMemory(cache)
        let forwarder = Forwarder(
            ForwardingSettings(), memory: memory, now: surroundings.now, random: { [surroundings] in surroundings.dice },
            logger: logger,
            report: { [logger] trouble in
                // That nobody is asked for names outside is as the document wants it.
                if trouble != .nobody(.root) { logger.warning("\(trouble)") }
            })
        try namespace.perform { () throws(KernelError) in
            do { try forwarder.start() } catch {
                throw KernelError(Errno(rawValue: EMFILE), "ask for names of the world outside", explanation: "\(error)")
            }
        }
        return forwarder
    }
}

// MARK: - Asked by this node's people

extension LocalNameServer {
    /// Where a pod of this node has its addresses.
    func addresses(of pod: ObjectKey) -> [IPAddress] { state.withLock { $0.clients.addresses(of: pod).sorted() } }

    func searchList(of pod: ObjectKey) -> (searches: [DomainName], dots: Int)? {
        state.withLock { $0.clients.searchList(of: pod) }
    }

    /// What a client is answered, and where that comes from; `nil`: nobody is answered here.
    func answer(_ question: Question, from client: IPAddress, _ answered: @escaping @Sendable ([UInt8]?, JSONValue) -> Void)
        -> Bool
    {
        let (server, forwarder, zones) = state.withLock { ($0.server, $0.forwarder, $0.feed.zones) }
        guard let server else { return false }
        // Asked before: afterwards the answer is always remembered.
        let why = NameExplanation(question, zones, forwarder, now: surroundings.now()).json
        let query = Message.query(question, id: 0, edns: EDNS(udpSize: 1232)).bytes()
        server.answer(query, from: client) { answered($0, why) }
        return true
    }
}

// MARK: - How it is

extension LocalNameServer {
    var problems: [Problem] {
        state.withLock { state in
            let isFile = settings.configurationFile != nil
            func refused(_ text: String) -> Problem {
                Problem(.nameConfigurationRefused, isFile ? nil : settings.configMap, text)
            }
            var problems: [Problem] = []
            let stays =
                state.document.configuration == nil ? "the cluster's servers are asked" : "what was said before stays in force"
            if let mistakes = state.document.mistakes {
                problems.append(refused("\(mistakes.split(separator: "\n").joined(separator: "; ")); \(stays)"))
            }
            if !state.strayKeys.isEmpty {
                let keys = state.strayKeys.prefix(8).joined(separator: ", ") + (state.strayKeys.count > 8 ? ", …" : "")
                problems.append(
                    refused("it has no key \(NameDocument.key), where the document would be; its keys are \(keys): \(stays)"))
            }
            if state.document.configuration != nil, !Self.isConfigured(state), !hasAllPods {
                problems.append(
                    refused(
                        "“pods: verified” needs to know all pods, as the part policies does: the cluster's servers are asked on node \(node)"
                    ))
            }
            // Where others answer it is theirs to tell.
            if Self.isConfigured(state) { problems += state.feed.problems }
            let silent = state.probe.silences.filter { $0.value >= 3 }.keys.sorted()
            if !silent.isEmpty {
                let names = silent.map(\.description).joined(separator: ", ")
                problems.append(
                    Problem(
                        .namesNotServed, nil,
                        "the server at \(names) does not answer the agent: the cluster's servers are asked meanwhile"))
            }
            return problems
        }
    }

    func addFigures(to page: inout Exposition) {
        let (server, forwarder, document, programming) = state.withLock { state in
            (state.server, state.forwarder, state.document, state.programming)
        }
        page.add(document)
        guard let server else { return }
        programming.add(to: &page)
        page.add(server.figures, server: "dns://:53")
        if let forwarder { page.add(forwarder.figures, server: "dns://:53") }
        page.add(
            "tulle_dns_log_left_out_total", .counter, "Queries that are not in the log, as there were too many.",
            .init(Double(log.leftOut)))
    }
}

extension DNSServer {
    /// Its sockets stay in the namespace.
    func start(in namespace: NetworkNamespace) throws {
        let failure = try namespace.perform { () throws(KernelError) -> (any Error)? in
            do {
                try start()
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }
}

extension Surroundings {
    /// 64 bits of chance.
    fileprivate var dice: UInt64 { UInt64(random() * 0x1p32) << 32 | UInt64(random() * 0x1p32) }
}
