public import Addressing
import Cluster
import DNS
import KubeAPI
public import KubeClient
public import Logging
public import NameServer
import Plan
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

        public init() {}
    }

    private let settings: Settings
    private let source: any ObjectSource
    private let server: DNSServer
    private let forwarder: Forwarder?
    private let board: NameBoard
    private let configuration: NameConfigurationFollower
    private let reloads: AsyncStream<Void>
    private let surroundings: Surroundings
    private let logger: Logger

    /// - Parameters:
    ///   - feed: that has taken nothing yet.
    ///   - server: not started.
    ///   - forwarder: not started; `nil`: names of others are refused.
    ///   - reloads: when the configuration is to be looked at, beside now and then.
    public init(
        _ settings: Settings, feed: NameFeed, source: any ObjectSource, server: DNSServer, forwarder: Forwarder?,
        configuration: NameConfigurationFollower, reloads: AsyncStream<Void>, surroundings: Surroundings, logger: Logger
    ) {
        (self.configuration, self.reloads) = (configuration, reloads)
        (self.settings, self.source, self.server, self.forwarder) = (settings, source, server, forwarder)
        (self.surroundings, self.logger) = (surroundings, logger)
        board = NameBoard(feed, server, forwarder, label: settings.label)
    }

    public func run() async throws {
        configure(configuration)
        try forwarder?.start()
        defer { forwarder?.stop() }
        try server.start()
        logger.info("names are served", metadata: ["at": "\(server.addresses.map(\.description).joined(separator: " "))"])
        let doors = await open()
        let end: Result<Void, any Error>
        do { end = .success(try await follow()) } catch { end = .failure(error) }
        server.stop()
        for door in doors { await door.close() }
        try end.get()
        logger.info("stopped; what was received is answered")
    }

    /// Until it is asked to stop, and the farewell is over.
    private func follow() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await source.run()
                // It ends with the group alone.
                while !Task.isCancelled { try await Task.sleep(for: .seconds(3600)) }
            }
            group.addTask {
                for await events in source.events { take(events) }
                while !Task.isCancelled { try await Task.sleep(for: .seconds(3600)) }
            }
            group.addTask { await followConfiguration() }
            group.addTask {
                try await gracefulShutdown()
                board.leave()
                try await Task.sleep(for: settings.farewell)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

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
            for await isAsked in calls where follower.look(isAsked: isAsked) { configure(follower) }
            group.cancelAll()
        }
    }

    /// Does as the configuration says; a query keeps what it began with.
    private func configure(_ follower: NameConfigurationFollower) {
        let configuration = follower.configuration
        let feed = board.use(configuration.custom)
        server.change { names in
            feed.put(into: &names)
            names.isLogged = configuration.log == .all
            names.responseLimit = configuration.rateLimit.map { ResponseLimit(rate: $0.responsesPerSecond, exempt: $0.exempt) }
        }
        forwarder?.use(follower.forwarding(domains: feed.ownDomains))
        forwarder?.memory.settings = configuration.cache
    }

    private func take(_ events: [ObjectEvent]) {
        let begin = surroundings.now()
        guard let news = board.take(events) else { return }
        if news.isChanged {
            server.change { news.feed.put(into: &$0) }
            board.observe(events, took: surroundings.now() - begin, at: surroundings.date())
        }
        if news.isFirst {
            logger.info(
                "the cluster's names are known",
                metadata: [
                    "services": "\(news.feed.serviceCount)", "names": "\(news.feed.zones.all.map(\.nameCount).reduce(0, +))",
                ])
        }
        for problem in news.problems { logger.warning("\(problem)") }
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

extension NameService.Settings {
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
