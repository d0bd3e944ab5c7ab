public import Addressing
import CLinux
import Cluster
import DNS
import KubeAPI
public import KubeClient
public import Logging
public import NameServer
public import Plan
public import ServiceLifecycle
import Synchronization
import Telemetry

/// The cluster's name server: follows the objects, and serves what they are called.
///
/// ```
///  ObjectSource ──► NameFeed ──► DNSServer ◄── queries
///                                    │ names of others
///                                    ▼
///                                Forwarder ──► upstreams
/// ```
/// It works in the network namespace it was started in. Asked to stop, it says so where its health is asked for, goes on for the
/// time of ``Settings/farewell``, so that those who send learn of it, and answers what it has received.
public struct NameService: ServiceLifecycle.Service {
    public struct Settings: Sendable {
        /// Where `/health` is shown; none: nowhere.
        public var healthAddresses: [SocketAddress] = []
        /// Where `/ready` is shown.
        public var readyAddresses: [SocketAddress] = []
        /// Where `/metrics` is shown, and `/explain`.
        public var metricsAddresses: [SocketAddress] = []
        public var farewell: Duration = .seconds(5)
        /// What figures call this server.
        public var label = "dns://:53"
        /// How the cluster's objects are named, but for what the configuration says.
        public var names = NameSettings()
        /// Pods are known by their addresses, and their search lists are gone through for them.
        public var knowsClients = false

        public init() {}
    }

    /// Makes a source of objects.
    public typealias Sources = @Sendable ([ServerObjectSource.Collection]) -> any ObjectSource

    private let settings: Settings
    private let sources: Sources
    private let server: DNSServer
    private let forwarder: Forwarder
    private let board: NameBoard
    private let configuration: NameConfigurationFollower
    private let reloads: AsyncStream<Void>
    private let log: QueryLog
    private let turns: (stream: AsyncStream<ObjectTurn>, next: AsyncStream<ObjectTurn>.Continuation)
    private let surroundings: Surroundings
    private let logger: Logger

    /// - Parameters:
    ///   - sources: of the cluster's objects; asked again when other objects are needed.
    ///   - server: not started.
    ///   - forwarder: not started; it is asked for names of others while the configuration names somebody.
    ///   - log: that the server reports its queries to.
    ///   - reloads: when the configuration is to be looked at, beside now and then.
    public init(
        _ settings: Settings, sources: @escaping Sources, server: DNSServer, forwarder: Forwarder, log: QueryLog,
        configuration: NameConfigurationFollower, reloads: AsyncStream<Void>, surroundings: Surroundings, logger: Logger
    ) {
        (self.configuration, self.reloads, self.log) = (configuration, reloads, log)
        (self.settings, self.sources, self.server, self.forwarder) = (settings, sources, server, forwarder)
        (self.surroundings, self.logger) = (surroundings, logger)
        let (stream, next) = AsyncStream.makeStream(of: ObjectTurn.self)
        turns = (stream, next)
        let feed = NameFeed(NamePlan(settings.names(configuration.configuration)), knowsClients: false)
        board = NameBoard(feed, server, forwarder, log, label: settings.label, now: surroundings.now)
    }

    public func run() async throws {
        configure(configuration)
        try forwarder.start()
        defer { forwarder.stop() }
        try server.start()
        logger.info("names are served", metadata: ["at": "\(server.addresses.map(\.description).joined(separator: " "))"])
        let doors = await open()
        let end: Result<Void, any Error>
        do { end = .success(try await follow()) } catch { end = .failure(error) }
        server.stop()
        // What it answered last was reported after the writer had ended.
        log.writeRest(write)
        for door in doors { await door.close() }
        try end.get()
        logger.info("stopped; what was received is answered")
    }

