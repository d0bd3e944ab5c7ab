import Addressing
import Cluster
import DNS
import KubeAPI
import KubeClient
import NameServer
import Plan
import Synchronization
import Telemetry

/// What a name server shows of itself over HTTP.
///
/// | | |
/// |---|---|
/// | `/health` | 200 while it serves; 503 from when it was asked to stop |
/// | `/ready` | 200 once the cluster's names are known, with what is wrong with the configuration; else 503 |
/// | `/metrics` | the figures, under CoreDNS's names where they have one |
/// | `/explain/<type>/<name>` | the answer that a name gets, and which objects gave it, as JSON; a slash in a name is `%2F` |
final class NameBoard: Sendable {
    private let state: Mutex<State>
    private let server: DNSServer
    private let forwarder: Forwarder
    private let log: QueryLog
    private let label: String
    private let now: @Sendable () -> Duration

    private struct State {
        var feed: NameFeed
        var configuration: NameConfigurationFollower?
        /// The turn whose objects are known, and the last one that was begun; 0: none.
        var turn = (listed: 0, last: 0)
        var ends: [Int: (purpose: ObjectTurn.Purpose, continuation: AsyncStream<Void>.Continuation)] = [:]
        var followed: [ServerObjectSource.Collection] = []
        /// Of each node, its addresses and its pods'; `nil` until they are listed.
        var networks: [ObjectKey: [IPPrefix]]?
        /// Of the networks as they are now, so that no change of names costs what there is of nodes.
        var limit: ResponseLimit?
        var followsNodes = false
        /// The server has the cluster's names.
        var isServed = false
        var isLeaving = false
        var told: Set<Problem> = []
        var programming = NameProgramming()

        mutating func turn(_ purpose: ObjectTurn.Purpose, _ collections: [ServerObjectSource.Collection]) -> ObjectTurn {
            let (end, continuation) = AsyncStream.makeStream(of: Void.self)
            turn.last += 1
            ends[turn.last] = (purpose, continuation)
            return ObjectTurn(number: turn.last, purpose: purpose, collections: collections, end: end)
        }

        /// A turn lists names: those before it end.
        mutating func begin(_ new: ObjectTurn) {
            if new.collections == feed.collections { feed.beginAnew() }
            turn.listed = new.number
            for (number, end) in ends where number < new.number && end.purpose == .names {
                end.continuation.finish()
                ends[number] = nil
            }
        }

        mutating func note(_ object: any KubernetesObject) {
            guard let node = object as? Node else { return }
            let addresses = node.status.addresses.compactMap { IPAddress($0.text) }
            networks?[node.key] = node.spec.podCIDRs + addresses.map { IPPrefix($0, length: $0.family.bitWidth) }
        }

        mutating func renewLimit() {
            limit = nil
            guard let networks, let wanted = configuration?.configuration.rateLimit else { return }
            limit = ResponseLimit(
                rate: wanted.responsesPerSecond, exempt: wanted.exempt + networks.values.joined().sorted())
        }
    }

    enum Page { case health, ready, metrics, explain }

    /// What events came to.
    struct News {
        var feed: NameFeed
        var isChanged: Bool
        /// Those of them that gave others names than before.
        var changes: [NamedChange]
        /// The names have become known with them.
        var isFirst: Bool
        /// We have the word on other domains than before.
        var hasOtherDomains: Bool
        /// Those that were not there before.
        var problems: [Problem]
    }

    init(
        _ feed: NameFeed, _ server: DNSServer, _ forwarder: Forwarder, _ log: QueryLog, label: String,
        now: @escaping @Sendable () -> Duration
    ) {
        state = Mutex(State(feed: feed))
        (self.server, self.forwarder, self.log, self.label, self.now) = (server, forwarder, log, label, now)
    }

    /// What was read of the configuration last, and what became of it.
    func note(_ follower: NameConfigurationFollower) { state.withLock { $0.configuration = follower } }

    func use(
        _ configuration: NameServerConfiguration, _ names: NameSettings, knowsClients: Bool, collapsesSearches: Bool
    ) {
        state.withLock { state in
            state.feed.use(configuration.custom)
            state.feed.use(names, knowsClients: knowsClients, collapsesSearches: collapsesSearches)
            state.renewLimit()
        }
    }

    /// What is to be followed from now on, as far as it is not followed already.
    func newTurns() -> [ObjectTurn] {
        state.withLock { state in
            var turns: [ObjectTurn] = []
            if state.followed != state.feed.collections {
                state.followed = state.feed.collections
                turns.append(state.turn(.names, state.followed))
            }
            if !state.followsNodes, state.configuration?.configuration.rateLimit != nil {
                state.followsNodes = true
                turns.append(state.turn(.networks, [ServerObjectSource.Collection(Node.resource)]))
            }
            return turns
        }
    }

    /// What a forwarder is to be told; `nil` when nobody is to be asked.
    var forwarding: ForwardingSettings? {
        state.withLock { state in
            state.configuration.flatMap {
                $0.configuration.forwards ? $0.forwarding(domains: state.feed.ownDomains) : nil
            }
        }
    }

    /// Puts everything that is known in the place of what is served.
    ///
    /// - Returns: whether the cluster's names are known.
    func put(into names: inout ServedNames) -> Bool {
        state.withLock { state in
            state.feed.put(into: &names)
            if let configuration = state.configuration?.configuration {
                names.isLogged = configuration.log == .all
                names.forwards = configuration.forwards
                names.responseLimit = state.limit
            }
            return state.feed.isComplete
        }
    }

    /// The server answers by the cluster's names from now on: who is told that it is ready may ask at once.
    func beginServing() { state.withLock { $0.isServed = true } }

    /// - Returns: `nil` when the events mean nothing.
    func take(_ events: [ObjectEvent], _ turn: ObjectTurn) -> News? {
        state.withLock { state in
            // What a turn says that another has followed is of the past.
            guard turn.number >= state.turn.listed else { return nil }
            let isList = events.contains { if case .listed = $0 { true } else { false } }
            let domains = state.feed.ownDomains
            if isList { state.begin(turn) }
            let wasComplete = state.feed.isComplete
            var changes: [NamedChange] = []
            let isChanged = state.feed.take(events, &changes)
            let problems = Set(state.feed.problems)
            let new = problems.subtracting(state.told)
            state.told = problems
            guard isChanged || !new.isEmpty else { return nil }
            return News(
                feed: state.feed, isChanged: isChanged, changes: changes, isFirst: !wasComplete && state.feed.isComplete,
                hasOtherDomains: isList && domains != state.feed.ownDomains, problems: new.sorted())
        }
    }

    /// - Returns: whether the networks of nodes and pods are others than before, and what is wrong with who tells of them.
    func take(nodes events: [ObjectEvent]) -> (isChanged: Bool, faults: [SourceFault]) {
        state.withLock { state in
            let before = state.networks
            var faults: [SourceFault] = []
            for event in events {
                switch event {
                case .listed(let objects):
                    state.networks = [:]
                    for object in objects { state.note(object) }
                case .added(let object), .modified(let object): state.note(object)
                case .deleted(let key, _): state.networks?[key] = nil
                case .faults(let all): faults += all
                }
            }
            let isChanged = before != state.networks
            if isChanged { state.renewLimit() }
            return (isChanged, faults)
        }
    }

    /// These changes are in the answers now, so long after they were read.
    func observe(_ changes: [NamedChange], took duration: Duration, at date: Timestamp) {
        state.withLock { $0.programming.observe(changes, took: duration, at: date) }
    }

    func leave() { state.withLock { $0.isLeaving = true } }

    /// - Parameter shows: whether a page is shown where it is asked for.
    func answer(_ question: HTTPQuestion, shows: (Page) -> Bool) -> HTTPAnswer {
        switch question.path {
        case "/health" where shows(.health):
            let isLeaving = state.withLock { $0.isLeaving }
            return isLeaving ? HTTPAnswer(503, "it was asked to stop\n") : HTTPAnswer(200, "OK")
        case "/ready" where shows(.ready):
            return readiness
        case "/metrics" where shows(.metrics): return HTTPAnswer(200, page.text, contentType: Exposition.contentType)
        default:
            guard let words = question.parts, words.count == 3, words[0] == "explain", shows(.explain) else {
                return .notFound
            }
            guard let type = RecordType(words[1]), let name = DomainName(words[2]) else {
                return HTTPAnswer(
                    400, "ask for /explain/<type>/<name>, such as /explain/A/kubernetes.default.svc.cluster.local\n")
            }
            return HTTPAnswer(
                200,
                "\(NameExplanation(Question(name, type), state.withLock { $0.feed.zones }, asker, now: now()).json)\n",
                contentType: "application/json")
        }
    }

    /// Who asks for names of others; `nil`: they are refused.
    private var asker: Forwarder? {
        state.withLock { $0.configuration?.configuration.forwards ?? true } ? forwarder : nil
    }

    private var readiness: HTTPAnswer {
        state.withLock { state in
            if state.isLeaving { return HTTPAnswer(503, "it was asked to stop\n") }
            guard state.feed.isComplete, state.isServed else { return HTTPAnswer(503, "the cluster's names are not known\n") }
            guard let mistakes = state.configuration?.mistakes else { return HTTPAnswer(200, "OK") }
            return HTTPAnswer(200, "OK\n\nwhat was configured before stays in force:\n\(mistakes)\n")
        }
    }

    private var page: Exposition {
        let (feed, programming, problems) = state.withLock { ($0.feed, $0.programming, $0.told) }
        var page = Exposition()
        page.add(server.figures, server: label)
        page.add(forwarder.figures, server: label)
        page.add(
            "tulle_dns_log_left_out_total", .counter, "Queries that are not in the log, as there were too many.",
            .init(Double(log.leftOut)))
        if let document = state.withLock({ $0.configuration?.document }) { page.add(document) }
        page.add("tulle_dns_services", .gauge, "Services that are known.", .init(feed.serviceCount))
        page.add(
            "tulle_dns_names", .gauge, "Names that exist, by zone; hosts are one.",
            feed.zones.all.map { .init($0.nameCount, ["zone": $0.apex.description]) }
                + (feed.zones.hosts.isEmpty ? [] : [.init(feed.zones.hosts.count, ["zone": "hosts"])]))
        programming.add(to: &page)
        page.add(
            "tulle_problems", .gauge, "Problems that stand now, by their id.",
            Dictionary(grouping: problems, by: \.id).sorted { $0.key.rawValue < $1.key.rawValue }.map {
                .init($0.value.count, ["id": $0.key.rawValue, "severity": $0.key.severity.rawValue])
            })
        ProcessFigures.add(to: &page)
        return page
    }
}