    /// Until it is asked to stop, and the farewell is over.
    private func follow() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await followObjects() }
            group.addTask { await followConfiguration() }
            group.addTask {
                await log.write(pause: { try await Task.sleep(for: .seconds(1)) }, write)
            }
            group.addTask {
                try await gracefulShutdown()
                board.leave()
                try await Task.sleep(for: settings.farewell)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func write(_ line: QueryLog.Line) { logger.info("\(line)") }

    /// How often files are looked at: those of a mounted ConfigMap come minutes late anyway.
    private static let pause = Duration.seconds(2)

    private func followConfiguration() async {
        let (calls, call) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in reloads { call.yield(true) } }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.pause)
                    call.yield(false)
                }
            }
            var follower = configuration
            for await isAsked in calls {
                let isChanged = follower.look(isAsked: isAsked)
                board.note(follower)
                guard isChanged else { continue }
                configure(follower)
                // Of a list of 100,000 hosts some ten megabytes were needed to read it, and as many by the one before.
                _ = clinux_trim_memory()
            }
            group.cancelAll()
        }
    }

    /// Does as the configuration says; a query keeps what it began with.
    private func configure(_ follower: NameConfigurationFollower) {
        let configuration = follower.configuration
        log.use(linesPerSecond: configuration.logRate)
        board.note(follower)
        board.use(
            configuration, settings.names(configuration), knowsClients: settings.knowsClients || configuration.log == .all,
            collapsesSearches: settings.knowsClients && configuration.collapsesSearch)
        for turn in board.newTurns() { turns.next.yield(turn) }
        // Before the names: who is asked from now on is asked as it holds from now on.
        forwarder.memory.settings = configuration.cache
        forward()
        serve()
    }

    private func forward() {
        if let settings = board.forwarding { forwarder.use(settings) }
    }

    /// Serves what is known. It is taken from the board while the server is changed, so that of two who call it at once none can
    /// leave behind what was known before.
    private func serve() {
        var isComplete = false
        server.change { isComplete = board.put(into: &$0) }
        if isComplete { board.beginServing() }
    }

    private func open() async -> [AnswerServer] {
        var doors: [AnswerServer] = []
        for address in settings.places {
            do {
                doors.append(
                    try await AnswerServer.open(at: address) { [board, settings] question in
                        board.answer(question, shows: { settings.shows($0, at: address) })
                    })
            } catch let error as AnswerServerFailure where error.isWithoutFamily {
                // A machine without the family has nobody who could ask there.
            } catch {
                logger.warning("\(error); names are served all the same")
            }
        }
        return doors
    }
}

// MARK: - Objects

extension NameService {
    /// Follows what is needed until the task is cancelled. When other objects are needed, those of before are followed until the
    /// others are listed.
    private func followObjects() async {
        await withTaskGroup(of: Void.self) { group in
            for await turn in turns.stream { group.addTask { await follow(turn) } }
        }
    }

    private func follow(_ turn: ObjectTurn) async {
        let source = sources(turn.collections)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await source.run() }
            group.addTask {
                for await batch in source.events {
                    take(batch, turn)
                    // What is there already is taken without a pause: others, as who reads the configuration, have their turn too.
                    await Task.yield()
                }
            }
            group.addTask { for await _ in turn.end {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func take(_ batch: ObjectBatch, _ turn: ObjectTurn) {
        switch turn.purpose {
        case .names: takeNames(batch, turn)
        case .networks:
            let news = board.take(nodes: batch.events)
            if news.isChanged { serve() }
            for fault in news.faults {
                logger.warning("\(fault): until the nodes are known, answers to clients outside the cluster are not limited")
            }
        }
    }

    private func takeNames(_ batch: ObjectBatch, _ turn: ObjectTurn) {
        guard let news = board.take(batch.events, turn) else { return }
        if news.isChanged {
            if news.hasOtherDomains { forward() }
            serve()
            board.observe(news.changes, took: batch.age(), at: surroundings.date())
        }
        if news.isFirst {
            logger.info(
                "the cluster's names are known",
                metadata: [
                    "services": "\(news.feed.serviceCount)", "names": "\(news.feed.zones.nameCount)",
                ])
        }
        for problem in news.problems { logger.warning("\(problem)") }
        if batch.events.contains(where: { if case .listed = $0 { true } else { false } }) { surroundings.hasListed() }
    }
}

extension NameService.Settings {
    /// How objects are named by a configuration.
    fileprivate func names(_ configuration: NameServerConfiguration) -> NameSettings {
        var names = names
        (names.domain, names.ttl) = (configuration.clusterDomain, configuration.ttl)
        names.pods = NameSettings.PodRecords(rawValue: configuration.pods.rawValue) ?? .disabled
        return names
    }

    /// Each once: several things may be shown at one address.
    fileprivate var places: [SocketAddress] { Set(healthAddresses + readyAddresses + metricsAddresses).sorted() }

    fileprivate func shows(_ page: NameBoard.Page, at address: SocketAddress) -> Bool {
        switch page {
        case .health: healthAddresses.contains(address)
        case .ready: readyAddresses.contains(address)
        case .metrics, .explain: metricsAddresses.contains(address)
        }
    }
}

extension NameService: CustomStringConvertible {
    /// Short: the service group writes it on every line.
    public var description: String { "names" }
}
